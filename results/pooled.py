"""Many metrics of one data set at once, from arrays: each a statistic of sums over prompts.

For a ratio of sums the figures are those of ``results.stats.ratio_metric`` to the last bit; only
the bootstrap draws are shared between metrics with equally many clusters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from results.records import Metric
from results.stats import NO_INTERVAL, Array, Ends, Statistic, divide, intervals

Codes = NDArray[np.intp]


def ratio(sums: Array) -> Array:
    """The statistic of most metrics: column 0 over column 1, NaN where that is 0."""
    return divide(sums[:, 0], sums[:, 1])


@dataclass(frozen=True)
class Pooled:
    """One metric before its interval.

    ``cells`` (k, width) and ``cluster`` (k,) have one row per prompt that has a value, ordered by
    cluster and prompt id; ``cluster`` holds codes in the order of the clusters' names.
    ``statistic`` maps (r, width) sums of cells to (r,) figures, NaN where undefined. ``n`` and
    ``of`` are the coverage in the metric's own unit. ``missing`` is the reason that the metric
    gives when it has no row; ``undefined`` the one when it has rows and yet no value.
    """

    name: str
    cells: Array
    cluster: Codes
    n: int
    of: int
    convention: str
    missing: str
    statistic: Statistic = ratio
    undefined: str = "its denominators sum to 0"


def pooled_metrics(
    figures: Sequence[Pooled], seed: int = 0, rounds: int = 2000, confidence: float = 0.95
) -> dict[str, Metric]:
    """Returns the metrics by name; null, interval and arguments as in ``results.stats``."""
    values = [_value(figure) for figure in figures]
    defined = [
        (cluster_sums(figure.cluster, figure.cells), figure.statistic, value)
        for figure, value in zip(figures, values, strict=True)
        if value is not None
    ]
    ends = iter(intervals(defined, seed, rounds, confidence))
    return {
        figure.name: _metric(
            figure, value, (None, None) if value is None else next(ends), confidence
        )
        for figure, value in zip(figures, values, strict=True)
    }


def cluster_sums(cluster: Codes, cells: Array) -> Array:
    """Returns (distinct clusters, width): the sums of (k, width) ``cells`` by cluster code.

    Added in the order of the rows, so equal rows in equal order give equal bits.
    """
    codes, index = np.unique(cluster, return_inverse=True)
    totals = np.empty((len(codes), cells.shape[1]))
    for column in range(cells.shape[1]):
        totals[:, column] = np.bincount(index, weights=cells[:, column], minlength=len(codes))
    return totals


def _value(figure: Pooled) -> float | None:
    """Returns the statistic of exact sums, None when undefined."""
    if not len(figure.cells):
        return None
    sums = np.array([[math.fsum(column) for column in figure.cells.T.tolist()]])
    value = float(figure.statistic(sums)[0])
    return value if math.isfinite(value) else None


def _metric(figure: Pooled, value: float | None, ends: Ends, confidence: float) -> Metric:
    low, high = ends
    if value is None:
        reason: str | None = figure.undefined if len(figure.cells) else figure.missing
    else:
        reason = NO_INTERVAL if low is None else None
    return Metric(
        name=figure.name,
        value=value,
        low=low,
        high=high,
        confidence=confidence,
        n=figure.n,
        of=figure.of,
        convention=figure.convention,
        reason=reason,
    )
