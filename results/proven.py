"""Bounds of a mean that hold for any values in 0..1, however few or alike they are.

A percentile bootstrap says little in the tail where few prompts differ or nearly all are right: it
resamples what was seen, and of what is rare nothing was seen. These bounds need no approximation.
Somebody who bets at fair odds that a mean is above m multiplies his capital by 1 + f (x / m - 1)
with each value x, where f in 0..1 is what he puts at stake. If the mean is m, or less, his capital
is 1 on average at most, so it reaches 1 / alpha with a probability of alpha at most (Markov's
inequality). All m at which it does not are the ones that the values leave possible, and the lowest
is the bound. Betting for bounded means: Waudby-Smith and Ramdas 2023 (arXiv 2010.09686), of whose
strategies this is the plainest: he splits his capital over a few constant stakes, so the order of
the values is nothing.

The price is width: about half as much again as the bootstrap's interval at the same alpha, where
that one is sound (docs/gate-policies.md has the figures).

Each prompt is a draw from a population of such prompts, and two of the same text are two draws: as
often as people ask it. The bootstrap is more careful there, and resamples texts. A text that weighs
as often as it was asked would need a bound on that weight beforehand. ``results.sequential`` is
about a finite set of prompts instead.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from results.records import Metric, Value
from results.stats import NO_PAIR, Array, cells, paired, ratio, why_null

STAKES = 8  # how many the capital is split over


def proven_ratio(name: str, values: Sequence[Value], of: int, alpha: float) -> Metric:
    """Returns sum(num) / sum(den) with bounds each of which is wrong with probability ``alpha``.

    Args:
        name: of the metric.
        values: one per prompt, 0 <= num <= den, den alike (``unfit`` tells).
        of: how many there could have been.
        alpha: of either bound, in (0, 1).
    """
    value, low, high = ratio(values), None, None
    if value is not None:
        num, den = np.array([cells(name, row) for row in values]).T
        low, high = bounds(num / den, alpha)
    return Metric(name=name, value=value, low=low, high=high,
                  confidence=max(0.0, 1 - 2 * alpha), n=len(values), of=of,
                  convention=f"bounds by betting, each at {1 - alpha:g}",
                  reason=why_null(value, low, values, f"none of {of} has a value"))  # fmt: skip


def proven_difference(
    name: str, candidate: Sequence[Value], incumbent: Sequence[Value], alpha: float
) -> Metric:
    """Returns the candidate's ratio minus the incumbent's, paired by prompt, with such bounds.

    Args:
        name: of the metric.
        candidate: one per prompt, 0 <= num <= den, den alike on both sides.
        incumbent: likewise. Prompts that one side lacks are left out.
        alpha: of either bound, in (0, 1).

    Raises:
        SrlmError: as ``results.stats.paired_difference``.
    """
    pairs = paired(name, candidate, incumbent)
    low = high = None
    if pairs.value is not None:
        ours, weight, theirs, _ = np.array(pairs.cells).T
        # A difference is -1 to 1; half of it, above one half, is 0 to 1.
        low, high = (2 * end - 1 for end in bounds(((ours - theirs) / weight + 1) / 2, alpha))
    return Metric(name=name, value=pairs.value, low=low, high=high,
                  confidence=max(0.0, 1 - 2 * alpha), n=len(pairs.cells), of=pairs.of,
                  convention=f"paired by prompt, each bound at {1 - alpha:g}",
                  reason=why_null(pairs.value, low, pairs.cells, NO_PAIR))  # fmt: skip


def unfit(candidate: Sequence[Value], incumbent: Sequence[Value] | None = None) -> str | None:
    """Why values have no such bounds, in words; null where they have. Prompts that do not weigh the
    same have none: how heavy one can be must be known before any was seen.
    """
    values = [*candidate, *(incumbent or ())]
    if any(not 0 <= value.num <= value.den for value in values):
        return "its values do not lie in 0..1"
    if len({value.den for value in values}) > 1:
        return "its prompts do not weigh the same"
    return None


def bounds(values: Array, alpha: float) -> tuple[float, float]:
    """Returns the lower and the upper bound of the mean of a population.

    Args:
        values: (n,): drawn from it, 0 to 1, n >= 1.
        alpha: of either bound, in (0, 1).
    """
    return _lower(values, alpha), 1 - _lower(1 - values, alpha)


def _lower(values: Array, alpha: float) -> float:
    """The lowest mean that the values leave possible."""
    # The best constant stake is about this times the root of m (1 - m) / variance, so mostly more.
    least = min(math.sqrt(2 * math.log(1 / alpha) / len(values)) / 2, 0.5)
    stakes = np.geomspace(least, 1, STAKES)[:, None]
    rich = math.log(STAKES / alpha)

    def impossible(mean: float) -> bool:
        grown = np.maximum(1 + stakes * (values / mean - 1), 1e-300)
        return bool(np.logaddexp.reduce(np.log(grown).sum(axis=1)) >= rich)

    # The capital falls as the supposed mean rises, so what is impossible ends somewhere.
    low, high = 0.0, float(values.mean())
    for _ in range(40):
        middle = (low + high) / 2
        if middle == 0:
            break
        low, high = (middle, high) if impossible(middle) else (low, middle)
    return low
