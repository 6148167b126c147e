"""The monitors of one iteration: the contents of iter_k/monitors.json."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from results.diversity import Phrase
from results.figures import DECIMALS, NULL, Kind, kind_of
from results.records import Metric, Unscored

# monitor -> (heading, kind, whether a sign is shown), in the order of tables, plots and records;
# those without a kind have that of the anchor metric
MONITORS: dict[str, tuple[str, Kind | None, bool]] = {
    "self_score": ("self-score", "score", False),
    "share_at_top": ("at the top of the scale", "share", False),
    "within_prompt_sd": ("spread within a prompt", "score", False),
    "prompts_tied": ("prompts tied", "share", False),
    "unscored_rate": ("unscored", "share", False),
    "pair_yield": ("pair yield", "share", False),
    "score_gap": ("score gap", "score", True),
    "length_gap": ("length gap", "length", True),
    "chosen_longer": ("chosen is longer", "share", False),
    "candidate_length": ("candidate length", "length", False),
    "unterminated": ("unterminated", "share", False),
    "repeated": ("repeated candidates", "share", False),
    "distinct_1": ("distinct-1", "plain", False),
    "distinct_2": ("distinct-2", "plain", False),
    "shared_phrase": ("most shared phrase", "share", False),
    "shared_sentence": ("most shared sentence", "share", False),
    "grown_phrase": ("most grown phrase", "share", True),
    "output_phrase": ("most grown in outputs", "share", True),
    "prompts_dropped": ("prompts dropped", "share", False),
    "prompt_distinct_2": ("distinct-2 of prompts", "plain", False),
    "judge_tau": ("tau-b with judge before", "correlation", False),
    "judge_inflation": ("inflation over judge before", "score", True),
    "anchored_change": ("anchored change", None, True),
    "self_score_change": ("self-score change", "score", True),
    "anchored_change_before": ("anchored change, same step", None, True),
}


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
    counts single judgments (with adaptive draws the first ones, which every candidate
    got: ``notes`` say so), ``pairs`` and ``prompts`` what became of each prompt; both add up.
    ``phrases`` have one entry a detector; one that found nothing is null. ``categories`` hold
    ``category_metric`` of M_k by prompt category. ``parents``: the iterations that M_k and the one
    before it began with (null: k - 1 and k - 2); what says M_(k-1) is about the first of them.
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
    parents: tuple[int, int] | None = None
    notes: list[str] = Field(default_factory=list)


def common_anchor(found: Iterable[Monitors]) -> str | None:
    """The anchor metric of all of ``found``; null where they have several: no unit is theirs."""
    anchors = {monitors.anchor for monitors in found if monitors.anchor is not None}
    return anchors.pop() if len(anchors) == 1 else None


def is_share(name: str, anchor: str | None) -> bool:
    """Whether a monitor is shown in percent where ``anchor`` is the anchor metric."""
    return _kind(name, anchor) == "share"


def heading(name: str, anchor: str | None) -> str:
    """A monitor's heading where ``anchor`` is the anchor metric."""
    return f"{MONITORS[name][0]} %" if is_share(name, anchor) else MONITORS[name][0]


def shown(metric: Metric, anchor: str | None) -> str:
    """``63.1 [59.0, 67.2]``, shares in percent, differences with their sign; a dash for null."""
    if metric.value is None:
        return NULL
    kind, signed = _kind(metric.name, anchor), MONITORS[metric.name][2]

    def number(value: float) -> str:
        value = round(100 * value if kind == "share" else value, DECIMALS[kind]) + 0.0
        return f"{value:{'+' if signed else ''}.{DECIMALS[kind]}f}"

    if metric.low is None or metric.high is None:
        return number(metric.value)
    return f"{number(metric.value)} [{number(metric.low)}, {number(metric.high)}]"


def _kind(name: str, anchor: str | None) -> Kind:
    return MONITORS[name][1] or kind_of(anchor or "")
