"""What one server understands: the settings that it takes, and how its answers read."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from backends.engines.engine import Completion, GenerateConfig, Request, TokenLogprobs, Usage

OPTIONAL = ("seed", "temperature", "top_p", "stop")  # may be left out when a server refuses them
MOST_TOKENS = 10**8  # of one request; more is no count
ROUNDING = 1e-3  # of a log-probability that should be 0
LOGPROBS = ("logprobs", "top_logprobs")  # asked for where a score is read from them
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
    """An answer that no score may come from: no choice in it, or another model's."""


@dataclass
class Dialect:
    """The settings that a server takes. ``refused`` grows by what it did not take; ``one_draw``:
    it gives one answer a request, however many are asked for; ``has_logprobs``: it gave some.
    """

    length: str = "max_tokens"
    one_draw: bool = False
    has_logprobs: bool = False
    refused: list[str] = field(default_factory=list)

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

    def learn(self, sent: dict[str, Any], param: str | None, message: str) -> str | None:
        """Returns what is done about a refused call, null when nothing can be.

        Args:
            sent: the settings of that call.
            param: the setting that the server names, where it names one.
            message: what it says.

        Raises:
            NoLogprobs: it refuses log-probabilities, without which there is no score.
        """
        if not _REFUSED.search(message):
            return None  # it takes the setting, but not this value
        named = [param] if param in sent else [n for n in sent if re.search(rf"\b{n}\b", message)]
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
    read, written = (_count(usage, name) for name in ("prompt_tokens", "completion_tokens"))
    each, rest = divmod(written, n)
    return [Usage(read if i == 0 else 0, each + (rest if i == 0 else 0)) for i in range(n)]


def _count(usage: Any, name: str) -> int:
    """A number of tokens as a server gives it; 0, not counted, where it cannot be one."""
    found = usage.get(name) if isinstance(usage, dict) else None
    if not isinstance(found, int) or isinstance(found, bool):
        return 0
    return found if 0 <= found <= MOST_TOKENS else 0


def read_answer(choice: Any, tokens: Usage, config: GenerateConfig) -> Completion:
    """One choice of a response, chat or text, as a completion; ``choice`` is its JSON object.

    Reasoning is not part of the text; a text that is all reasoning is empty. Stop texts are cut
    here too, because servers take four at most or none.

    Raises:
        Unusable: the choice is of another form, or does not say how it ended.
        ValueError, TypeError, LookupError, AttributeError: the form of its log-probabilities is
            another.
    """
    if not isinstance(choice, dict) or not isinstance(choice.get("message", {}), dict):
        raise Unusable("a choice that is no object")
    # An answer that is all reasoning may have no content at all.
    text = (choice["message"].get("content") if "message" in choice else choice.get("text")) or ""
    reason = choice.get("finish_reason")
    if not isinstance(text, str) or reason not in ("stop", "length", "content_filter"):
        raise Unusable(f"finish_reason {reason!r}")
    if reason == "content_filter":
        return Completion("the server's content filter", "error", tokens)
    logprobs = _logprobs(choice) if config.logprobs else None
    if thought := _THOUGHT.match(text):
        text = text[thought.end() :]
    cuts = [text.index(stop) for stop in config.stop if stop in text]
    if cuts:
        text, reason = text[: min(cuts)], "stop"
    return Completion(_utf8(text).strip(), reason, tokens, logprobs)


def _logprobs(choice: Any) -> tuple[TokenLogprobs, ...] | None:
    """What stands beside the tokens of a choice; null where the server gives none."""
    given = choice.get("logprobs") or {}
    if chat := given.get("content"):
        return tuple(
            TokenLogprobs(
                _utf8(at["token"]), _finite((t["token"], t["logprob"]) for t in at["top_logprobs"])
            )
            for at in chat
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
    found = [(_utf8(token), p) for token, p in top if p is not None and math.isfinite(p)]
    if any(p > ROUNDING for _, p in found):
        raise Unusable("a probability above 1 among the log-probabilities")
    return tuple(sorted(found, key=lambda it: -it[1]))


def _utf8(text: str) -> str:
    """Half a character, which a token may be, cannot be written as UTF-8 and so cannot be kept."""
    return text.encode("utf-8", "replace").decode()


def same_model(asked: str, answered: Any) -> bool:
    """Whether an answer is by the model that was asked. Providers add a date or a number, servers
    of local weights a revision, gateways leave the vendor out; no name at all is taken as the same.
    """
    if not isinstance(answered, str) or not answered:
        return True
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
