"""Two gamblers who bet against a threshold: the capital behind sequential tests of a bounded mean.

A finite set of N values in 0..1 is drawn in random order. If its mean is m, the next value has the
conditional mean m_t = (N m - sum so far) / (N - t + 1), so somebody who bets on it at fair odds,
whatever he has seen, does not get rich: his capital exceeds 1 / alpha with probability alpha at
most, at any time at all (Ville's inequality). One gambler bets that the mean is above the
threshold, the other that it is below; who gets rich is right. Waudby-Smith and Ramdas 2020
(arXiv 2006.04347; without replacement) and 2023 (arXiv 2010.09686; the bets).

Each gambler splits his capital over beliefs about the mean between the threshold and the end of
the range, and each part takes the stake that is best for values of 0 and 1: then the whole is a
mean of likelihood ratios. ``docs/gates.md`` has what else was tried.

With a forecast of each value the bet is on the value minus the price of its prompt, where the
prices of all prompts left have the mean m_t: a control variate whose mean is known exactly.

Everything is done for many evaluations at a time (the first axis of every array, B of them), so
that a simulation runs the code that a gate runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from results.forecast import Forecast

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
# The beliefs of a gambler, as shares of the way from the threshold to the end of the range, and the
# width that each one stands for: even steps, and at the threshold ever smaller ones, for what only
# a good predictor tells apart. A belief weighs its width times the root of its distance, for what
# is far soon gets rich, and most models are far from a threshold.
EVEN, NEAR = 16, 4
FAR = np.concatenate([(np.arange(EVEN) + 0.5) / EVEN, 0.5 ** np.arange(1, NEAR + 1) / (2 * EVEN)])
WIDTH = np.concatenate([np.full(EVEN, 1 / EVEN), FAR[EVEN:]])
TINY = 1e-12  # of a mean: sums of values that are equal on paper differ by less


class Bet(NamedTuple):
    """One draw as both gamblers saw it, each array of B.

    Attributes:
        value: that was drawn.
        price: of its prompt, fair at the threshold.
        top: the highest price of a prompt that was left.
        bottom: the lowest.
        up: stake of the one who bets on more, >= 0: his capital grows by 1 + up * (value - price).
        down: stake of the one who bets on less, <= 0.
        left: values that were not drawn yet, this one among them.
    """

    value: Array
    price: Array
    top: Array
    bottom: Array
    up: Array
    down: Array
    left: Array


class Capital:
    """What both gamblers have after the values so far; ``up`` and ``down`` are 1 at first."""

    def __init__(self, size: int, thresholds: Array, forecast: Forecast | None = None) -> None:
        self.size = size
        self.drawn = 0
        self.total = np.zeros(len(thresholds))
        self.thresholds = np.asarray(thresholds, dtype=np.float64)
        self.forecast = forecast
        weights = np.sqrt(FAR) * WIDTH / (np.sqrt(FAR) * WIDTH).sum()
        above, below = 1 - self.thresholds, -self.thresholds
        self._beliefs = [self.thresholds[:, None] + FAR * end[:, None] for end in (above, below)]
        self._parts = [np.tile(weights, (len(thresholds), 1)) for _ in range(2)]

    @property
    def up(self) -> Array:
        """Of the gambler who bets that the mean is above the threshold."""
        return np.asarray(self._parts[0].sum(axis=1))

    @property
    def down(self) -> Array:
        """Of the gambler who bets that it is below."""
        return np.asarray(self._parts[1].sum(axis=1))

    def add(self, values: Array) -> Bet:
        """Settles the bets on the next value of each evaluation."""
        left = self.size - self.drawn
        fair = (self.size * self.thresholds - self.total) / left
        # Outside of 0..1 the threshold cannot be the mean any more: no bet, it is certain already.
        possible = (fair > TINY) & (fair < 1 - TINY)
        fair = np.where(possible, fair, 0.5)
        price, top, bottom, spread = self._prices(fair)
        stakes = []
        for side, (lowest, highest) in enumerate(
            [(0 * top, 1 / top), (-1 / (1 - bottom), 0 * top)]
        ):
            parts = self._parts[side]
            belief = (self.size * self._beliefs[side] - self.total[:, None]) / left
            edge = np.clip(belief, 0, 1) - fair[:, None]
            stake = np.clip(edge / spread[:, None], lowest[:, None], highest[:, None])
            stake *= possible[:, None]
            stakes.append((parts * stake).sum(axis=1) / np.maximum(parts.sum(axis=1), 1e-300))
            parts *= np.maximum(1 + stake * (values - price)[:, None], 0)
        bet = Bet(values, price, top, bottom, stakes[0], stakes[1], np.full(len(values), left))
        if self.forecast is not None:
            self.forecast.learn(values)
        self.total = self.total + values
        self.drawn += 1
        return bet

    def certain(self, alpha: float, strict: bool) -> tuple[Flags, Flags]:
        """Where the mean is certain to be above the threshold, and where below it.

        Certain means that a gambler is rich, or that the values left cannot change it any more.
        A wrong side has a probability of at most ``alpha``, over all looks together.

        Args:
            alpha: in (0, 1).
            strict: a mean at the threshold itself counts as below it, not as above.
        """
        need, slack = self.size * self.thresholds, TINY * self.size
        most = self.total + self.size - self.drawn
        above = self.total > need + slack if strict else self.total >= need - slack
        below = most <= need + slack if strict else most < need - slack
        open_ = ~(above | below)
        above |= open_ & (self.up >= 1 / alpha)
        below |= open_ & ~above & (self.down >= 1 / alpha)
        return above, below

    def keep(self, which: Flags) -> None:
        """Goes on with some of the evaluations only."""
        self.total, self.thresholds = self.total[which], self.thresholds[which]
        self._beliefs = [part[which] for part in self._beliefs]
        self._parts = [part[which] for part in self._parts]
        if self.forecast is not None:
            self.forecast.keep(which)

    def _prices(self, fair: Array) -> tuple[Array, Array, Array, Array]:
        """Price of the next, highest and lowest price left, and mean variance of what is left."""
        if self.forecast is None:
            return fair, fair, fair, fair * (1 - fair)
        prices = self.forecast.prices(fair)
        spread = np.maximum((prices * (1 - prices)).mean(axis=1), TINY)
        return prices[:, 0], prices.max(axis=1), prices.min(axis=1), spread


def bound(bets: Bet, size: int, threshold: float, alpha: float) -> tuple[float, float]:
    """Returns the lower and the upper bound of the mean after some bets of one evaluation.

    Each of the two holds with probability 1 - alpha, at all times together. They are what the same
    stakes say of other means: at a distance d from the threshold the fair price of every prompt
    left is higher by N d / (N - t + 1), and a stake is cut where it could lose more than all. His
    capital then falls as the supposed mean rises, so those who are rich form an interval that ends
    at the bound, and the bound is beyond the threshold exactly when the test is decided.

    Args:
        bets: of one evaluation, each field an array over its draws.
        size: N.
        threshold: that the bets were made against.
        alpha: of either bound.
    """
    seen, count = float(bets.value.sum()), len(bets.value)
    least, most = seen / size, (seen + size - count) / size
    step = size / bets.left

    def rich(mean: float, up: bool) -> bool:
        moved = step * (mean - threshold)
        if up:
            stake = np.minimum(bets.up, 1 / np.maximum(bets.top + moved, TINY))
        else:
            stake = np.maximum(bets.down, -1 / np.maximum(1 - bets.bottom - moved, TINY))
        grown = np.maximum(1 + stake * (bets.value - bets.price - moved), 1e-300)
        return bool(np.log(grown).cumsum().max(initial=0.0) >= -np.log(alpha))

    low = _last(lambda mean: rich(mean, True), least, most)
    high = _last(lambda mean: rich(mean, False), most, least)
    return low, high


def _last(holds: Callable[[float], bool], start: float, end: float) -> float:
    """The last point on the way from ``start`` to ``end`` at which ``holds``; true before it."""
    if holds(end):
        return end
    for _ in range(60):
        middle = (start + end) / 2
        start, end = (middle, end) if holds(middle) else (start, middle)
    return start
