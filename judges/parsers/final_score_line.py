"""The score in the last line, ``Score: k``, and nowhere else.

The rubric asks for the score in a line of its own at the very end, so that line is the only place
where a score is looked for. Whatever stands before it (the justification, a quoted candidate, an
earlier "Score: 5") has no say.
"""

from __future__ import annotations

import re

from judges.parsers.parsed import Parsed, bare, last_line, none, raw_span, same_words, visible

_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
# [0-9], not \d: digits of other scripts are not what the rubric asks for.
_VALUE = re.compile(
    r"(?P<score>-?[0-9]+(?:\.[0-9]+)?)(?:\s*(?:/|out of)\s*(?P<top>[0-9]+))?(?:\s*points?)?\s*\.?"
)


def final_score_line(text: str, cut: bool, scale: tuple[int, int], label: str = "Score") -> Parsed:
    """Reads the last non-blank line, which must be ``label: k`` and no more.

    Accepted around it: markdown emphasis, headings, list marks, backticks and brackets; any case of
    the label; a final full stop; ``/high``, ``out of high`` and ``point(s)`` after the number.
    Decimals count (4.5 is a score: published practice). A leading closed ``<think>`` block is not
    part of the judgment; an unclosed one leaves no judgment at all.

    Args:
        text: the judge's completion.
        cut: a cut completion is never scored.
        scale: lowest and highest score, both included.
        label: the words before the colon; letters, digits and spaces. Without any, the line holds
            the number alone.
    """
    seen = visible(text)
    found = last_line(seen, cut)
    if isinstance(found, str):
        return none(found)
    line, start = found
    plain = bare(line)
    head, colon, tail = plain.partition(":") if label else ("", "", plain)
    # The whole head, not a search: "Subscore: 5" and "I would say Score: 5" are no score lines.
    if label and (not colon or not same_words(head, label)):
        return none("no_score")
    words = " ".join(tail.split()).lower()
    low, high = scale
    value = _VALUE.fullmatch(words)
    if value is None:
        rest = re.sub(rf"(?:/|out of)\s*{high}(?![0-9.])", "", words)
        return none("ambiguous" if len(_NUMBER.findall(rest)) > 1 else "not_a_number")
    score = float(value["score"]) + 0.0  # -0 and 0 are one score
    if not low <= score <= high or (value["top"] is not None and float(value["top"]) != high):
        return none("out_of_range")
    start += len(head) + len(colon) + tail.index(value["score"])
    return Parsed(score, None, span=raw_span(text, start, start + len(value["score"])))
