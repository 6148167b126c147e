"""The key: what can be sent as one, and how it is kept out of all that is written."""

from __future__ import annotations

import re

from backends.engines.engine import TokenLogprobs
from results.errors import SrlmError

SHORTEST = 8  # a shorter text is no secret, and may be a word or a number of any answer
# What servers that need no key are given as one; such words stand in answers.
DUMMIES = frozenset(
    ("no-key-required", "sk-no-key-required", "not-needed", "not-required", "dummy-key",
     "placeholder", "anything", "password", "undefined", "whatever", "changeme")
)  # fmt: skip
STARS = "***"


def is_secret(key: str) -> bool:
    """Whether ``key`` is to be kept out of what is written."""
    return len(key) >= SHORTEST and key.lower() not in DUMMIES


def check_key(key: str, variable: str) -> None:
    """Raises SrlmError for a key that no HTTP header can hold."""
    if not (key.isascii() and key.isprintable()):
        at = next(i for i, c in enumerate(key) if not (c.isascii() and c.isprintable()))
        raise SrlmError(
            f"environment variable {variable}: its character {at + 1} of {len(key)} is a line "
            "break or another that no key has; set it to the key alone, in printable ASCII"
        )


def scrubbed(text: str, key: str) -> str:
    """``text`` with stars for the key: gateways repeat it in errors, and even in answers."""
    return text.replace(key, STARS) if is_secret(key) else text


def scrubbed_tokens(
    tokens: tuple[TokenLogprobs, ...] | None, key: str
) -> tuple[TokenLogprobs, ...] | None:
    """The same of what stands beside an answer's tokens, also where several make up the key: those
    are stars, without alternatives.
    """
    if not tokens or not is_secret(key):
        return tokens
    spans = [m.span() for m in re.finditer(re.escape(key), "".join(at.token for at in tokens))]
    kept, end = [], 0
    for at in tokens:
        first, end = end, end + len(at.token)
        if any(first < of_end and of_first < end for of_first, of_end in spans):
            kept.append(TokenLogprobs(STARS, ()))
        else:
            top = tuple((scrubbed(token, key), logprob) for token, logprob in at.top)
            kept.append(TokenLogprobs(at.token, top))
    return tuple(kept)
