"""Which prompts the 805 of AlpacaEval are, and in which order, without their text.

The files of the length-controlled win rate speak of prompts by their place among the 805. Here is
the start of every prompt's SHA-256, so that rows find their place by what they ask, in any order.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files

DIGITS = 16  # of each hash, which is enough to tell 805 prompts apart


@cache
def places() -> dict[str, int]:
    """The start of a prompt's hash -> its place, 0 to 804."""
    text = (files("benchmarks.alpaca_eval2") / "prompts.sha256").read_text(encoding="ascii")
    return {line: place for place, line in enumerate(text.split())}


def place(prompt: str) -> int | None:
    """The place of ``prompt`` among the 805, null when it is none of them."""
    digest = hashlib.sha256(prompt.encode(errors="surrogatepass")).hexdigest()
    return places().get(digest[:DIGITS])
