"""The judged prompts, some of them labelled by people too: means and their errors on that part.

A mean is sum(values) / sum(den), a ratio, and whole clusters are drawn: its errors are those of the
first-order expansion by cluster (Cochran, Sampling Techniques, 1977, chapters 6 and 9A).
``results.prediction_powered`` says what for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from results.errors import SrlmError
from results.records import Value
from results.text import excerpt

Array = NDArray[np.float64]
Rows = NDArray[np.bool_]
Target = Literal["population", "these"]

WHOLE_ERRORS = 2  # labels wrong by the whole range that an interval always allows for


@dataclass(frozen=True)
class Sample:
    """All judged prompts, (N,) each. ``human`` is 0 where ``labelled`` is false."""

    judge: Array
    human: Array
    den: Array
    labelled: Rows
    cluster: NDArray[np.intp]

    @property
    def all(self) -> Rows:
        """Every prompt."""
        return np.ones_like(self.labelled)

    @property
    def clusters(self) -> int:
        """Different clusters that have a label."""
        return len(np.unique(self.cluster[self.labelled]))

    @property
    def drawn(self) -> float:
        """The part of all den that is labelled, 0 to 1."""
        return float(self.den[self.labelled].sum() / self.den.sum()) if len(self.den) else 0.0

    def mean(self, values: Array, rows: Rows) -> float:
        """sum(values) / sum(den) over ``rows``, 0 when there are none."""
        return math.fsum(values[rows]) / math.fsum(self.den[rows]) if rows.any() else 0.0

    def errors(self, values: Array, rows: Rows) -> Array:
        """(C,): what each cluster adds to the error of ``mean``, to first order; they sum to 0."""
        if not rows.any():
            return np.zeros(len(np.unique(self.cluster)))
        residual = np.where(rows, values - self.mean(values, rows) * self.den, 0.0)
        return np.bincount(self.cluster, residual / self.den[rows].sum()).astype(np.float64)

    def slope(self) -> float | None:
        """Least squares of human on judge values over labelled clusters, None when undefined."""
        rows = self.labelled
        if self.clusters < 3:
            return None
        given = self.judge[rows] / self.den[rows]
        # A mean of equal numbers differs from them in the last bit: no slope should come of that.
        if np.ptp(given) <= 1e-12 * max(1.0, float(np.abs(given).max())):
            return None
        on = self.errors(self.judge, rows)
        norm = float(on @ on)
        return float(on @ self.errors(self.human, rows)) / norm if norm > 0 else None

    def half_width(
        self,
        values: Array,
        fitted: int,
        span: float,
        target: Target,
        confidence: float,
        predicted: Array | None = None,
    ) -> float | None:
        """Half of the symmetric Student-t interval of the labelled part's mean of ``values``.

        Args:
            values: (N,), read where labelled.
            fitted: parameters fitted on the labelled clusters, the mean included.
            span: of a human value, highest minus lowest.
            target: ``these`` multiplies the variance by 1 - the labelled part.
            confidence: in (0, 1).
            predicted: (C,): errors, as ``errors`` gives them, of a mean over all judged prompts
                that is added to this one. They count for the target ``population``.

        Returns:
            None with too few labelled clusters.
        """
        clusters = self.clusters
        if clusters <= fitted:
            return None
        errors = self.errors(values, self.labelled)
        least = WHOLE_ERRORS * (span / clusters) ** 2
        variance = max(float(errors @ errors), least) * clusters / (clusters - fitted)
        if target == "these":
            variance *= 1 - self.drawn
        elif predicted is not None and len(predicted) > 1:
            variance += float(predicted @ predicted) * len(predicted) / (len(predicted) - 1)
            variance += 2 * float(errors @ predicted)  # both parts hold the labelled clusters
        return student(confidence, clusters - fitted) * math.sqrt(max(variance, 0.0))

    def gap(self) -> tuple[float, float] | None:
        """The judge's mean where labelled minus that over all, in its unit and in standard errors.

        None when it cannot be told.
        """
        errors = self.errors(self.judge, self.all)
        # The spread is that of all prompts: those picked by hand may have none at all.
        drawn = self.drawn
        scale = math.sqrt(float(errors @ errors) * (1 - drawn) / drawn) if drawn else 0.0
        if scale <= 1e-12:
            return None
        gap = self.mean(self.judge, self.labelled) - self.mean(self.judge, self.all)
        return gap, gap / scale


def score_interval(
    value: float, half: float, clusters: int, bounds: tuple[float, float]
) -> tuple[float, float]:
    """Returns the ends of the Wilson interval that belongs to a symmetric one.

    A mean near a bound has a skew sampling distribution. Wilson (1927) lets the variance follow the
    true value x as x (1 - x) does: the ends are the x with (value - x)^2 = half^2 x (1 - x) / s. In
    surveys s is value (1 - value), which makes it the interval of an effective sample size (Korn
    and Graubard 1998, Survey Methodology 24); here the value in s is moved towards the middle by
    one win and one loss, so that it also exists where all labels are wins. (By two of each, as
    Agresti and Coull do, it covered 91 % of nominal 95 at a win rate of 0.9 and 60 labels; by one,
    93 to 94 %.)

    Args:
        value: the mean, within ``bounds``.
        half: half of its symmetric interval, >= 0.
        clusters: labelled ones, >= 1.
        bounds: lowest and highest value; the ends lie within.
    """
    span = bounds[1] - bounds[0]
    unit = (value - bounds[0]) / span
    inner = (unit * clusters + 1) / (clusters + 2)
    k = (half / span) ** 2 / (inner * (1 - inner))
    middle = (unit + k / 2) / (1 + k)
    around = math.sqrt(unit * (1 - unit) * k + k * k / 4) / (1 + k)
    # The ends meet the bounds and the value in the last bit, where they should at all.
    low, high = max(0.0, middle - around), min(1.0, middle + around)
    return min(value, bounds[0] + span * low), max(value, bounds[0] + span * high)


def student(confidence: float, freedom: int) -> float:
    """The two-sided quantile of Student's t."""
    from scipy import special

    return float(special.stdtrit(freedom, (1 + confidence) / 2))


def by_prompt(name: str, side: str, values: Sequence[Value]) -> dict[str, Value]:
    """Returns ``values`` by prompt id. ``name`` and ``side`` are for the error.

    Raises:
        SrlmError: a value is not finite, a den not above 0, or a prompt there twice.
    """
    found: dict[str, Value] = {}
    for value in values:
        if not (math.isfinite(value.num) and math.isfinite(value.den) and value.den > 0):
            raise SrlmError(
                f"{_where(name, side, value)} is {value.num} / {value.den}, expected finite "
                "numbers and a positive denominator; leave out prompts without a value"
            )
        if value.prompt_id in found:
            raise SrlmError(
                f"{_where(name, side, value)} is there twice, expected once; add the two up or "
                "name them apart"
            )
        found[value.prompt_id] = value
    return found


def _where(name: str, side: str, value: Value) -> str:
    return f"metric {name}: {side} value of prompt {excerpt(value.prompt_id)!r}"


def sample(
    name: str,
    judge: Mapping[str, Value],
    human: Mapping[str, Value],
    bounds: tuple[float, float],
) -> Sample:
    """Returns the judged prompts with the human values of those that have one.

    Raises:
        SrlmError: a human value is out of ``bounds``, or has another den or cluster than the
            judge's.
    """
    for key, value in human.items():
        mean = value.num / value.den
        if not bounds[0] - 1e-9 <= mean <= bounds[1] + 1e-9:
            raise SrlmError(
                f"{_where(name, 'human', value)} is {mean}, expected {bounds[0]:g} to "
                f"{bounds[1]:g}; bring the labels to that scale or give their bounds"
            )
        other = judge.get(key)
        if other and (other.den, other.cluster) != (value.den, value.cluster):
            raise SrlmError(
                f"{_where(name, 'human', value)} has den {value.den:g} in cluster "
                f"{excerpt(value.cluster)!r}, the judge's den {other.den:g} in "
                f"{excerpt(other.cluster)!r}, expected the same; make both from the same prompts"
            )
    # Sorted: sums must not depend on the order of the files.
    rows = [judge[key] for key in sorted(judge)]
    names = {cluster: i for i, cluster in enumerate(dict.fromkeys(row.cluster for row in rows))}
    known = [human.get(row.prompt_id) for row in rows]
    return Sample(
        judge=np.array([row.num for row in rows], dtype=np.float64),
        human=np.array([value.num if value else 0.0 for value in known], dtype=np.float64),
        den=np.array([row.den for row in rows], dtype=np.float64),
        labelled=np.array([value is not None for value in known], dtype=np.bool_),
        cluster=np.array([names[row.cluster] for row in rows], dtype=np.intp),
    )
