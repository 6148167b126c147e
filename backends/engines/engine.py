"""The engine Protocol: what every inference backend offers, and the values that cross it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from results.errors import SrlmError
from results.records import Message


@dataclass(frozen=True)
class GenerateConfig:
    """Decoding settings. They are part of a call's cache key, ``seed`` included.

    Args:
        temperature: 0 = greedy, else > 0.
        top_p: nucleus mass, in (0, 1].
        max_tokens: generated tokens at most, >= 1.
        stop: texts that end a completion; they are not part of its text.
        seed: the run's seed; each call's own seed is derived from it and the call's key.
        logprobs: alternatives that are wanted with each token, 0 (none) to 20.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    max_tokens: int = 256
    stop: tuple[str, ...] = ()
    seed: int = 0
    logprobs: int = 0


class NoLogprobsError(SrlmError):
    """The model gives no log-probabilities, though they were asked for: no call can succeed."""


@dataclass(frozen=True)
class Request:
    """One model call. ``prompt`` is a conversation, or raw text that the model continues.

    ``draw`` tells repeated calls on one prompt apart: each draw is a sample of its own.
    """

    prompt: tuple[Message, ...] | str
    draw: int = 0


@dataclass(frozen=True)
class Usage:
    """Tokens that one call read and wrote. A 0 says that they were not counted, unless
    ``read_told``, ``written_told``: it is the call's share of a number that others have, too.
    """

    prompt_tokens: int
    completion_tokens: int
    read_told: bool = field(default=False, compare=False)
    written_told: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class Discarded:
    """An answer that was paid for and thrown away.

    Args:
        usage: what it took, as far as the server says.
        name: of an answer that can be read again, so that it counts once; null = it is gone.
        ended: its call has failed with it, in the group that is given out next: that failure is
            no further call.
    """

    usage: Usage
    name: str | None = None
    ended: bool = False


@dataclass(frozen=True)
class TokenLogprobs:
    """One generated token, and the likeliest tokens in its place, likeliest first: (text, natural
    logarithm of the probability), before temperature and top-p.
    """

    token: str
    top: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Completion:
    """One model output. ``finish_reason``: ``stop`` (the model ended it), ``length`` (cut at
    ``max_tokens``) or ``error`` (no answer; ``text`` then says why and is never cached).

    ``logprobs`` has one entry a generated token where the config asks for them, else it is null;
    reasoning and what follows a stop text are among them, though not in ``text``.
    """

    text: str
    finish_reason: str
    usage: Usage
    logprobs: tuple[TokenLogprobs, ...] | None = None


class Engine(Protocol):
    """Runs one model.

    ``identity`` names its weights: a hash of them, or endpoint + model name + revision.
    ``startup_seconds``: spent so far on imports and loading, apart from computing.
    """

    identity: str
    startup_seconds: float

    def plan(self, requests: Sequence[Request]) -> list[list[int]]:
        """Indices of ``requests`` in the batches in which they will be computed."""
        ...

    def generate(
        self, requests: Sequence[Request], seeds: Sequence[int], config: GenerateConfig
    ) -> list[Completion]:
        """Completes one batch; ``seeds[i]`` alone decides the randomness of request ``i``."""
        ...

    def close(self) -> None:
        """Frees the weights."""
        ...


class Flight(Protocol):
    """Calls that are under way at a server. Iterating gives what has finished since the last look,
    each with its position in the requests, until all have.

    ``retried``: attempts so far beyond the first of each call. ``notes``: what the user should
    know, one line each; whoever tells them takes them away.
    """

    retried: int
    notes: list[str]

    def __iter__(self) -> Iterator[list[tuple[int, Completion]]]:
        """Lists of (position, completion), in the order in which they finished."""
        ...

    def stop(self) -> list[tuple[int, Completion]]:
        """Begins no further call, waits a while for those begun, and returns what finished and
        was not surely taken: the group given out last is among it, unless more was asked for.
        Nothing to do once all have finished. Another interruption ends the waiting.
        """
        ...


@runtime_checkable
class Discarding(Protocol):
    """A flight that tells which answers it threw away; whoever counts them takes them away. It
    gives out a group, be it empty, when there is a new one.
    """

    discarded: list[Discarded]


@runtime_checkable
class Lingering(Protocol):
    """A flight whose ``stop`` may take a while."""

    def waits_for(self) -> str:
        """What it will wait for, as a line for the user; empty where there is nothing."""
        ...


@runtime_checkable
class StreamingEngine(Protocol):
    """An engine that besides ``generate`` hands answers over one by one, as a server gives them."""

    def start(
        self, requests: Sequence[Request], seeds: Sequence[int], config: GenerateConfig
    ) -> Flight:
        """All calls, begun when the flight is iterated; arguments as in ``Engine.generate``."""
        ...


@runtime_checkable
class HasModel(Protocol):
    """An engine whose model lies on this machine: it can be looked at before it is loaded."""

    def check_model(self) -> None:
        """Raises SrlmError where the model cannot take part. Weights do not change between the
        starts of a run, so the first start is the time to ask.
        """
        ...


@runtime_checkable
class Ready(Protocol):
    """An engine that can tell before any work that no call will succeed."""

    def ready(self) -> None:
        """Raises SrlmError then."""
        ...


@runtime_checkable
class Served(Protocol):
    """An engine whose model is at a server that can be asked for it before any work."""

    def look(self) -> list[str]:
        """Asks, by no paid call. Raises SrlmError where the key is refused or the model is not
        known there; returns what the user should know, one line each: that the server is away.
        """
        ...


@dataclass(frozen=True)
class LmEvalModel:
    """How lm-eval opens the model of an engine, in a process of its own.

    Args:
        kind: lm-eval's model type: hf, vllm, local-completions ...
        arguments: of that type, JSON data without secrets.
        environment: variables for that process; a key stands here and nowhere else.
    """

    kind: str
    arguments: dict[str, Any]
    environment: dict[str, str] = field(default_factory=dict, repr=False)


@runtime_checkable
class OpenedByLmEval(Protocol):
    """An engine whose model lm-eval can open too."""

    def lm_eval_model(self) -> LmEvalModel | None:
        """How; null where nothing is to be run, in an evaluation that is only gone through."""
        ...


def check_served(engine: Engine, tell: Callable[[str], None]) -> None:
    """The same of any engine, for the first start alone: what is done needs no server. ``tell`` is
    given the lines.
    """
    if isinstance(engine, Served):
        for line in engine.look():
            tell(line)


def check_ready(engine: Engine, again: bool = False) -> None:
    """Raises SrlmError where the engine can tell already that no call will succeed.

    Args:
        engine: the engine.
        again: whether this model has been checked at an earlier start.
    """
    if isinstance(engine, Ready):
        engine.ready()
    if isinstance(engine, HasModel) and not again:
        engine.check_model()
