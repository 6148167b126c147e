"""The monitors of one iteration: the contents of iter_k/monitors.json."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from results.diversity import Phrase
from results.records import Metric, Unscored


class Bar(BaseModel):
    """``n`` scores from ``low`` to below ``high``; the last bar holds the top of the scale."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    low: float
    high: float
    n: int


class Monitors(BaseModel):
    """How iteration ``k`` went, beyond its gate: M_(k-1) answered and judged, M_k came of it.

    ``metrics`` by name, their meaning in each one's convention. ``by_candidate`` and ``by_draw``
    are histograms over the judge's ``scale`` of mean scores and of single judgments. ``unscored``
    counts single judgments, ``pairs`` and ``prompts`` what became of each prompt; both add up.
    ``phrases`` have one entry a detector; one that found nothing is null. ``categories`` hold
    ``category_metric`` of M_k by prompt category.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    v: Literal[1] = 1
    model: str
    k: int
    benchmark: str | None
    anchor: str | None
    scale: tuple[int, int]
    metrics: dict[str, Metric]
    by_candidate: list[Bar]
    by_draw: list[Bar]
    unscored: Unscored
    pairs: dict[str, int]
    prompts: dict[str, int]
    phrases: dict[str, Phrase | None]
    category_metric: str | None = None
    categories: dict[str, Metric] = Field(default_factory=dict)
    notes: list[str] = Field(default_factory=list)
