"""The first ``Score: k`` wherever it stands, as followers of the additive prompt read it.

Small models put the score first and justify it afterwards, until they are cut; published code takes
the first score that it finds. So does this, except where that number is plainly not the total:
where another score in the text differs, or where it is the mark for one criterion of several.
"""

from __future__ import annotations

import re

from judges.parsers.parsed import Parsed, none, opening, raw_span

# What follows the number may be a fraction of the top ("/5"); "4/10" is of another scale.
_NUMBER = r"(-?[0-9]+(?:\.[0-9]+)?)(?![0-9])(?:\s*/\s*([0-9]+))?"
# The next criterion after the score, as models write them: "2. ...", "Criteria 2", "Add another".
_NEXT = re.compile(
    r"^[ \t>*_#-]*(?:add another|award a third|(?:criteri(?:on|a)\s*)?(?:[2-9])\b(?!\s*points?))",
    re.IGNORECASE | re.MULTILINE,
)


def first_score(text: str, cut: bool, scale: tuple[int, int], label: str = "Score") -> Parsed:
    """Reads the first ``label: k`` of a completion, also of one that was cut after it.

    Letter case does not count; "Subscore" is another word, "Total score" is not. Marks of emphasis
    may stand around the colon. A number that the cut itself ends may not be whole: ``length``. One
    that differs from another ``label: k`` is ``ambiguous``; one that is followed by the next
    criterion is ``partial``. Arguments as in ``final_score_line``.
    """
    begun = opening(text, "no_score")
    if isinstance(begun, Parsed):
        return begun
    seen, start = begun
    words = r"\s+".join(map(re.escape, label.split()))
    pattern = re.compile(rf"(?<![\w-]){words}[*_`\s]*:[*_`\s]*{_NUMBER}", re.IGNORECASE)
    found = list(pattern.finditer(seen, start))
    if not found:
        return none("length" if cut else "no_score")
    first = found[0]
    whole = found[:-1] if cut and _ends_at(found[-1], seen) else found
    if not whole:
        return none("length")
    if len({float(match[1]) for match in whole}) > 1:
        return none("ambiguous")
    low, high = scale
    score = float(first[1]) + 0.0
    if not low <= score <= high or (first[2] and float(first[2]) != high and _whole(first, seen)):
        return none("out_of_range")
    if _NEXT.search(seen, first.end()):
        return none("partial")
    return Parsed(score, None, span=raw_span(text, first.start(1), first.end(1)))


def _ends_at(match: re.Match[str], text: str) -> bool:
    """Whether the text ends within the score's number: "Score: 1" may have been going to be 10."""
    return match.end(1) == len(text)


def _whole(match: re.Match[str], text: str) -> bool:
    """Whether the top of a fraction is known to be whole: "4/1" at the very end may be 4/10."""
    return match.end(2) < len(text)
