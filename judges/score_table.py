"""Many judgments as arrays: a million lines of a file become scores without a million objects."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from judges.pointwise import Key
from results.lines import iter_jsonl
from results.pooled import Codes
from results.records import Judgment, Unscored
from results.stats import Array

WHOLE = 2**53  # whole numbers of at most this size are exact as floats, and so are their sums


@dataclass(frozen=True)
class ScoreTable:
    """N judgments of K responses. ``keys`` (K,) are in order of first appearance.

    ``response`` (N,) is the index of each judgment's response in ``keys``; ``score`` (N,) its
    score, NaN when unscored; ``reasons`` counts the unscored by reason.
    """

    keys: list[Key]
    response: Codes
    score: Array
    reasons: dict[str, int]

    def unscored(self) -> Unscored:
        """Returns how many judgments have no score, and why."""
        return Unscored(n=sum(self.reasons.values()), of=len(self.score), reasons=self.reasons)

    def means(self, min_scored: int = 1) -> dict[Key, float | None]:
        """Returns each response's mean score, None with fewer than ``min_scored`` scored draws.

        The same numbers as ``judges.pointwise.mean_scores``: they do not depend on the order of
        the draws, so equal scores tie.
        """
        scored = ~np.isnan(self.score)
        response, score = self.response[scored], self.score[scored]
        count = np.bincount(response, minlength=len(self.keys))
        total = _exact_sums(response, score, count)
        mean = np.divide(total, count, out=np.zeros_like(total), where=count > 0)
        enough = (count >= min_scored).tolist()
        return {
            key: value if fits else None
            for key, value, fits in zip(self.keys, mean.tolist(), enough, strict=True)
        }


def read_score_table(path: Path) -> ScoreTable:
    """Returns the judgments of a JSON Lines file (``.gz`` accepted).

    Raises what ``results.lines.read_jsonl`` raises: the first bad line is named.
    """
    return score_table(iter_jsonl(path, Judgment))


def score_table(judgments: Iterable[Judgment]) -> ScoreTable:
    """Returns ``judgments`` as arrays; each is taken once, none is kept."""
    index: dict[Key, int] = {}
    response: list[int] = []
    score: list[float] = []
    reasons: Counter[str] = Counter()
    for judgment in judgments:
        key = (judgment.prompt_id, judgment.response_id)
        response.append(index.setdefault(key, len(index)))
        score.append(math.nan if judgment.score is None else judgment.score)
        if judgment.reason is not None:
            reasons[judgment.reason] += 1
    return ScoreTable(
        list(index), np.array(response, dtype=np.intp), np.array(score), dict(reasons)
    )


def _exact_sums(group: Codes, values: Array, sizes: Codes) -> Array:
    """Returns (K,) sums of ``values`` by group, rounded once however they are ordered."""
    whole = bool((values == np.trunc(values)).all())
    if whole and float(np.abs(values).max(initial=0)) * len(values) <= WHOLE:
        return np.asarray(np.bincount(group, values, len(sizes)), dtype=np.float64)
    ordered = values[np.argsort(group, kind="stable")].tolist()
    ends = np.cumsum(sizes).tolist()
    begins = [0, *ends[:-1]]
    return np.array([math.fsum(ordered[a:b]) for a, b in zip(begins, ends, strict=True)])
