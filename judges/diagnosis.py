"""Where a judge fails on human-ranked data: one look at length, scale, draws, gaps, itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from judges.errors_by_kind import (
    WorstPrompt,
    category_figures,
    gap_figures,
    own_figures,
    worst_prompts,
)
from judges.length_bias import length_figures
from judges.pointwise import Key
from judges.ranked_table import Mask, RankedTable, ranked_table
from judges.rankings import RankedPrompt
from judges.score_spread import Bin, Draws, draws_of, histogram, spread_figures
from judges.score_table import ScoreTable, score_table
from results.pooled import Pooled, pooled_metrics
from results.records import Judgment, Metric


class Diagnosis(BaseModel):
    """``categories`` holds the pairwise accuracy by category, empty where the data have none."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    metrics: dict[str, Metric]
    categories: dict[str, Metric]
    histogram: list[Bin]
    worst: list[WorstPrompt]


def diagnose(
    rankings: Sequence[RankedPrompt],
    judgments: ScoreTable | Iterable[Judgment],
    scale: tuple[int, int],
    own: Callable[[Key], bool] | None = None,
    min_scored: int = 1,
    most: int = 10,
    seed: int = 0,
    rounds: int = 2000,
    confidence: float = 0.95,
) -> Diagnosis:
    """Returns where the judge fails. Judgments of responses that ``rankings`` lacks are left out.

    The figures: those of ``judges.length_bias``, ``judges.score_spread`` and
    ``judges.errors_by_kind``; the conventions stand in them.

    Args:
        rankings: the human-ranked prompts, each id once.
        judgments: the judge's draws.
        scale: lowest and highest score of the judge.
        own: whether the judge's own model wrote the response (prompt_id, response_id); without it
            there is no figure on self-preference.
        min_scored: scored draws that a response needs for a mean score.
        most: how many of the worst prompts are named.
        seed: as in ``results.stats``, resampled by prompt text; so ``rounds`` and ``confidence``.
        rounds: see ``seed``.
        confidence: see ``seed``.
    """
    scores = judgments if isinstance(judgments, ScoreTable) else score_table(judgments)
    table = ranked_table(rankings, scores.means(min_scored))
    draws = draws_of(table, scores)
    figures = diagnosis_figures(table, draws, scale, own_rows(table, own) if own else None)
    metrics = pooled_metrics(figures, seed, rounds, confidence)
    # In a dictionary of their own: a category may be called "length_bias".
    parts = category_figures(table, [item.category for item in rankings])
    categories = pooled_metrics(parts, seed, rounds, confidence)
    return Diagnosis(
        metrics=metrics,
        categories={
            category: metric.model_copy(update={"name": "pairwise_accuracy"})
            for category, metric in categories.items()
        },
        histogram=histogram(draws, scale)[0],
        worst=worst_prompts(table, most),
    )


def diagnosis_figures(
    table: RankedTable, draws: Draws, scale: tuple[int, int], own: Mask | None
) -> list[Pooled]:
    """Returns the diagnosis' metrics before their intervals; ``own`` (R,) as in ``own_figures``."""
    return [
        *length_figures(table),
        *spread_figures(table, draws, scale),
        *gap_figures(table),
        *([] if own is None else own_figures(table, own)),
    ]


def own_rows(table: RankedTable, own: Callable[[Key], bool]) -> Mask:
    """Returns (R,): ``own`` of each response of the table."""
    ids = zip(table.prompt.tolist(), table.response_id, strict=True)
    return np.array([own((table.prompt_id[p], response)) for p, response in ids], dtype=np.bool_)
