"""When further draws of a prompt's candidates can be spared: who is highest and lowest stands fast.

``certain``: whatever the draws that are left would say, also that they do not parse, the pair stays
what it is. ``likely``: it stays so with a stated probability, under the distribution that a
further draw of this judge had so far, given the mean of the draws before it.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from judges.selection import NOISE

Array = NDArray[np.float64]
Draws = Mapping[str, Sequence[float | None]]  # by response: its draws so far, None = unscored
SIMULATIONS = 400
PRIOR = 1.0  # weight of the judge's draws as a whole beside those after such a mean


@dataclass(frozen=True)
class Rule:
    """What decides a pair.

    Args:
        draws: judge calls per response when all are made.
        min_scored: scored draws that a response needs.
        scale: lowest and highest score.
        min_margin: that a pair needs, on the judge's scale.
    """

    draws: int
    min_scored: int
    scale: tuple[float, float]
    min_margin: float


def needed(draws: Draws, rule: Rule) -> list[str]:
    """The responses of one prompt whose next draw may still change its pair, in their order.

    Bounds of a mean with r draws left: all of them scored at the end of the scale, since a draw
    that does not parse leaves the mean where it is.
    """
    bounds = {name: _bounds(said, rule) for name, said in draws.items()}
    alive = {name: b for name, b in bounds.items() if b is not None}
    if len(alive) < 2:
        return []
    names = list(alive)
    low, high, sure, left = (np.array(column) for column in zip(*alive.values(), strict=True))
    # Of equal means the first response is taken: it wins a tie against all behind it.
    place = np.arange(len(names))
    could_top = np.array([
        not (sure & ((low > high[j] + NOISE) | ((place < j) & (low >= high[j] - NOISE)))).any()
        for j in place
    ])  # fmt: skip
    could_end = np.array([
        not (sure & ((high < low[j] - NOISE) | ((place < j) & (high <= low[j] + NOISE)))).any()
        for j in place
    ])  # fmt: skip
    best, worst = high[could_top].max(), low[could_end].min()
    least = max(rule.min_margin, 2 * NOISE)
    if best - worst < least - NOISE:
        return []  # no pair, whatever comes
    top_stands = could_top.sum() == 1 and sure[could_top].all()
    end_stands = could_end.sum() == 1 and sure[could_end].all()
    margin_stands = (
        top_stands
        and end_stands
        and low[could_top][0] - high[could_end][0] >= rule.min_margin - NOISE
    )
    if margin_stands:
        return []
    both = top_stands and end_stands  # then the margin alone is open
    asks = ((not top_stands or both) & could_top) | ((not end_stands or both) & could_end)
    return [name for name, ask, more in zip(names, asks, left, strict=True) if ask and more]


def _bounds(said: Sequence[float | None], rule: Rule) -> tuple[float, float, bool, int] | None:
    """Lowest and highest final mean, whether it is sure to have one, draws left; null: it cannot
    have one.
    """
    scored = [score for score in said if score is not None]
    left = rule.draws - len(said)
    n = len(scored) + left
    if n < max(1, rule.min_scored):
        return None
    total, (low, high) = sum(scored), rule.scale
    return (
        (total + left * low) / n,
        (total + left * high) / n,
        len(scored) >= max(1, rule.min_scored),
        left,
    )


class NextDraw:
    """How a further draw of this judge falls, given the mean of the draws before it: counted over
    all pairs of draws of one response.
    """

    def __init__(self, responses: Iterable[Sequence[float | None]]) -> None:
        found: dict[int, dict[float | None, float]] = {}
        everything: dict[float | None, float] = {}
        for said in responses:
            for i, first in enumerate(said):
                for j, second in enumerate(said):
                    if i != j and first is not None:
                        row = found.setdefault(math.floor(first + 0.5), {})
                        row[second] = row.get(second, 0.0) + 1
                        everything[second] = everything.get(second, 0.0) + 1
        self.outcomes: list[float | None] = sorted(
            everything, key=lambda x: (x is None, 0.0 if x is None else x)
        )
        total = sum(everything.values())
        self.overall = np.array([everything[o] / total for o in self.outcomes])
        self.after = {
            near: np.array([row.get(o, 0.0) for o in self.outcomes]) for near, row in found.items()
        }
        self.values = np.array([np.nan if o is None else o for o in self.outcomes])

    def sample(self, total: Array, count: Array, rng: np.random.Generator) -> Array:
        """One further draw for each row after ``count`` scored draws that sum to ``total``; NaN =
        unscored.
        """
        near = np.floor(total / np.maximum(count, 1) + 0.5)
        drawn = np.empty(len(total))
        for mean in np.unique(near):
            rows = near == mean
            weights = self.after.get(int(mean), np.zeros_like(self.overall)) + PRIOR * self.overall
            drawn[rows] = rng.choice(self.values, size=rows.sum(), p=weights / weights.sum())
        return drawn


def stands(draws: Draws, rule: Rule, falls: NextDraw, seed: str) -> float:
    """The probability that the pair of one prompt, by its draws so far, is that of all draws.

    Responses that have no scored draw yet leave it at 0: nothing is known of them.
    """
    if any(len(said) < rule.draws and not any(s is not None for s in said)
           for said in draws.values()):  # fmt: skip
        return 0.0
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big"))
    columns = []
    for said in draws.values():
        scored = [score for score in said if score is not None]
        total = np.full(SIMULATIONS, float(sum(scored)))
        n = np.full(SIMULATIONS, float(len(scored)))
        for _ in range(rule.draws - len(said)):
            # Each after the ones before it: what a response is worth is as unknown as its draws.
            more = falls.sample(total, n, rng)
            n += ~np.isnan(more)
            total += np.nan_to_num(more)
        enough = n >= max(1, rule.min_scored)
        columns.append(np.where(enough, total / np.maximum(n, 1), np.nan))
    finals = _pairs(np.stack(columns, axis=1), rule)
    today = pair_of(draws, rule)
    return float((finals == np.array([today])).all(axis=1).mean())


def pair_of(draws: Draws, rule: Rule) -> tuple[int, int]:
    """Positions of the highest and the lowest response by these draws; (-1, -1) for no pair."""
    means = []
    for said in draws.values():
        scored = [score for score in said if score is not None]
        means.append(sum(scored) / len(scored) if len(scored) >= max(1, rule.min_scored)
                     else np.nan)  # fmt: skip
    top, end = _pairs(np.array([means]), rule)[0]
    return int(top), int(end)


def _pairs(means: Array, rule: Rule) -> NDArray[np.intp]:
    """(rows, 2): highest and lowest of (rows, responses) means, the first among equals; (-1, -1)
    where there is no pair.
    """
    means = np.round(means, 9)
    some = (~np.isnan(means)).sum(axis=1) >= 2
    high = np.where(np.isnan(means), -np.inf, means)
    low = np.where(np.isnan(means), np.inf, means)
    margin = np.where(some, high.max(axis=1), 0.0) - np.where(some, low.min(axis=1), 0.0)
    kept = some & (margin > NOISE) & (margin >= rule.min_margin - NOISE)
    found = np.stack([high.argmax(axis=1), low.argmin(axis=1)], axis=1)
    return np.where(kept[:, None], found, -1)
