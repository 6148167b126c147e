"""Sequential tests of a gate's rules: values are drawn in random order until the decision is sure.

An evaluation is a finite set of prompts. Its full result is a fixed number, and the question of a
rule is on which side of the threshold that number lies. Drawn in random order, the values mostly
tell long before the last one. Two errors can be made: passed although the full result would fail,
failed although it would pass. For any one set of values only one of the two can happen, and it has
a probability of at most ``alpha``, however often one looks and whenever one stops. Nothing is left
open at the full count: there the decision is the full result's own, exactly.

The guarantee concerns these prompts and this judge. It says nothing about other prompts, which an
interval by bootstrap does, and it holds for an order that was fixed before anything was seen: who
tries seeds until one passes has no guarantee.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np

from results.betting import TINY, Array, Bet, Capital, bound
from results.forecast import Forecast

GUARANTEE = (
    "sequential: each rule says other than all values would with a probability of at most its "
    "alpha, and so does a promotion; this concerns these prompts and this judge, in an order fixed "
    "beforehand, and is no full result"
)
Kind = Literal["min", "max", "improves", "no_regression"]
Outcome = Literal["passed", "failed"]
# What a mean above the threshold says, and what exactly at it.
PASSES_ABOVE: dict[Kind, bool] = {
    "min": True,
    "max": False,
    "improves": True,
    "no_regression": True,
}
AT_THRESHOLD_IS_BELOW: dict[Kind, bool] = {
    "min": False, "max": True, "improves": True, "no_regression": False,
}  # fmt: skip
LEARNING = 1.5  # log capital that it costs not to know the mean: of the estimate alone


def drawing_order(prompt_ids: Iterable[str], seed: int) -> list[str]:
    """The prompts in the random order in which they are to be drawn; the given order is nothing.

    Args:
        prompt_ids: of the whole set, each once.
        seed: fixed before any value was seen.
    """
    names = sorted(prompt_ids)
    return [names[i] for i in np.random.default_rng(seed).permutation(len(names))]


class Sequential:
    """One rule of a gate, fed with the values of an evaluation as they come.

    The state follows from the values and their order alone. Values that come after the decision
    are left alone: what they would add belongs to the full result.

    Example:
        >>> rule = Sequential("min", 0.3, size=805)
        >>> rule.add([0.0] * 30)
        >>> rule.outcome, rule.n_used
        ('failed', 12)
    """

    def __init__(
        self,
        kind: Kind,
        threshold: float,
        size: int,
        alpha: float = 0.05,
        incumbent: Sequence[float] | None = None,
        predictor: Sequence[float] | None = None,
    ) -> None:
        """Opens a rule on a set of ``size`` prompts.

        Args:
            kind: of the rule. ``improves`` and ``no_regression`` are about the mean difference to
                the incumbent.
            threshold: as a rules file has it: ``no_regression`` takes the loss that is allowed.
            size: prompts of the whole set, >= 1.
            alpha: probability of a wrong decision, at most; in (0, 1).
            incumbent: its values of all prompts in the order of drawing, 0 to 1. They are a
                predictor too. Null for a paired rule: the values that come are differences, -1 to
                1, where neither side is known beforehand.
            predictor: of each value, in the order of drawing, fixed beforehand, on the values'
                scale. Any other number of the same scale may stand where it has none.
        """
        paired = kind in ("improves", "no_regression")
        if size < 1 or not 0 < alpha < 1 or not math.isfinite(threshold):
            raise ValueError(
                f"size {size} (>= 1), alpha {alpha} (in (0, 1)), {threshold=} (finite)"
            )
        if incumbent is not None and not paired:
            raise ValueError(f"rule {kind!r} is not about an incumbent")
        self.kind, self.threshold, self.size, self.alpha = kind, threshold, size, alpha
        self.outcome: Outcome | None = None
        # A value v of the caller's is (v - origin) / width here, in 0..1.
        differences = paired and incumbent is None
        self._origin, self._width = (-1.0, 2.0) if differences else (0.0, 1.0)
        self._known = 0.0 if incumbent is None else math.fsum(incumbent) / size
        asked = -threshold if kind == "no_regression" else threshold
        self._mean = (asked + self._known - self._origin) / self._width
        columns = [self._scaled(c) for c in (predictor, incumbent) if c is not None]
        for column in columns:
            if len(column) != size:
                raise ValueError(
                    f"found {len(column)} predictions, expected one for each of {size}"
                )
        self._forecast = Forecast(np.stack(columns, axis=1)[None]) if columns else None
        self._capital = Capital(size, np.array([self._mean]), self._forecast)
        self._bets: list[Bet] = []
        self._values: list[float] = []
        self._ends: tuple[int, float, float] | None = None
        self._settle()

    def add(self, values: Iterable[float]) -> None:
        """Takes the next values in the order of drawing.

        Raises:
            ValueError: a value outside of the scale, or one too many.
        """
        for value in self._scaled(list(values)):
            if self.outcome is not None:
                return
            self._bets.append(self._capital.add(np.array([value])))
            self._values.append(float(value))
            self._settle()

    @property
    def n_used(self) -> int:
        """How many values the decision took, or came so far."""
        return len(self._values)

    @property
    def value(self) -> float | None:
        """An estimate of the full result (or difference) within the bounds; null without values."""
        if not self._values:
            return None
        low, high = self._bounds()
        mean = math.fsum(self._values) / self.n_used
        if self._forecast is not None and self.n_used < self.size:
            expected = float(self._forecast.expected().sum())
            mean = (math.fsum(self._values) + expected) / self.size
        return self._shown(min(max(mean, low), high))

    @property
    def low(self) -> float:
        """Lower bound of the full result (of the difference): holds with probability 1 - alpha."""
        return self._shown(self._bounds()[0])

    @property
    def high(self) -> float:
        """Upper bound, likewise."""
        return self._shown(self._bounds()[1])

    @property
    def settles_at(self) -> int | None:
        """How many values would settle it, an estimate; null when it is settled or none came.

        From the distance d of the values so far to the threshold and their variance v around their
        prices: capital grows by about d * d / 2 v a draw, faster as the set runs out (Cochran,
        Sampling Techniques, 1977, 4.6).
        """
        if self.outcome is not None or not self._values:
            return None
        value = self.value
        assert value is not None
        distance = abs((value + self._known - self._origin) / self._width - self._mean)
        prices = np.concatenate([bet.price for bet in self._bets])
        # Two values that miss by half stand for what was not seen yet.
        missed = float(((np.array(self._values) - prices) ** 2).sum() + 0.5) / (self.n_used + 2)
        rise = math.log(1 / self.alpha) + LEARNING
        draws = 2 * missed * rise / max(distance**2, TINY)
        return min(max(self.n_used + 1, math.ceil(draws / (1 + draws / self.size))), self.size)

    def _settle(self) -> None:
        strict = AT_THRESHOLD_IS_BELOW[self.kind]
        above, below = (bool(side[0]) for side in self._capital.certain(self.alpha, strict))
        if above or below:
            self.outcome = "passed" if above == PASSES_ABOVE[self.kind] else "failed"

    def _bounds(self) -> tuple[float, float]:
        """Of the mean on the inner scale; made once for each count of values."""
        if self._ends is None or self._ends[0] != self.n_used:
            low, high = 0.0, 1.0
            if self.n_used == self.size:
                low = high = math.fsum(self._values) / self.size
            elif self._bets:
                bets = Bet(*(np.concatenate(field) for field in zip(*self._bets, strict=True)))
                low, high = bound(bets, self.size, self._mean, self.alpha)
            self._ends = (self.n_used, low, high)
        return self._ends[1], self._ends[2]

    def _shown(self, mean: float) -> float:
        return mean * self._width + self._origin - self._known

    def _scaled(self, values: Sequence[float]) -> Array:
        numbers = np.asarray(values, dtype=np.float64)
        scaled = (numbers - self._origin) / self._width
        if not ((scaled >= 0) & (scaled <= 1)).all():
            wrong = numbers[~((scaled >= 0) & (scaled <= 1))][0]
            raise ValueError(
                f"found a value of {wrong:g}, expected {self._origin:g} to "
                f"{self._origin + self._width:g}"
            )
        return np.asarray(scaled)
