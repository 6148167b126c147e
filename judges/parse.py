"""Reads the score from a judge's completion, and from nothing else.

The rubric asks for the score in a line of its own at the very end, so that line is the only place
where a score is looked for. Whatever stands before it (the justification, a quoted candidate, an
earlier "Score: 5") has no say. What does not parse is unscored with a reason, never a number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Reason = Literal[
    "empty",  # nothing but blanks (after the thinking)
    "length",  # cut at max_tokens: what stands last is not what the judge meant to end with
    "error",  # no answer from the engine
    "no_score",  # the last line is not a score line
    "out_of_range",  # a score off the scale, or of another scale ("4/10" where 5 is the top)
    "not_a_number",  # a score line without a plain number ("Score: five", "Score: 5 stars")
    "ambiguous",  # a score line with more than one number ("Score: 3 or 4")
]


@dataclass(frozen=True)
class Parsed:
    """A score within the scale, or the reason why there is none: exactly one of the two."""

    score: float | None
    reason: Reason | None


# Zero-width characters are invisible to whoever wrote or reads the line, so they are no part of it.
_ZERO_WIDTH = dict.fromkeys((0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF))
_THINKING = re.compile(r"\A(?:\s*<think>.*?</think>)+", re.DOTALL | re.IGNORECASE)
_LIST_MARK = re.compile(r"\A[\s>*_`#]*(?:[-+•]|[0-9]{1,2}[.)])\s+")
# Marks become spaces, not nothing: "1*0" must not turn into 10.
_DECORATION = re.compile(r"[*_`#~<>\[\](){}]")
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
# [0-9], not \d: digits of other scripts are not what the rubric asks for.
_VALUE = re.compile(
    r"(?P<score>-?[0-9]+(?:\.[0-9]+)?)(?:\s*(?:/|out of)\s*(?P<top>[0-9]+))?(?:\s*points?)?\s*\.?"
)


def parse_final_score_line(
    completion_text: str, finish_reason: str, label: str, scale: tuple[int, int]
) -> Parsed:
    """Returns the score in the last line of a judge's completion, or why there is none.

    The last non-blank line must be ``label: k`` and no more. Accepted around it: markdown emphasis,
    headings, list marks, backticks and brackets; any case of the label; a final full stop;
    ``/high``, ``out of high`` and ``point(s)`` after the number. Decimals count (4.5 is a score:
    published practice). A leading closed ``<think>`` block is not part of the judgment; an unclosed
    one leaves no judgment at all.

    Args:
        completion_text: the judge's completion alone, never the prompt that it answers.
        finish_reason: ``stop``, ``length`` or ``error``. A cut completion is never scored: "Score:
            1" may have been going to be 10, or 1.5, or to be followed by more text.
        label: the word before the colon; it holds no colon itself.
        scale: lowest and highest score, both included.

    Returns:
        A score in [low, high], or a reason of the closed set ``Reason``. Never raises.
    """
    if finish_reason == "error":
        return Parsed(None, "error")
    if finish_reason == "length":
        return Parsed(None, "length")
    text = completion_text.translate(_ZERO_WIDTH)
    if not text.strip():
        return Parsed(None, "empty")
    text = _THINKING.sub("", text)
    if text.lstrip()[:7].lower() == "<think>":
        return Parsed(None, "no_score")
    # Lines end at \n and \r alone: str.splitlines also breaks at separators nobody sees as ends.
    lines = [line for line in re.split(r"[\r\n]", text) if line.strip()]
    return _parse_line(lines[-1], label, scale) if lines else Parsed(None, "empty")


def _parse_line(line: str, label: str, scale: tuple[int, int]) -> Parsed:
    """Reads one line as ``label: k``."""
    bare = _DECORATION.sub(" ", _LIST_MARK.sub("", line))
    head, colon, tail = bare.partition(":")
    # The whole head, not a search: "Subscore: 5" and "I would say Score: 5" are no score lines.
    if not colon or " ".join(head.split()).lower() != " ".join(label.split()).lower():
        return Parsed(None, "no_score")
    tail = " ".join(tail.split()).lower()
    low, high = scale
    value = _VALUE.fullmatch(tail)
    if value is None:
        rest = re.sub(rf"(?:/|out of)\s*{high}(?![0-9.])", "", tail)
        return Parsed(None, "ambiguous" if len(_NUMBER.findall(rest)) > 1 else "not_a_number")
    score = float(value["score"]) + 0.0  # -0 and 0 are one score
    if not low <= score <= high or (value["top"] is not None and float(value["top"]) != high):
        return Parsed(None, "out_of_range")
    return Parsed(score, None)
