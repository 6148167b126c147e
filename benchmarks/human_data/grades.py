"""Ranks and scores as people gave them: what is a number is used, what is none is reported."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from benchmarks.human_data.notes import Notes

DIGITS = 9  # scores that agree to so many decimals are tied, as in the judge metrics


def rank_of(value: Any, response: object, line: int, notes: Notes) -> int | None:
    """Returns ``value`` as a rank, None where it is none (noted; ``response`` is its id).

    A whole float is a rank too: tables with gaps in them turn whole numbers into floats.
    """
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    what = "rank is no whole number, response used without a rank"
    notes.add(line, what, "response {!r} has rank {}", response, repr(value))
    return None


def score_of(value: Any, response: object, line: int, notes: Notes) -> float | None:
    """Returns ``value`` as a finite score, None where it is none (noted, as in ``rank_of``)."""
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            score = float(value)
        except OverflowError:
            score = math.inf
        if math.isfinite(score):
            return score
    what = "score is no finite number, response used without it"
    notes.add(line, what, "response {!r} has score {}", response, repr(value))
    return None


def ranks_by_score(scores: Sequence[float | None]) -> list[int | None]:
    """Returns the ranks that ``scores`` give: 0 for the highest, ties share one, None stays None.

    Equal to 9 decimals is a tie, so a mean taken in another order of addition is the same grade.
    """
    grades = sorted({round(s, DIGITS) for s in scores if s is not None}, reverse=True)
    places = {grade: place for place, grade in enumerate(grades)}
    return [None if s is None else places[round(s, DIGITS)] for s in scores]
