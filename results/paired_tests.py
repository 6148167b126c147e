"""Two models' values of a metric on the same samples: is a loss more than noise, and what loss
would have been seen?

Right or wrong answers are counted (``results.paired_counts``). Any other values, and samples that
share a text, are tested by sign flips: where nothing was lost, the two models' values of a cluster
could as well be exchanged, so every such exchange is as likely as what was seen (Fisher 1935, The
Design of Experiments, 21). That is more than no loss on the mean: where many lose a little and few
gain much, few clusters can look like a loss that is none. With a margin the flips are of what lies
above it, which is right for many clusters and an approximation for few.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np

from results.paired_counts import POWER, least_drop, loss_above, mcnemar
from results.records import Value
from results.stats import CHUNK_CELLS, Array, Paired, paired

FLIPS = 20_000  # so no p-value is below one in as many


@dataclass(frozen=True)
class PairedTest:
    """What the samples that two models share say of the second against the first.

    Attributes:
        n: samples with a value of both.
        won: samples where the candidate's value is higher.
        lost: samples where it is lower.
        margin: the loss that is accepted, in the metric's unit.
        method: how the p-values were found.
        p_loss: of "the loss is at most the margin"; small where it is surely more.
        p: two-sided, of "there is no difference".
        clusters: of samples that were flipped together; ``n`` where samples are counted.
        error: standard error of the difference; 0 where samples are counted.
    """

    n: int
    won: int
    lost: int
    margin: float
    method: Literal["counts", "sign flips"]
    p_loss: float
    p: float
    clusters: int
    error: float = 0.0

    def least_drop(self, alpha: float) -> float | None:
        """The smallest true drop that is found at ``alpha``, one-sided, with 80 % power; null where
        none would be, or where that cannot be told because all values are alike. Of values that
        are not counted: the margin and z(1 - alpha) + z(power) standard errors, which supposes a
        normal difference.
        """
        if self.method == "counts":
            return least_drop(self.n, self.won + self.lost, alpha, self.margin)
        finest = max(0.5**self.clusters, 1 / (FLIPS + 1))  # no p-value is below it
        if not self.error or finest > alpha:
            return None
        return self.margin + seen_drop(self.error, alpha)


def seen_drop(error: float, alpha: float) -> float:
    """Returns the true drop that a one-sided test at ``alpha`` of a normal difference with this
    standard error finds with 80 % power.
    """
    normal = NormalDist()
    return (normal.inv_cdf(1 - alpha) + normal.inv_cdf(POWER)) * error


def paired_test(name: str, candidate: Sequence[Value], incumbent: Sequence[Value],
                margin: float = 0.0, seed: int = 0) -> PairedTest | None:  # fmt: skip
    """Returns the test of a loss; null where the two share no sample or a ratio is undefined.

    Args:
        name: of the metric.
        candidate: its values by sample.
        incumbent: likewise; samples that one side lacks are left out.
        margin: a loss that is accepted, >= 0, in the metric's unit.
        seed: of the sign flips.

    Raises:
        SrlmError: as ``results.stats.paired_difference``.
    """
    pairs = paired(name, candidate, incumbent)
    if pairs.value is None:
        return None
    cells = np.array(pairs.cells)
    higher = cells[:, 0] * cells[:, 3] - cells[:, 2] * cells[:, 1]  # of the two ratios
    won, lost = int((higher > 0).sum()), int((higher < 0).sum())
    if _are_counted(pairs, cells):
        return counted(len(cells), won, lost, margin)
    parts, weight = _parts(pairs, cells)
    n = len(parts)
    spread = float(((parts - parts.mean()) ** 2).sum())
    error = math.sqrt(spread * n / (n - 1)) if n > 1 else 0.0
    loss, gain, either = (
        _flipped(side, seed) for side in (-parts - margin * weight, parts, -parts)
    )
    p = min(1.0, 2 * min(gain, either))
    return PairedTest(len(cells), won, lost, margin, "sign flips", loss, p, n, error)


def counted(n: int, won: int, lost: int, margin: float = 0.0) -> PairedTest:
    """The test of ``n`` right or wrong answers, of which so many were won and lost."""
    p_loss, p = loss_above(margin, won, lost, n), mcnemar(won, lost)[1]
    return PairedTest(n, won, lost, margin, "counts", p_loss, p, n)


def holm(ps: Sequence[float]) -> list[float]:
    """Returns p-values adjusted for all that are tested together: those at most alpha are findings,
    and any of them is wrong with a probability of at most alpha, whatever their dependence.

    Step-down (Holm 1979, Scandinavian Journal of Statistics 6, 65-70): the smallest times their
    number, the next times one less, and none below the one before.
    """
    adjusted, least = [0.0] * len(ps), 0.0
    for place, at in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        least = max(least, min(1.0, (len(ps) - place) * ps[at]))
        adjusted[at] = least
    return adjusted


def _are_counted(pairs: Paired, cells: Array) -> bool:
    """Whether all values are 0 or 1 of 1, each sample on its own."""
    alone = len(set(pairs.clusters)) == len(pairs.clusters)
    return alone and bool(np.isin(cells[:, [0, 2]], (0, 1)).all() and (cells[:, [1, 3]] == 1).all())


def _parts(pairs: Paired, cells: Array) -> tuple[Array, Array]:
    """(clusters,) twice: what each cluster adds to the difference of the two ratios, and its share
    of the samples' weight. Where weights differ, what a cluster has above its share is counted.
    """
    num, den, old_num, old_den = cells.T
    pooled = (num.sum() + old_num.sum()) / (den.sum() + old_den.sum())
    part = (num - pooled * den) / den.sum() - (old_num - pooled * old_den) / old_den.sum()
    weight = (den / den.sum() + old_den / old_den.sum()) / 2
    _, index = np.unique(np.array(pairs.clusters), return_inverse=True)
    parts: Array = np.bincount(index, part).astype(np.float64)
    weights: Array = np.bincount(index, weight).astype(np.float64)
    return parts, weights


def _flipped(parts: Array, seed: int) -> float:
    """How often the sum of ``parts`` is as large with signs at random: what was seen counts as one
    of the draws (Phipson and Smyth 2010, Statistical Applications in Genetics 9, 39).
    """
    rng = np.random.default_rng(seed)
    seen, slack = parts.sum(), 1e-12 * np.abs(parts).sum()
    size, reached = max(1, CHUNK_CELLS // len(parts)), 0
    for begin in range(0, FLIPS, size):
        rows = min(size, FLIPS - begin)
        signs = 2.0 * rng.integers(0, 2, (rows, len(parts)), dtype=np.int8) - 1
        reached += int((signs @ parts >= seen - slack).sum())
    return (reached + 1) / (FLIPS + 1)
