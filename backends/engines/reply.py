"""What a server's whole reply means: its answers, or why none of it can be used.

A reply to a request and a line of a batch's result file are read by these rules alike.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from backends.engines.dialect import (
    Dialect,
    NoLogprobs,
    Unusable,
    ending,
    read_answer,
    reason_given,
    same_model,
    shares,
)
from backends.engines.endpoints import Terms
from backends.engines.engine import Completion, GenerateConfig, Usage
from backends.engines.secret import scrubbed_tokens
from results.errors import SrlmError

FEW, MANY = 3, 10  # replies from which a pattern is concluded: one name or text, several names
NOTHING = Usage(0, 0)
_UNREADABLE = (
    Unusable, ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError
)  # fmt: skip

Kind = Literal["failed", "discarded", "away", "unreachable", "learned"]


@dataclass(frozen=True)
class Outcome:
    """What one request came to: the answers, or null and ``why``.

    ``kind`` of one without answers: ``failed``; ``discarded``: an answer that cannot be used,
    though it may be on the bill; ``away``: a gateway without its server; ``unreachable``: nothing
    was asked; ``learned``: the next request will be another. ``wait``: seconds that the server
    asks to wait, 0 = it does not say. ``usage``: tokens of what was answered and is not in
    ``done``. ``notes``: what the user should know, one line each. ``stranger``: the model that
    answered, where it is another than the one asked.
    """

    done: list[Completion] | None
    why: str = ""
    kind: Kind = "failed"
    wait: float = 0.0
    usage: Usage = NOTHING
    notes: tuple[str, ...] = ()
    stranger: str | None = None


def failure(terms: Terms, why: str) -> Completion:
    """A call that has no answer."""
    return Completion(terms.without_key(why), "error", NOTHING)


def read_reply(terms: Terms, dialect: Dialect, body: Any, draws: int,
               config: GenerateConfig) -> Outcome:  # fmt: skip
    """The outcome of a request that was answered with HTTP 200.

    Args:
        terms: of the engine.
        dialect: what is known of the server; it learns from the reply.
        body: the reply's JSON, or its text.
        draws: how many completions were asked for; there may come fewer, one at least.
        config: the decoding.

    Raises:
        SrlmError, NoLogprobs: every call would come to the same.
    """
    try:
        if isinstance(body, str):
            body = json.loads(body.removeprefix("\ufeff"))  # a gateway that calls it something else
        if not isinstance(body, dict):
            raise Unusable(f"expected an object, found {type(body).__name__}")
        return _read(terms, dialect, body, draws, config)
    except _UNREADABLE as error:
        return _unused(terms, body, f"unreadable answer ({error})")


def _read(terms: Terms, dialect: Dialect, body: dict[str, Any], draws: int,
          config: GenerateConfig) -> Outcome:  # fmt: skip
    choices = body.get("choices")
    if not choices:
        why = reason_given(body)
        return _unused(terms, body, "an answer without choices" + (f": {why}" if why else ""))
    if not isinstance(choices, list):
        raise Unusable(f"choices of type {type(choices).__name__}")
    name = body.get("model")
    if not any(same_model(asked, name) for asked in (terms.model, terms.answers_as) if asked):
        unused = _unused(terms, body, f"answered by the model {name}")
        return replace(unused, stranger=str(name))
    dialect.answered = True
    choices = choices[:draws]
    each = shares(body.get("usage"), len(choices))
    read = [read_answer(c, usage, config) for c, usage in zip(choices, each, strict=True)]
    if config.logprobs:
        # An answer without text has none anywhere; once there were some, the server gives them.
        dialect.has_logprobs |= any(a.logprobs for a in read)
        if not dialect.has_logprobs and any(a.text and a.finish_reason != "error" for a in read):
            raise NoLogprobs("answers without log-probabilities")
    notes = [
        f"ends answers with finish_reason {terms.without_key(repr(said))}: they are taken as "
        "complete, though they may be cut"
        for said in {c.get("finish_reason") for c in choices}
        if ending(said) is None
    ]
    if len(read) < draws and not dialect.one_draw:
        dialect.one_draw = True
        notes.append("gives one draw a request, whatever n is")
    kept = [
        replace(
            answer,
            text=terms.scrubbed(answer.text),
            logprobs=scrubbed_tokens(answer.logprobs, terms.key),
        )
        for answer in read
    ]
    copies = []
    if _are_copies(dialect, kept, config):
        kept, copies = kept[:1], kept[1:]
        if dialect.copies == FEW:
            dialect.one_draw = True
            notes.append(
                f"gave the same text for all draws of {FEW} requests: one draw of each is kept, "
                "and the others are asked for one by one"
            )
    return Outcome(kept, usage=_sum([c.usage for c in copies]), notes=tuple(notes))


def count_stranger(terms: Terms, dialect: Dialect, name: str) -> None:
    """Counts an answer by another model, while more can still be spared. Raises SrlmError once it
    is clear that none will come by the one that was asked: all of them would be paid for and thrown
    away.
    """
    strangers = dialect.strangers
    strangers[name] += 1
    if not dialect.answered and strangers.total() >= (FEW if len(strangers) == 1 else MANY):
        names = ", ".join(terms.without_key(name) for name in sorted(strangers)[:4])
        raise SrlmError(
            f"model {terms.model!r}: all {strangers.total()} answers so far are by {names}; if "
            "that is the same model, name it in the engine's option answers_as, else ask for it "
            "by that name"
        )


def _are_copies(dialect: Dialect, draws: Sequence[Completion], config: GenerateConfig) -> bool:
    """Whether the draws of one request are one answer several times, from a server that repeats it
    instead of drawing anew. Until one request had draws that differ, equal texts count as that.
    """
    if len(draws) < 2 or config.temperature == 0 or dialect.draws_differ:
        return False
    if len({answer.text for answer in draws}) > 1:
        dialect.draws_differ = True
        return False
    if not draws[0].text or any(answer.finish_reason == "error" for answer in draws):
        return False  # reasoning without an end, or a filter: nothing to compare
    dialect.copies += 1
    return True


def _unused(terms: Terms, body: Any, why: str) -> Outcome:
    """The outcome of a reply that cannot be used; one with tokens or choices is on the bill."""
    data = body if isinstance(body, dict) else {}
    usage = shares(data.get("usage"), 1)[0]
    paid = bool(data.get("choices")) or usage != NOTHING
    return Outcome(None, terms.without_key(why), "discarded" if paid else "failed", usage=usage)


def _sum(usages: Sequence[Usage]) -> Usage:
    return Usage(sum(u.prompt_tokens for u in usages), sum(u.completion_tokens for u in usages))
