"""What a parser finds in a judge's completion, and the text work that parsers share.

A parser is a function ``(text, cut, scale, **options) -> Parsed``. It sees the judge's completion
alone, never the prompt; ``cut`` says that the completion ended at its token limit. It never raises
and never gives a number off the scale: what it cannot read has a reason of the closed set below.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

Reason = Literal[
    "empty",  # nothing but blanks (after the thinking)
    "length",  # cut at max_tokens: what stands last is not what the judge meant to end with
    "error",  # no answer from the engine
    "no_score",  # no score where the parser looks for one
    "out_of_range",  # a score off the scale, or of another scale ("4/10" where 5 is the top)
    "not_a_number",  # a score line without a plain number ("Score: five", "Score: 5 stars")
    "ambiguous",  # several answers that differ ("Score: 3 or 4")
    "partial",  # the points for one criterion, not the total
    "no_verdict",  # no verdict where the parser looks for one
    "no_logprobs",  # no log-probabilities at the place of the score
    "low_mass",  # the values of the scale have too little probability there
]
Shown = Literal["A", "B", "tie"]  # A: the response that is shown first is better
Span = tuple[int, int]


@dataclass(frozen=True)
class Parsed:
    """A score within the scale, a verdict, or the reason why there is none: exactly one of these.

    ``span`` is where the score or verdict stands in the completion, in characters, where the parser
    can tell; ``mass`` the probability that stands behind an expected score.
    """

    score: float | None
    reason: Reason | None
    verdict: Shown | None = None
    span: Span | None = field(default=None, compare=False)
    mass: float | None = field(default=None, compare=False)


# Zero-width characters are invisible to whoever wrote or reads the line, so they are no part of it.
ZERO_WIDTH = dict.fromkeys((0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF))
# Marks become spaces, not nothing: "1*0" must not turn into 10, and places stay where they are.
_DECORATION = re.compile(r"[*_`#~<>\[\](){}]")
_LIST_MARK = re.compile(r"\A[\s>*_`#]*(?:[-+•]|[0-9]{1,2}[.)])\s+")
_THINKING = re.compile(r"\A(?:\s*<think>.*?</think>)+", re.DOTALL | re.IGNORECASE)


def none(reason: Reason) -> Parsed:
    """No score and no verdict, for ``reason``."""
    return Parsed(None, reason)


def visible(text: str) -> str:
    """Returns ``text`` without zero-width characters."""
    return text if text.isascii() else text.translate(ZERO_WIDTH)


def raw_span(text: str, start: int, end: int) -> Span:
    """Returns where the characters ``start`` to ``end`` of ``visible(text)`` stand in ``text``."""
    if text.isascii():
        return start, end
    seen = -1
    first = 0
    for place, character in enumerate(text):
        if ord(character) not in ZERO_WIDTH:
            seen += 1
            if seen == start:
                first = place
            if seen == end - 1:
                return first, place + 1
    return first, len(text)


def judgment_start(text: str) -> int | None:
    """Returns where the judgment begins: after a leading closed ``<think>`` block.

    None when the thinking has no end: then there is no judgment at all.
    """
    thought = _THINKING.match(text)
    start = thought.end() if thought else 0
    return None if text[start:].lstrip()[:7].lower() == "<think>" else start


def last_line(text: str, cut: bool) -> tuple[str, int] | Reason:
    """Returns the last line of a visible text that is not blank, and where it begins; or a reason.

    A cut completion has no last line: "Score: 1" may have been going to be 10, or to be followed by
    more text.
    """
    if cut:
        return "length"
    start = judgment_start(text)
    if start is None:
        return "no_score"
    # Lines end at \n and \r alone: str.splitlines also breaks at separators nobody sees as ends.
    end = len(text.rstrip())
    if end <= start:
        return "empty"
    begin = max(start, text.rfind("\n", start, end) + 1, text.rfind("\r", start, end) + 1)
    return text[begin:end], begin


def bare(line: str) -> str:
    """Returns ``line`` with list mark, markdown and brackets as blanks; its length stays."""
    marked = _LIST_MARK.sub(lambda mark: " " * len(mark[0]), line)
    return _DECORATION.sub(" ", marked)


def same_words(left: str, right: str) -> bool:
    """Whether two texts are the same words, in any case and spacing."""
    return " ".join(left.split()).lower() == " ".join(right.split()).lower()


def opening(text: str, missing: Reason) -> tuple[str, int] | Parsed:
    """Returns the text as a reader sees it and where the judgment in it begins; or why there is
    none: ``empty``, or ``missing`` where all of it is reasoning that was not closed.
    """
    seen = visible(text)
    if not seen.strip():
        return none("empty")
    start = judgment_start(seen)
    return none(missing) if start is None else (seen, start)
