"""What names a model call, what its answer is, and the calls that stored records hold."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from results.files import unreadable
from results.records import Message
from results.weights import text_hash


@dataclass(frozen=True)
class Cached:
    """A stored answer. ``finish_reason`` is ``stop`` or ``length``, never ``error``.

    ``model`` is the engine's identity and ``cost`` US dollars at the price of the day. Both and
    ``prompt_tokens`` are None when the answer was rebuilt from records, which do not keep them;
    ``cost`` also where the price is not known. ``logprobs`` is JSON, None where none were asked
    for.
    """

    text: str
    finish_reason: str
    prompt_tokens: int | None
    completion_tokens: int
    model: str | None = None
    cost: float | None = None
    logprobs: str | None = None


@dataclass(frozen=True)
class Lost:
    """A call without an answer that can be used: it failed, or its answer was thrown away.

    Tokens are those that the server counted; ``cost`` is in US dollars, None where no price is
    known. ``name`` tells it from others where it can be met again, and then it counts once.
    """

    model: str | None
    prompt_tokens: int
    completion_tokens: int
    cost: float | None
    name: str | None = None


@dataclass(frozen=True)
class Spent:
    """What the calls of one model took, those that were lost included. A null sum is one with
    unknown parts.

    ``model`` is its identity, null for calls rebuilt from records.
    """

    model: str | None
    calls: int
    prompt_tokens: int | None
    completion_tokens: int
    cost: float | None


def call_key(
    identity: str,
    config: Mapping[str, Any],
    prompt: str | Sequence[Message | Mapping[str, Any]],
    draw: int,
) -> str:
    """Returns the sha256 (64 hex digits) that names one model call.

    Args:
        identity: the engine's: a hash of the weights, or endpoint + model name + revision.
        config: all decoding settings, as ``dataclasses.asdict(GenerateConfig)``.
        prompt: messages, or raw text; raw text never equals a conversation.
        draw: which of the repeated calls on this prompt, from 0.
    """
    messages: Any = prompt
    if not isinstance(prompt, str):
        messages = [m.model_dump() if isinstance(m, Message) else dict(m) for m in prompt]
    # One JSON object, so that no character can move from one part of the key to another.
    return text_hash(
        {"model": identity, "decoding": dict(config), "prompt": messages, "draw": draw}
    )


def stored_calls(folder: Path) -> Iterator[tuple[str, Cached | None]]:
    """Yields the calls in the record files under ``folder``, in a fixed order; None = it failed."""
    paths: Iterable[Path] = (*folder.rglob("*.jsonl"), *folder.rglob("*.jsonl.part"))
    for path in sorted(paths):
        if not path.is_file():
            continue
        try:
            with path.open("rb") as file:
                for line in file:
                    if b'"call"' in line and (pair := _answer(line)):
                        yield pair
        except OSError as error:
            raise unreadable(path, error, "records") from None


def _answer(line: bytes) -> tuple[str, Cached | None] | None:
    """Returns the call that a record keeps; None for a torn line or a record without one."""
    try:
        obj = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(obj, dict):
        return None
    key, text, reason, tokens = (obj.get(k) for k in ("call", "text", "finish_reason", "tokens"))
    if not (isinstance(key, str) and isinstance(text, str) and isinstance(reason, str)):
        return None
    if reason == "error":
        return key, None
    if not isinstance(tokens, int):
        return None
    logprobs = obj.get("logprobs")
    kept = None if logprobs is None else json.dumps(logprobs)
    return key, Cached(text, reason, None, tokens, logprobs=kept)
