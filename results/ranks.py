"""Ranks of leaderboard rows with intervals: which places a model may have on other prompts.

In every round the prompts are resampled, all models on the same ones, and the models are ranked
anew; the interval holds the middle 95 % of a model's places (the percentile bootstrap of ranks:
Hall and Miller 2009, Using the bootstrap to quantify the authority of an empirical ranking).
A published row has no prompts to resample: where its win rate has a standard error it is drawn from
the normal distribution with that, independently of the others. What can be neither resampled nor
drawn stays as it is in every round, and its own place gets no interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from results.figures import figures
from results.records import Metric, Value
from results.stats import Array, cluster_weights, divide
from results.tables import Row, group_rows

ROUNDS = 2000
# Not of the length-controlled win rate: that error holds the coefficients of the fit.
ERRORS = {"win_rate": "standard_error"}
CONVENTION = (
    "by {}, 1 is the highest, equal figures share the better place; interval: prompts resampled "
    "for all models at once, published win rates drawn from their standard error, what has neither "
    "held"
)
FIXED = "the row has neither values by prompt nor a standard error of this figure"


def ranked(
    rows: Sequence[Row],
    values: Sequence[Sequence[Value] | None],
    metric: str,
    seed: int = 0,
    rounds: int = ROUNDS,
) -> list[dict[str, Any]]:
    """Returns the rows with ``rank`` as their first figure, the best of each table first.

    Only rows of one table (``tables.group_rows``) are ranked among each other; a row without the
    figure has a null rank and comes last.

    Args:
        rows: of a leaderboard.
        values: of each row, by prompt; null where nobody has them.
        metric: the figure to rank by, higher is better. In a group of figures: ``group.name``.
        seed: of the intervals.
        rounds: of the bootstrap.
    """
    known = {id(row): own for row, own in zip(rows, values, strict=True)}
    found: list[dict[str, Any]] = []
    for group in group_rows(rows):
        held = [dict(figures(row["metrics"])).get(metric, {}) for row in group]
        there = [place for place, figure in enumerate(held) if figure.get("value") is not None]
        points = np.array([float(held[place]["value"]) for place in there])
        draws, moves = _draws(
            metric, points, [group[p] for p in there], [known[id(group[p])] for p in there],
            seed, rounds,
        )  # fmt: skip
        ranks = _metrics(metric, points, draws, moves, len(group))
        places = dict(zip(there, ranks, strict=True))
        of_group = [
            {
                **row,
                "metrics": {"rank": places.get(at) or _null(metric, len(group)), **row["metrics"]},
            }
            for at, row in enumerate(group)
        ]
        found += sorted(of_group, key=lambda row: row["metrics"]["rank"].value or len(group) + 1)
    return found


def _draws(
    metric: str,
    points: Array,
    rows: Sequence[Row],
    values: Sequence[Sequence[Value] | None],
    seed: int,
    rounds: int,
) -> tuple[Array, list[bool]]:
    """(rounds, rows): each row's figure in every round; and which of the rows ever move."""
    own = [[v for v in of_row or () if v.metric == metric] for of_row in values]
    clusters = {name: i for i, name in enumerate(sorted({v.cluster for of in own for v in of}))}
    drawn = np.tile(points, (rounds, 1))
    rng = np.random.default_rng(seed)
    moves = [False] * len(rows)
    for at, (row, of_row) in enumerate(zip(rows, own, strict=True)):
        error = _error(row["metrics"], metric)
        if not of_row and error:
            drawn[:, at] = rng.normal(points[at], error, rounds)
            moves[at] = True
    if len(clusters) > 1:
        totals = np.zeros((len(clusters), 2 * len(rows)))
        for at, of_row in enumerate(own):
            for value in of_row:
                totals[clusters[value.cluster], 2 * at : 2 * at + 2] += (value.num, value.den)
        sums = np.concatenate([w @ totals for w in cluster_weights(len(clusters), rounds, seed)])
        for at, of_row in enumerate(own):
            if of_row:
                drawn[:, at] = divide(sums[:, 2 * at], sums[:, 2 * at + 1])
                moves[at] = True
    return drawn, moves


def _error(metrics: Mapping[str, Any], metric: str) -> float | None:
    """The published standard error of a figure."""
    found = dict(figures(metrics)).get(ERRORS.get(metric, ""), {})
    return found.get("value")


def _metrics(
    metric: str, points: Array, draws: Array, moves: Sequence[bool], of: int
) -> list[Metric]:
    """The rank of each row, with the interval of its places where the row ever moves."""
    if not len(points):
        return []
    usable = draws[np.isfinite(draws).all(axis=1)]
    if not len(usable):  # too few prompts: in every round some row has none of its own
        usable, moves = points[None], [False] * len(points)
    ends = np.quantile(_places(usable), [0.025, 0.975], axis=0, method="inverted_cdf")
    return [
        Metric(
            name="rank",
            value=float(place),
            low=float(ends[0][at]) if moves[at] else None,
            high=float(ends[1][at]) if moves[at] else None,
            n=len(points),
            of=of,
            convention=CONVENTION.format(metric),
            reason=None if moves[at] else FIXED,
        )
        for at, place in enumerate(_places(points[None])[0])
    ]


def _places(points: Array) -> Array:
    """(rounds, rows) of figures as places, 1 for the highest."""
    higher: Array = (points[:, None, :] > points[:, :, None]).sum(axis=2).astype(np.float64)
    return higher + 1


def _null(metric: str, of: int) -> Metric:
    return Metric(
        name="rank",
        value=None,
        n=0,
        of=of,
        convention=CONVENTION.format(metric),
        reason=f"{metric} has no value",
    )
