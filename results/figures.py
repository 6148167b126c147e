"""How a metric is shown: its heading, its unit, its number of decimals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import BaseModel

Kind = Literal["share", "score", "length", "correlation", "count", "plain"]

NULL = "\N{EN DASH}"

# metric -> (heading, kind). Shares are fractions in the data and percent in a table.
METRICS: dict[str, tuple[str, Kind]] = {
    "rank": ("rank", "count"),
    "win_rate": ("win rate", "share"),
    "standard_error": ("standard error", "share"),
    "lc_win_rate": ("LC win rate", "share"),
    "lc_standard_error": ("LC standard error", "share"),
    "discrete_win_rate": ("discrete win rate", "share"),
    "n_wins": ("wins", "count"),
    "n_wins_base": ("wins of baseline", "count"),
    "n_draws": ("draws", "count"),
    "n_total": ("total", "count"),
    "offset": ("offset", "share"),
    "win_rate_before": ("win rate before", "share"),
    "win_rate_after": ("win rate after", "share"),
    "model_kendall_tau": ("Kendall tau-b of models", "correlation"),
    "oracle_score": ("oracle score", "score"),
    "relevant": ("relevant", "share"),
    "substantial": ("substantial", "share"),
    "correct": ("correct", "share"),
    "clear": ("clear", "share"),
    "concise": ("concise", "share"),
    "mean_length": ("mean length", "length"),
    "avg_length": ("avg length", "count"),
    "unscored_rate": ("unscored", "share"),
    "refusal": ("refusal", "share"),
    "over_refusal": ("over-refusal", "share"),
    "hhh_accuracy": ("HHH accuracy", "share"),
    "average": ("average", "score"),
    "first_turn": ("first turn", "score"),
    "second_turn": ("second turn", "score"),
    "unscored": ("unscored", "count"),
    "loss_rate": ("loss rate", "share"),
    "win_rate_adjusted": ("win rate, ties half", "share"),
    "win_share": ("won", "share"),
    "tie_share": ("tied", "share"),
    "loss_share": ("lost", "share"),
    "baseline_mean_length": ("mean length of baseline", "length"),
    "opposed": ("opposed", "share"),
    "lean": ("lean", "share"),
    "pairwise_accuracy": ("pairwise accuracy", "share"),
    "pairwise_accuracy_half_ties": ("pairwise accuracy, half ties", "share"),
    "five_best": ("5-best", "share"),
    "exact_match": ("exact match", "share"),
    "spearman": ("Spearman", "correlation"),
    "kendall_tau": ("Kendall tau-b", "correlation"),
    "pairwise_accuracy_gap_1": ("pairwise accuracy, one place apart", "share"),
    "pairwise_accuracy_gap_2": ("pairwise accuracy, two places apart", "share"),
    "pairwise_accuracy_gap_3_or_more": ("pairwise accuracy, three or more places apart", "share"),
    "length_bias": ("length bias", "correlation"),
    "longer_preferred": ("prefers the longer", "share"),
    "longer_preferred_by_humans": ("humans prefer the longer", "share"),
    "score_entropy": ("score entropy, bits", "score"),
    "share_at_top": ("at the top of the scale", "share"),
    "self_consistency": ("draws alike", "share"),
    "draw_sd": ("spread of draws", "score"),
    "self_preference": ("self-preference", "share"),
    "own_preferred": ("prefers its own", "share"),
    "own_preferred_by_humans": ("humans prefer its own", "share"),
    "accuracy": ("accuracy", "share"),
    "accuracy_scored_only": ("accuracy, scored only", "share"),
    "accuracy_without_ties": ("accuracy, without ties", "share"),
    "consistency": ("consistency", "share"),
    "agreement": ("agreement", "share"),
    "cohen_kappa": ("Cohen's kappa", "correlation"),
    "position_bias": ("position bias", "share"),
    "macro_precision": ("macro precision", "share"),
    "macro_recall": ("macro recall", "share"),
    "macro_f1": ("macro F1", "share"),
    "human_agreement": ("human agreement", "share"),
    "human_agreement_without_ties": ("human agreement, without ties", "share"),
    "pearson": ("Pearson", "correlation"),
    "arc_easy": ("ARC-Easy", "share"),
    "arc_challenge": ("ARC-Challenge", "share"),
    "hellaswag": ("HellaSwag", "share"),
    "siqa": ("SIQA", "share"),
    "piqa": ("PIQA", "share"),
    "gsm8k": ("GSM8K", "share"),
    "mmlu": ("MMLU", "share"),
    "obqa": ("OpenBookQA", "share"),
    "nq": ("Natural Questions", "share"),
    "truthfulqa": ("TruthfulQA", "share"),
    "toxigen": ("ToxiGen", "share"),
    "bbq": ("BBQ", "share"),
    "mmlu_stem": ("MMLU STEM", "share"),
    "mmlu_logic": ("MMLU logic", "share"),
}
# Of these a rise is no gain: "everything of a benchmark" in a gate rule leaves them out.
NO_GAIN = frozenset({
    "mean_length", "avg_length", "baseline_mean_length", "unscored_rate", "unscored",
    "over_refusal", "loss_rate", "loss_share", "tie_share", "opposed", "lean", "length_bias",
    "longer_preferred", "longer_preferred_by_humans", "position_bias", "draw_sd", "share_at_top",
    "self_preference", "own_preferred", "own_preferred_by_humans",
})  # fmt: skip
# Metrics that come in groups ("categories.writing"): the kind of all in a group.
GROUPS: dict[str, Kind] = {
    "datasets": "share",
    "categories": "score",
    "by_category": "share",
    "offsets": "share",
}
DECIMALS: dict[Kind, int] = {
    "share": 1,
    "score": 2,
    "length": 1,
    "correlation": 2,
    "count": 0,
    "plain": 3,
}


def kind_of(name: str) -> Kind:
    """Returns the kind of metric ``name``, ``plain`` when we do not know it."""
    return _known(name)[1]


def rise_is_gain(name: str) -> bool:
    """Whether more of a metric is better, as far as we know: also of one in a group, or of a
    benchmark beside the main one.
    """
    return name.rpartition(".")[2] not in NO_GAIN


def heading(name: str) -> str:
    """Returns a metric's heading, its own name when we do not know it; shares say percent."""
    text, kind = _known(name)
    return f"{text} %" if kind == "share" else text


def _known(name: str) -> tuple[str, Kind]:
    """(heading, kind) of a metric; one in a group is called by its part ("writing"), or by its own
    heading and the part where a part has several ("categories.writing.win_rate").
    """
    group, dot, rest = name.partition(".")
    if dot and group in GROUPS:
        part, several, own = rest.partition(".")
        if several and own in METRICS:
            return f"{METRICS[own][0]}, {part}", METRICS[own][1]
        if group == "datasets":  # a task is called alike wherever it stands
            return METRICS.get(rest, (rest, GROUPS[group]))
        return rest, GROUPS[group]
    if dot and name not in METRICS and kind_of(rest) != "plain":
        title, kind = _known(rest)
        return f"{title} ({group})", kind  # of a benchmark beside the main one
    return METRICS.get(name, (name, "plain"))


def number(name: str, value: float | None) -> str:
    """Returns one number of metric ``name`` in its table unit; a dash for null."""
    if value is None:
        return NULL
    kind = kind_of(name)
    if kind == "plain" and isinstance(value, int):
        return str(value)
    # "+ 0.0" turns a rounded -0.0 into 0.0.
    return f"{round(table_value(name, value), DECIMALS[kind]) + 0.0:.{DECIMALS[kind]}f}"


def table_value(name: str, value: float) -> float:
    """Returns ``value`` in the unit of a table: shares times 100, else as it is."""
    return 100 * value if kind_of(name) == "share" else value


def cell(name: str, metric: Mapping[str, Any] | None) -> str:
    """Returns ``63.1 [59.0, 67.2]``; with ``355/360`` behind it when the coverage is not full."""
    if metric is None or metric.get("value") is None:
        return NULL
    text = number(name, metric["value"])
    if metric.get("low") is not None and metric.get("high") is not None:
        text += f" [{number(name, metric['low'])}, {number(name, metric['high'])}]"
    n, of = metric.get("n"), metric.get("of")
    if n is not None and of is not None and n != of:
        text += f" {n}/{of}"
    return text


def figures(metrics: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields (name, metric) for every figure of a row.

    A bare number or null becomes a metric without interval; a group of figures (MT-Bench's
    categories) is entered: ``categories.writing``. Anything else is no figure and left out.
    """
    for name, value in metrics.items():
        key = f"{prefix}{name}"
        if isinstance(value, BaseModel):
            yield key, value.model_dump()
        elif isinstance(value, Mapping):
            # A part of a group may be called "value"; then it is a metric itself, no number.
            if "value" in value and not isinstance(value["value"], BaseModel | Mapping):
                yield key, dict(value)
            else:
                yield from figures(value, f"{key}.")
        elif value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
            yield key, {"value": value}
