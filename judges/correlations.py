"""Correlation of a judge's scores with human scores over all responses together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from judges.pointwise import Key, cluster_of
from judges.rankings import RankedPrompt
from results.pooled import Pooled, pooled_metrics
from results.records import Metric
from results.stats import Array, divide

CONVENTION = "Pearson's r, pooled over all responses with a human score; unscored dropped"


def pooled_pearson(
    rankings: Sequence[RankedPrompt],
    scores: Mapping[Key, float | None],
    seed: int = 0,
    rounds: int = 2000,
    confidence: float = 0.95,
) -> Metric:
    """Returns Pearson's r between the judge's mean scores and the human scores.

    Unlike the correlations of ``judges.agreement`` it is taken over the responses of all prompts
    together, so a judge also gains by knowing which prompts get better responses. ``n`` counts
    responses with both scores, ``of`` those with a human score.

    Args:
        rankings: prompts whose responses have a human ``score``.
        scores: mean score by (prompt_id, response_id); None or no entry is unscored.
        seed: decides the interval, together with the data.
        rounds: bootstrap replicates, >= 1; prompts with the same text are resampled together.
        confidence: of the interval, in (0, 1).
    """
    rows: list[tuple[str, float, float]] = []
    of = 0
    for ranked in rankings:
        cluster = cluster_of(ranked.prompt)
        for response in ranked.responses:
            given = scores.get((ranked.id, response.id))
            of += response.score is not None
            if response.score is not None and given is not None:
                rows.append((cluster, response.score, given))
    rows.sort()  # so that the order of the file does not change a bit
    _, codes = np.unique(np.array([row[0] for row in rows], np.str_), return_inverse=True)
    pairs = np.array([row[1:] for row in rows], dtype=np.float64).reshape(-1, 2)
    # r does not change with the origin, but the sums of squares lose digits far from it.
    x, y = (pairs - pairs.mean(axis=0) if rows else pairs).T
    figure = Pooled(
        name="pearson",
        cells=np.column_stack([np.ones(len(rows)), x, y, x * x, y * y, x * y]),
        cluster=codes,
        n=len(rows),
        of=of,
        convention=CONVENTION,
        missing="no response has a human score and one of the judge",
        statistic=_pearson,
        undefined="the human scores or the judge's are constant",
    )
    return pooled_metrics([figure], seed, rounds, confidence)["pearson"]


def _pearson(sums: Array) -> Array:
    """Returns (r,) from (r, 6) sums of 1, x, y, xx, yy, xy; NaN where a side is constant."""
    n, x, y, xx, yy, xy = sums.T
    across, down = n * xx - x * x, n * yy - y * y  # n squared times the variances
    # What rounding leaves of a constant side is not a variance.
    across = np.where(across > 1e-12 * n * xx, across, 0.0)
    down = np.where(down > 1e-12 * n * yy, down, 0.0)
    return np.clip(divide(n * xy - x * y, np.sqrt(across * down)), -1.0, 1.0)
