"""The figures of a model that was asked and judged here, and the values behind them."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.alpaca_eval2.annotations import Annotations
from benchmarks.alpaca_eval2.annotator import Judged
from benchmarks.alpaca_eval2.official import place
from benchmarks.alpaca_eval2.outputs import Item
from benchmarks.alpaca_eval2.stored import LengthControl, length_controlled
from benchmarks.alpaca_eval2.win_rate import (
    DROPPED,
    average_length,
    discrete,
    no_shares,
    preferences,
    win_rates,
)
from judges.pointwise import cluster_of
from results.records import Metric, Value
from results.stats import ratio_metric

_UPSTREAM = (
    "win_rate",
    "standard_error",
    "discrete_win_rate",
    "n_wins",
    "n_wins_base",
    "n_draws",
    "n_total",
    "lc_win_rate",
    "lc_standard_error",
    "avg_length",
)
_OURS = {
    "mean_length": "characters of an output, mean over those that are there",
    "unscored_rate": "share of the prompts without a preference",
}
_PART = "datasets.{}"  # as the stored figures call them


def metric_names(parts: Sequence[str]) -> list[str]:
    """Returns the names of all figures of a set with these parts, in their order."""
    return [*_UPSTREAM, *_OURS, *map(_PART.format, parts)]


def figures(
    found: Annotations,
    judged: Judged,
    items: Sequence[Item],
    parts: Sequence[str],
    control: LengthControl,
    seed: int,
) -> tuple[dict[str, Metric], list[Value]]:
    """Returns the metrics of ``metric_names``, and a value for each prompt of those that are means.

    Where the judge gave verdicts alone, what a mean of preferences would say is null: no figure
    holds verdicts under the name of preferences. The length-controlled win rate has no values: it
    is no mean over prompts that could be resampled with its coefficients held.

    Args:
        found: the rows that have an output.
        judged: a judgment for each of ``items``.
        items: the prompts that were asked.
        parts: of the whole set, by name.
        control: of length.
        seed: of the intervals.
    """
    of = len(items)
    shares = preferences(found)
    metrics = win_rates(found, of, seed)
    if judged.discrete:
        for name in ("win_rate", "standard_error", "lc_win_rate", "lc_standard_error"):
            metrics[name] = no_shares(name, len(shares), of)
    else:
        official = all(place(item.instruction) is not None for item in items)
        metrics |= length_controlled(found, of, official, control, seed)
    metrics["avg_length"] = average_length([row.output_2 for row in found.rows], of)
    values = prompt_values(found, judged, items, parts)
    for name, said in _OURS.items():
        theirs = [value for value in values if value.metric == name]
        metrics[name] = ratio_metric(name, theirs, of, said, seed)
    for part in parts:
        name = _PART.format(part)
        theirs = _of_part(shares, part)
        n = sum(item.dataset == part for item in items)
        metrics[name] = (
            no_shares(name, len(theirs), n)
            if judged.discrete
            else ratio_metric(name, theirs, n, f"win rate on a part of the set; {DROPPED}", seed)
        )
    return {name: metrics[name] for name in metric_names(parts)}, values


def prompt_values(
    found: Annotations, judged: Judged, items: Sequence[Item], parts: Sequence[str]
) -> list[Value]:
    """Returns a value for each prompt of every figure that is a mean over them; as ``figures``."""
    shares = preferences(found)
    by_part = [value for part in parts for value in _of_part(shares, part)]
    weighted = [] if judged.discrete else [*shares, *by_part]
    return [*map(_by_id, weighted + discrete(shares)), *_others(found, judged, items)]


def _of_part(shares: Sequence[Value], part: str) -> list[Value]:
    name = _PART.format(part)
    return [v.model_copy(update={"metric": name}) for v in shares if v.category == part]


def _others(found: Annotations, judged: Judged, items: Sequence[Item]) -> list[Value]:
    """A value of ``mean_length`` for every output, of ``unscored_rate`` for every prompt."""
    values = [
        _value("mean_length", cluster_of(row.instruction), float(len(row.output_2)), row.dataset)
        for row in found.rows
    ]
    for item, judgment in zip(items, judged.judgments, strict=True):
        missing = float(judgment.status == "unscored")
        values.append(_value("unscored_rate", item.id, missing, item.dataset))
    return values


def _value(metric: str, prompt: str, num: float, part: str | None) -> Value:
    return Value(prompt_id=prompt, metric=metric, num=num, cluster=prompt, category=part)


def _by_id(value: Value) -> Value:
    """Stored rows know a prompt by its text; records here by its id."""
    prompt = cluster_of(value.prompt_id)
    return value.model_copy(update={"prompt_id": prompt, "cluster": prompt})
