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

from results.records import Metric, Value
from results.stats import NO_INTERVAL, Array, Ends, Statistic, divide, intervals

Codes = NDArray[np.intp]
FEW = 30  # clusters; see ``widened``
FEW_NOTE = f"; interval under {FEW} prompts: no narrower than that of Korn and Graubard"
ALIKE_NOTE = FEW_NOTE.replace("prompts:", "prompts, or where all are alike:")


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
    gives when it has no row; ``undefined`` the one when it has rows and yet no value. ``share``
    makes the interval of a ratio in 0..1 that rests on few clusters ``widened``, ``alike`` also one
    whose values are all the same.
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
    share: bool = False
    alike: bool = False


def pooled_metrics(
    figures: Sequence[Pooled], seed: int = 0, rounds: int = 2000, confidence: float = 0.95
) -> dict[str, Metric]:
    """Returns the metrics by name; null, interval and arguments as in ``results.stats``."""
    values = [_value(figure) for figure in figures]
    totals = [cluster_sums(figure.cluster, figure.cells) for figure in figures]
    tasks = [
        (sums, figure.statistic, value)
        for sums, figure, value in zip(totals, figures, values, strict=True)
        if value is not None
    ]
    found = iter(intervals(tasks, seed, rounds, confidence))
    metrics = {}
    for figure, sums, value in zip(figures, totals, values, strict=True):
        ends: Ends = (None, None) if value is None else next(found)
        if figure.share and value is not None:
            ends = widened(ends, value, sums, confidence, figure.alike)
        metrics[figure.name] = _metric(figure, value, ends, confidence)
    return metrics


def widened(ends: Ends, share: float, sums: Array, confidence: float, alike: bool = False) -> Ends:
    """Returns ``ends`` made to hold the interval of Korn and Graubard (1998) when clusters are few.

    Five right of five have the percentile interval [1, 1], and few of anything one that is too
    narrow (``python -m tests.proofs.coverage``). Theirs is the exact binomial interval (Clopper and
    Pearson 1934) of as many independent trials as the clusters are worth: share (1 - share) over
    the variance between clusters, less what few clusters leave unsure of that variance. Clusters
    that do not vary at all are worth one trial each.

    Args:
        ends: the percentile interval.
        share: sum(num) / sum(den), in 0..1.
        sums: (clusters, 2): num and den, counts with 0 <= num <= den.
        confidence: of the interval.
        alike: whether clusters that are all the same count as few, however many they are.
    """
    low, high = ends
    num, den = sums[sums[:, 1] > 0].T
    clusters = len(den)
    if low is None or high is None or (clusters >= FEW and not (alike and low == high)):
        return ends
    from scipy.special import betaincinv, stdtrit  # scipy takes a while to load

    tail, trials = (1 - confidence) / 2, float(clusters)
    spread = float(((num - share * den) ** 2).sum()) * clusters / max(1, clusters - 1)
    if spread > 1e-9 and clusters > 1:
        worth = share * (1 - share) * den.sum() ** 2 / spread
        unsure = stdtrit(max(1.0, den.sum() - 1), tail) / stdtrit(clusters - 1, tail)
        trials = float(min(worth * unsure**2, den.sum()))
    right, wrong = share * trials, (1 - share) * trials
    exact_low = float(betaincinv(right, wrong + 1, tail)) if right > 0 else 0.0
    exact_high = float(betaincinv(right + 1, wrong, 1 - tail)) if wrong > 0 else 1.0
    return min(low, exact_low), max(high, exact_high)


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
        convention=figure.convention
        + ((ALIKE_NOTE if figure.alike else FEW_NOTE) if figure.share else ""),
        reason=reason,
    )


def prompt_ratio(
    name: str,
    values: Sequence[Value],
    n: int,
    of: int,
    convention: str,
    missing: str = "",
    share: bool = False,
    alike: bool = False,
) -> Pooled:
    """Returns sum(num) / sum(den) of ``values``, one a prompt, in any order.

    ``n`` of ``of`` and the rest as in ``Pooled``.
    """
    rows = sorted(values, key=lambda v: (v.cluster, v.prompt_id))
    _, codes = np.unique(np.array([v.cluster for v in rows], np.str_), return_inverse=True)
    cells = np.array([(v.num, v.den) for v in rows], dtype=np.float64).reshape(-1, 2)
    missing = missing or f"none of {of} has a value"
    return Pooled(name, cells, codes, n, of, convention, missing, share=share,
                  alike=alike)  # fmt: skip
