"""MT-Bench's marks: a rating ``[[k]]``, a verdict ``[[A]]``, ``[[B]]`` or ``[[C]]``.

Source: Zheng et al. 2023 (arXiv 2306.05685), as FastChat reads its judges.
"""

from __future__ import annotations

import re

from judges.parsers.parsed import Parsed, Shown, judgment_start, none, opening, raw_span, visible

_TWO = re.compile(r"\[\[([0-9]+(?:\.[0-9]*)?)\]\]")
_ONE = re.compile(r"\[([0-9]+(?:\.[0-9]*)?)\]")
_VERDICT = re.compile(r"\[\[([ABC])\]\]")
_MEANS: dict[str, Shown] = {"A": "A", "B": "B", "C": "tie"}


def bracket_rating(text: str, cut: bool, scale: tuple[int, int]) -> Parsed:
    """Reads the first ``[[k]]``, else the first ``[k]``; a later one has no say (published rule).

    The closing bracket ends the number, so a cut completion is read too. A number off the scale is
    ``out_of_range``, where published code keeps it.
    """
    begun = opening(text, "no_score")
    if isinstance(begun, Parsed):
        return begun
    seen, start = begun
    found = _TWO.search(seen, start) or _ONE.search(seen, start)
    if found is None:
        return none("length" if cut else "no_score")
    score = float(found[1])
    if not scale[0] <= score <= scale[1]:
        return none("out_of_range")
    return Parsed(score, None, span=raw_span(text, *found.span(1)))


def bracket_verdict(text: str, cut: bool, scale: tuple[int, int]) -> Parsed:
    """Reads ``[[A]]``, ``[[B]]`` or ``[[C]]`` (a tie), wherever it stands.

    Two that differ are ``ambiguous``; published code takes A before B before C there, which favours
    what is shown first. ``scale`` is not used.
    """
    seen = visible(text)
    start = judgment_start(seen)
    if not seen.strip():
        return none("empty")
    found = [] if start is None else list(_VERDICT.finditer(seen, start))
    if not found:
        return none("length" if cut else "no_verdict")
    if len({match[1] for match in found}) > 1:
        return none("ambiguous")
    span = raw_span(text, *found[0].span(1))
    return Parsed(None, None, _MEANS[found[0][1]], span)
