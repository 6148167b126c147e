"""Every model call goes through here: answered by the cache if made before, else by the engine."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from itertools import accumulate, islice

from backends.engines.engine import (
    Completion,
    Discarded,
    Discarding,
    Engine,
    GenerateConfig,
    Lingering,
    Request,
    StreamingEngine,
    TokenLogprobs,
    Usage,
)
from backends.prices import Price
from results.cache import Cached, CallCache, Lost, call_key
from results.errors import SrlmError


@dataclass(frozen=True)
class Answer:
    """The completion of request ``index``; ``key`` is its cache key, ``place`` its place in the
    engine's plan.
    """

    index: int
    place: int
    key: str
    completion: Completion
    cached: bool


@dataclass
class Tally:
    """What a caller has done: answers, those from the cache, failures, repeated attempts, tokens,
    seconds and US dollars (as far as prices are known).

    ``unscored`` is counted by who reads the answers.
    """

    done: int = 0
    cached: int = 0
    failed: int = 0
    retried: int = 0
    unscored: int = 0
    tokens: int = 0
    seconds: float = 0.0
    cost: float = 0.0


class BudgetReached(SrlmError):
    """No further call may be made; what is there is kept. Exit code 3, as of every stopped run."""

    exit_code = 3


@dataclass
class Caller:
    """One model behind the cache.

    Args:
        engine: the model; its ``identity`` is part of every key.
        cache: the run's cache of finished calls.
        on_batch: told (answers so far, of) after every batch.
        on_time: told (seconds of model computation, seconds of loading) that calls took.
        on_note: told one line that the user should know.
        max_calls: calls that may be made on this cache, over all starts and models; failed ones
            and answers that were thrown away count too. null = no bound.
        price: of a call, null where it is not known.
        max_cost: US dollars that these calls may come to cost; null = no bound. Needs a price.
    """

    engine: Engine
    cache: CallCache
    on_batch: Callable[[Tally, int], None] = lambda tally, of: None
    on_time: Callable[[float, float], None] = lambda model, startup: None
    on_note: Callable[[str], None] = lambda line: None
    max_calls: int | None = None
    price: Price | None = None
    max_cost: float | None = None
    tally: Tally = field(default_factory=Tally)

    def keys(self, requests: Sequence[Request], config: GenerateConfig) -> list[str]:
        """The cache key of every request."""
        decoding = asdict(config)
        if not config.logprobs:
            del decoding["logprobs"]  # keys of before there were any stay what they were
        return [call_key(self.engine.identity, decoding, r.prompt, r.draw) for r in requests]

    def run(self, requests: Sequence[Request], config: GenerateConfig) -> Generator[list[Answer]]:
        """Answers all requests: those that are in the cache, then the others as they finish.

        Batches come from the whole list, not from what is left: a resumed stage computes the
        same batches, and floating-point results depend on the batch. Equal requests are one call.
        An answer is in the cache before anyone sees it; failures are never cached. Planning is not
        model computation: of its time only what the engine calls start-up is booked.
        """
        self.tally = Tally()
        keys = self.keys(requests, config)
        twins: dict[str, list[int]] = {}
        for index, key in enumerate(keys):
            twins.setdefault(key, []).append(index)
        unique = [where[0] for where in twins.values()]
        before = self.engine.startup_seconds
        plan = self.engine.plan([requests[i] for i in unique])
        self.on_time(0.0, self.engine.startup_seconds - before)
        order = [j for batch in plan for i in batch for j in twins[keys[unique[i]]]]
        place = {index: at for at, index in enumerate(order)}

        def answers(done: Mapping[str, Completion], cached: bool) -> list[Answer]:
            found = [
                Answer(j, place[j], key, completion, cached)
                for key, completion in done.items()
                for j in twins[key]
            ]
            self._count(found)
            self.on_batch(self.tally, len(requests))
            return found

        for batch in plan:
            indices = [unique[i] for i in batch]
            stored = self.cache.get_many([keys[i] for i in indices])
            known = {keys[i]: _completion(stored[keys[i]]) for i in indices if keys[i] in stored}
            if known:
                yield answers(known, cached=True)
            missing = {keys[i]: requests[i] for i in indices if keys[i] not in stored}
            while missing:
                allowed = self._within_budget(missing, config)
                with closing(self._finished(allowed, config)) as finished:
                    for done in finished:
                        yield answers(done, cached=False)
                missing = {key: r for key, r in missing.items() if key not in allowed}

    def _within_budget(
        self, requests: dict[str, Request], config: GenerateConfig
    ) -> dict[str, Request]:
        """The first of ``requests`` that may be made now. What calls cost is known when they are
        done: until then the most that they can cost counts. BudgetReached where none may be made.
        """
        left, bound = len(requests), ""
        if self.max_calls is not None:
            made = self.cache.made()
            left, bound = max(0, self.max_calls - made), f"max_calls: {made} calls are made"
        if self.max_cost is not None and self.price is not None:
            spent = self.cache.cost()
            costs = accumulate(self.price.at_most(r, config) for r in requests.values())
            affordable = sum(spent + cost <= self.max_cost for cost in costs)
            if affordable < left:
                left, bound = affordable, f"max_cost: {spent:.4f} dollars are spent"
        if left < len(requests) and not isinstance(self.engine, StreamingEngine):
            left = 0  # half a planned batch would give other answers than the whole one
        if not left:
            raise _reached(bound, len(requests))
        return dict(islice(requests.items(), left))

    def _check_lost(self, left: int) -> None:
        """Raises BudgetReached where calls that were lost have used up what the ``left`` calls
        under way were allowed for.
        """
        if self.max_calls is not None and (made := self.cache.made()) >= self.max_calls:
            raise _reached(f"max_calls: {made} calls are made", left)
        if self.max_cost is not None and (spent := self.cache.cost()) >= self.max_cost:
            raise _reached(f"max_cost: {spent:.4f} dollars are spent", left)

    def _finished(
        self, requests: Mapping[str, Request], config: GenerateConfig
    ) -> Generator[dict[str, Completion]]:
        """Calls the engine on requests by key; yields answers as they finish, stored already."""
        if not requests:
            return
        keys, asked = list(requests), list(requests.values())
        seeds = [int(key[:15], 16) for key in keys]
        clock = _Clock(self)

        def kept(done: dict[str, Completion]) -> dict[str, Completion]:
            self._keep(done, requests, config)
            return done

        def lost(done: Iterable[Completion]) -> bool:
            return self._lose(done, flight.discarded if isinstance(flight, Discarding) else [])

        if not isinstance(self.engine, StreamingEngine):
            completions = self.engine.generate(asked, seeds, config)
            clock.book()
            self._lose(completions, [])
            yield kept(dict(zip(keys, completions, strict=True)))
            return
        flight = self.engine.start(asked, seeds, config)
        group: list[tuple[int, Completion]] = []
        stored: set[int] = set()
        try:
            for group in flight:
                clock.book()
                self.tally.retried = flight.retried
                while flight.notes:
                    self.on_note(flight.notes.pop(0))
                done = kept({keys[i]: c for i, c in group})
                stored.update(i for i, _ in group)
                some_lost = lost(done.values())
                yield done
                if some_lost and len(stored) < len(keys):
                    self._check_lost(len(keys) - len(stored))
                clock.start()
        finally:
            # Interrupted at whatever step: what was given out or is under way is paid for.
            try:
                if isinstance(flight, Lingering) and (line := flight.waits_for()):
                    self.on_note(line)
            finally:
                rest = {**dict(group), **dict(flight.stop())}
                lost(kept({keys[i]: c for i, c in rest.items() if i not in stored}).values())

    def _keep(
        self, done: dict[str, Completion], requests: Mapping[str, Request], config: GenerateConfig
    ) -> None:
        """Stores the answers with what they cost; failures are never cached."""
        rows = {}
        for key, c in done.items():
            if c.finish_reason == "error":
                continue
            cost = self._cost(requests[key], c.usage, config)
            self.tally.cost += cost or 0.0
            rows[key] = Cached(
                c.text,
                c.finish_reason,
                c.usage.prompt_tokens,
                c.usage.completion_tokens,
                self.engine.identity,
                cost,
                None if c.logprobs is None else json.dumps(logprobs_record(c)),
            )
        self.cache.put_many(rows)

    def _lose(self, done: Iterable[Completion], discarded: list[Discarded]) -> bool:
        """Notes what was asked and has no answer to be kept; returns whether there is any."""
        seen = list(discarded)  # the flight may add to it at any time
        told: list[tuple[Usage, str | None]] = [(answer.usage, answer.name) for answer in seen]
        failures = [c.usage for c in done if c.finish_reason == "error"]
        for answer in seen:
            if answer.ended and Usage(0, 0) in failures:
                failures.remove(Usage(0, 0))  # of this answer's call: one call, not two
        rows = []
        for usage, name in [*told, *((usage, None) for usage in failures)]:
            cost = None if self.price is None else self.price.of(usage)
            self.tally.cost += cost or 0.0
            tokens = usage.prompt_tokens, usage.completion_tokens
            rows.append(Lost(self.engine.identity, *tokens, cost, name))
        self.cache.lose(rows)
        del discarded[: len(seen)]  # an interruption before this loses none of them
        return bool(rows)

    def _cost(self, request: Request, usage: Usage, config: GenerateConfig) -> float | None:
        """US dollars; what a server has not counted is taken to be the most that it can be."""
        return None if self.price is None else self.price.at_most(request, config, usage)

    def _count(self, answers: list[Answer]) -> None:
        self.tally.done += len(answers)
        self.tally.cached += sum(a.cached for a in answers)
        self.tally.failed += sum(a.completion.finish_reason == "error" for a in answers)
        self.tally.tokens += sum(
            a.completion.usage.completion_tokens for a in answers if not a.cached
        )


def _reached(bound: str, needed: int) -> BudgetReached:
    return BudgetReached(
        f"budget.{bound} and {needed} more calls are needed here; all answers are kept: run the "
        "same command with more or without"
    )


def logprobs_record(completion: Completion) -> list[tuple[str, list[tuple[str, float]]]] | None:
    """A completion's log-probabilities as records and the cache keep them."""
    if completion.logprobs is None:
        return None
    return [(at.token, list(at.top)) for at in completion.logprobs]


def _completion(row: Cached) -> Completion:
    usage = Usage(row.prompt_tokens or 0, row.completion_tokens)
    tokens = None
    if row.logprobs is not None:
        tokens = tuple(
            TokenLogprobs(token, tuple((text, logprob) for text, logprob in top))
            for token, top in json.loads(row.logprobs)
        )
    return Completion(row.text, row.finish_reason, usage, tokens)


class _Clock:
    """Books the time since the last look: what the engine calls start-up, and the rest as model
    computation.
    """

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.start()

    def start(self) -> None:
        self.since, self.before = time.monotonic(), self.caller.engine.startup_seconds

    def book(self) -> None:
        startup = self.caller.engine.startup_seconds - self.before
        model = time.monotonic() - self.since - startup
        self.caller.tally.seconds += model
        self.caller.on_time(model, startup)
        self.start()
