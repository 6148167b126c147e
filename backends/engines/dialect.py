"""What one server understands: the settings that it takes, and how its answers read."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from backends.engines.engine import Completion, GenerateConfig, Request, TokenLogprobs, Usage

OPTIONAL = ("seed", "temperature", "top_p", "stop")  # may be left out when a server refuses them
MOST_TOKENS = 10**8  # of one request; more is no count
ROUNDING = 1e-3  # of a log-probability that should be 0
LOGPROBS = ("logprobs", "top_logprobs")  # asked for where a score is read from them
# How servers name the end of an answer, in the protocol's words.
ENDINGS = {
    **dict.fromkeys(
        ("stop", "eos", "eos_token", "stop_sequence", "end_turn", "tool_calls"), "stop"
    ),
    **dict.fromkeys(("length", "max_tokens", "model_length"), "length"),
}
FAILED = ("error", "abort", "cancelled")  # ends of answers that were not finished
STOPS = 4  # stop texts that the protocol takes; the answer is cut at all of them here anyway
# Some templates put the opening tag into the prompt, so that only the closing one is answered.
_THOUGHT = re.compile(r"\s*<think>.*?(?:</think>|\Z)|(?:(?!<think>).)*?</think>", re.DOTALL)
# What stands behind the name of one and the same model: "-2024-08-06", "-0613", "-002", "@main".
_REVISION = re.compile(r"(?:-latest|-\d{3,8}|-\d{4}-\d{2}-\d{2})?(?:[@:].*)?")
_REFUSED = re.compile(
    r"support|unknown|unrecogni[sz]ed|unexpected|not permitted|not allowed|only the default", re.I
)


class NoLogprobs(Exception):
    """The server does not give what the judge reads its scores from: no call can succeed."""


class Unusable(Exception):
    """A reply that no score may come from: of another form, or of an answer that failed."""


@dataclass
class Dialect:
    """What is known of a server: the settings that it takes, and what its answers were like.

    ``refused`` grows by the settings that it did not take. ``one_draw``: it gives one answer a
    request, however many are asked for. ``has_logprobs``: it gave some. ``answered``: the model
    that was asked did; ``strangers`` counts the answers by others. ``copies`` counts the requests
    whose draws were all the same text; ``draws_differ``: those of one were not.
    """

    length: str = "max_tokens"
    one_draw: bool = False
    has_logprobs: bool = False
    answered: bool = False
    copies: int = 0
    draws_differ: bool = False
    refused: list[str] = field(default_factory=list)
    strangers: Counter[str] = field(default_factory=Counter)

    @property
    def lessons(self) -> int:
        """Grows with everything that a server's replies taught about the calls to come."""
        other_name = self.length != "max_tokens"
        return len(self.refused) + self.one_draw + other_name + self.strangers.total()

    def settings(self, config: GenerateConfig, seed: int, raw: bool = False) -> dict[str, Any]:
        """The settings of a call; ``seed`` is the call's own. ``raw``: of the text endpoint, which
        knows max_tokens only.
        """
        given: dict[str, Any] = {
            "max_tokens" if raw else self.length: config.max_tokens,
            "temperature": config.temperature,
            "top_p": config.top_p,
            "seed": seed % 2**31,
        }
        if config.stop:
            given["stop"] = list(config.stop[:STOPS])
        if config.logprobs:
            chat = {"logprobs": True, "top_logprobs": config.logprobs}
            given |= {"logprobs": config.logprobs} if raw else chat
        return {name: value for name, value in given.items() if name not in self.refused}

    def learn(self, sent: dict[str, Any], param: Any, message: str) -> str | None:
        """Returns what is done about a refused call, null when nothing can be.

        Args:
            sent: the settings of that call.
            param: the setting that the server names, where it names one in a text.
            message: what it says.

        Raises:
            NoLogprobs: it refuses log-probabilities, without which there is no score.
        """
        if not _REFUSED.search(message):
            return None  # it takes the setting, but not this value
        if isinstance(param, str) and param in sent:
            named = [param]
        else:
            named = [n for n in sent if re.search(rf"\b{n}\b", message)]
        if "max_tokens" in named and "max_completion_tokens" in message:
            self.length = "max_completion_tokens"
            return "the server wants max_completion_tokens instead of max_tokens"
        if "n" in named:
            self.one_draw = True
            return "the server refuses n: draws are asked for one by one"
        if needed := [n for n in named if n in LOGPROBS]:
            raise NoLogprobs(f"refuses {needed[0]} ({message})")
        for name in named:
            if name in OPTIONAL:
                if name not in self.refused:
                    self.refused.append(name)
                return f"the server refuses {name}: its own default holds"
        return None


def shares(usage: Any, n: int) -> list[Usage]:
    """What each of ``n`` answers to one request took: the prompt was read once, and of the answers
    only the sum is known. ``usage`` is what the server said, if it said anything.
    """
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    read, written, both = (_count(usage, name) for name in names)
    written = max(written, both - read)  # some count reasoning in the total alone
    each, rest = divmod(written, n)
    told = read > 0, written > 0
    return [Usage(read if i == 0 else 0, each + (rest if i == 0 else 0), *told) for i in range(n)]


def _count(usage: Any, name: str) -> int:
    """A number of tokens as a server gives it; 0, not counted, where it cannot be one."""
    found = usage.get(name) if isinstance(usage, dict) else None
    if not isinstance(found, int) or isinstance(found, bool):
        return 0
    return found if 0 <= found <= MOST_TOKENS else 0


def ending(reason: Any) -> str | None:
    """A server's ``finish_reason`` in the protocol's words; null for one that is not known."""
    if not isinstance(reason, str):
        return None
    word = reason.lower()
    return "content_filter" if word.startswith("content_filter") else ENDINGS.get(word)


def read_answer(choice: Any, tokens: Usage, config: GenerateConfig) -> Completion:
    """One choice of a response, chat or text, as a completion; ``choice`` is its JSON object.

    Reasoning is not part of the text; a text that is all reasoning is empty. Stop texts are cut
    here too, because servers take four at most or none. A text whose end has no reason, or one
    that is not known, is taken as it stands: ``length`` where it has all tokens, else ``stop``.

    Raises:
        Unusable: the choice is of another form, or its answer failed.
        ValueError, TypeError, LookupError, AttributeError, OverflowError: the form of its
            log-probabilities is another.
    """
    if not isinstance(choice, dict):
        raise Unusable("a choice that is no object")
    said, text = choice.get("finish_reason"), _text(choice)
    reason = ending(said)
    if reason == "content_filter":
        return Completion("the server's content filter", "error", tokens)
    if reason is None:
        if not text or said in FAILED or not isinstance(said, str | None):
            why = reason_given(choice)
            raise Unusable(f"finish_reason {said!r}" + (f": {why}" if why else ""))
        reason = "length" if tokens.completion_tokens >= config.max_tokens else "stop"
    logprobs = _logprobs(choice) if config.logprobs else None
    if thought := _THOUGHT.match(text):
        text = text[thought.end() :]
    cuts = [text.index(stop) for stop in config.stop if stop in text]
    if cuts:
        text, reason = text[: min(cuts)], "stop"
    return Completion(_utf8(text).strip(), reason, tokens, logprobs)


def reason_given(data: dict[str, Any]) -> str:
    """What an ``error`` in a reply or in a choice says; empty where there is none."""
    error = data.get("error")
    said = error.get("message", error) if isinstance(error, dict) else error
    return str(said) if said else ""


def _text(choice: dict[str, Any]) -> str:
    """The text of a choice: empty where there is a message without any, as of an answer that is
    all reasoning; a refusal is what the model said.
    """
    message = choice.get("message")
    if message is None and "text" in choice:
        content = choice["text"]
    elif isinstance(message, dict):
        content = message.get("content")
        content = message.get("refusal") if content is None else content
    else:
        raise Unusable("a choice without message or text")
    if isinstance(content, list):
        return "".join(map(_part, content))
    if not isinstance(content, str | None):
        raise Unusable(f"a text that is of type {type(content).__name__}")
    return content or ""


def _part(part: Any) -> str:
    """The text of one part of a message; empty for parts of other kinds, such as reasoning."""
    if not isinstance(part, dict) or not isinstance(part.get("type"), str):
        raise Unusable("a part of a message that is no object with a type")
    if part["type"] not in ("text", "output_text", "refusal"):
        return ""
    text = part.get("refusal" if part["type"] == "refusal" else "text")
    if not isinstance(text, str):
        raise Unusable("a text part of a message without a text")
    return text


def _logprobs(choice: Any) -> tuple[TokenLogprobs, ...] | None:
    """What stands beside the tokens of a choice; null where the server gives none."""
    given = choice.get("logprobs") or {}
    if chat := given.get("content"):
        tops = [at.get("top_logprobs") or () for at in chat]
        if not any(tops):
            return None  # those of the answer's own tokens alone are not enough to read a score
        return tuple(
            TokenLogprobs(_utf8(at["token"]), _finite((t["token"], t["logprob"]) for t in top))
            for at, top in zip(chat, tops, strict=True)
        )
    if raw := given.get("top_logprobs"):
        return tuple(
            TokenLogprobs(_utf8(token), _finite((top or {}).items()))
            for token, top in zip(given["tokens"], raw, strict=True)
        )
    return None


def _finite(top: Iterable[tuple[str, float | None]]) -> tuple[tuple[str, float], ...]:
    """Alternatives, likeliest first. Minus infinity is a probability of 0, which is no alternative;
    no record can hold it.
    """
    given = [(_utf8(token), p) for token, p in top if p is not None]
    if any(p > ROUNDING for _, p in given):
        raise Unusable("a probability above 1 among the log-probabilities")
    found = [(token, p) for token, p in given if math.isfinite(p)]
    return tuple(sorted(found, key=lambda it: -it[1]))


def _utf8(text: str) -> str:
    """Half a character, which a token may be, cannot be written as UTF-8 and so cannot be kept."""
    return text.encode("utf-8", "replace").decode()


def same_model(asked: str, answered: Any) -> bool:
    """Whether an answer is by the model that was asked. Providers add a date or a number, servers
    of local weights a revision, gateways leave the vendor out or write small; no name at all is
    taken as the same.
    """
    if not isinstance(answered, str) or not answered:
        return True
    asked, answered = asked.lower(), answered.lower()
    for name in (asked, asked.rstrip("/").rsplit("/", 1)[-1]):
        for said in (answered, answered.rsplit("/", 1)[-1]):
            bare = name.removesuffix("-latest")
            if said.startswith(bare) and _REVISION.fullmatch(said[len(bare) :]):
                return True
    return False


def prompt_fields(request: Request) -> dict[str, Any]:
    """``messages`` of a conversation, or ``prompt`` of raw text that the model continues."""
    if isinstance(request.prompt, str):
        return {"prompt": request.prompt}
    return {"messages": [m.model_dump() for m in request.prompt]}
