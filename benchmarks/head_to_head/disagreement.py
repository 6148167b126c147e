"""Two judges of the same matches: how often they differ, and in which direction.

A model that is trained on its own judgments may learn to please its judge: then that judge sees
wins where another one sees none. ``lean`` is the sum of both directions; the table shows each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np

from benchmarks.head_to_head.sides import Match
from benchmarks.head_to_head.verdicts import Verdicts
from judges.confusion import kappa
from judges.pairwise import Verdict
from results.records import Metric, Value
from results.stats import Array, interval, ratio_metric

VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
_WORTH: dict[Verdict, float] = {"win": 1.0, "tie": 0.5, "loss": 0.0}


@dataclass(frozen=True)
class Disagreement:
    """``first`` and ``second`` are the judges' names. ``table``: how many matches, by the verdict
    of the first judge and then of the second. Metrics: ``agreement``, ``cohen_kappa``, ``opposed``
    (one says win, the other loss), ``lean`` (win rate by the second minus that by the first; above
    0 the second judge favours the first side more).
    """

    first: str
    second: str
    n: int
    of: int
    table: dict[Verdict, dict[Verdict, int]]
    metrics: dict[str, Metric]


def disagreement(
    names: tuple[str, str],
    matches: Sequence[Match],
    first: Verdicts,
    second: Verdicts,
    seed: int,
) -> Disagreement:
    """Compares the verdicts on the matches that both judges have one of."""
    both = [
        (match, ours, theirs)
        for match in matches
        if (ours := first[match.item.id]) is not None
        and (theirs := second[match.item.id]) is not None
    ]
    table = {a: {b: sum((x, y) == (a, b) for _, x, y in both) for b in VERDICTS} for a in VERDICTS}

    def share(name: str, cells: Sequence[float], convention: str) -> Metric:
        values = [
            Value(prompt_id=match.item.id, metric=name, num=cell, cluster=match.cluster)
            for (match, _, _), cell in zip(both, cells, strict=True)
        ]
        return ratio_metric(name, values, len(matches), convention, seed)

    shared = "of the matches that both judges have a verdict on"
    metrics = {
        "agreement": share(
            "agreement", [float(x == y) for _, x, y in both], f"the same verdict, {shared}"
        ),
        "cohen_kappa": _kappa(both, len(matches), seed),
        "opposed": share(
            "opposed",
            [float({x, y} == {"win", "loss"}) for _, x, y in both],
            f"one says win and the other loss, {shared}",
        ),
        "lean": share(
            "lean",
            [_WORTH[y] - _WORTH[x] for _, x, y in both],
            f"win rate by the second judge minus that by the first, {shared}",
        ),
    }
    return Disagreement(*names, len(both), len(matches), table, metrics)


def _kappa(both: Sequence[tuple[Match, Verdict, Verdict]], of: int, seed: int) -> Metric:
    """Agreement beyond chance; counts of each cell are resampled by prompt."""
    clusters = {name: row for row, name in enumerate(sorted({m.cluster for m, _, _ in both}))}
    size = len(VERDICTS)
    cells = np.zeros((len(clusters), size, size))
    for match, x, y in both:
        cells[clusters[match.cluster], VERDICTS.index(x), VERDICTS.index(y)] += 1

    def statistic(sums: Array) -> Array:
        return kappa(sums.reshape(-1, size, size))

    flat = cells.reshape(len(clusters), -1)
    value = float(statistic(flat.sum(axis=0)[None])[0]) if both else float("nan")
    convention = "Cohen's kappa over win, tie, loss"
    if not np.isfinite(value):
        why = "a judge says one and the same of all" if both else "no match has both verdicts"
        return Metric(name="cohen_kappa", value=None, n=len(both), of=of, convention=convention,
                      reason=why)  # fmt: skip
    low, high = interval(flat, statistic, value, seed)
    return Metric(name="cohen_kappa", value=value, low=low, high=high, n=len(both), of=of,
                  convention=convention)  # fmt: skip
