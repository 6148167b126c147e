"""Win, tie and loss with intervals, the same by category, and length beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.head_to_head.sides import Match
from benchmarks.head_to_head.verdicts import Verdicts
from judges.pairwise import Verdict
from results.records import Metric, Value
from results.stats import ratio_metric

WORTH: dict[str, dict[Verdict, float]] = {
    "win_rate": {"win": 1.0, "tie": 0.5, "loss": 0.0},
    "win_share": {"win": 1.0, "tie": 0.0, "loss": 0.0},
    "tie_share": {"win": 0.0, "tie": 1.0, "loss": 0.0},
    "loss_share": {"win": 0.0, "tie": 0.0, "loss": 1.0},
}
_DROPPED = "prompts without a verdict are left out; intervals resample prompts"
CONVENTIONS = {
    "win_rate": f"share of prompts won, a tie counts half; {_DROPPED}",
    "win_share": f"share of prompts won; {_DROPPED}",
    "tie_share": f"share of prompts tied; {_DROPPED}",
    "loss_share": f"share of prompts lost; {_DROPPED}",
}
_LENGTH = "characters of an answer, mean over the prompts that the side answered"


def verdict_values(matches: Sequence[Match], verdicts: Verdicts) -> list[Value]:
    """A value of each share for every match that has a verdict."""
    return [
        _value(name, match, worth[verdict])
        for name, worth in WORTH.items()
        for match in matches
        if (verdict := verdicts[match.item.id]) is not None
    ]


def contest_metrics(matches: Sequence[Match], verdicts: Verdicts, seed: int) -> dict[str, Any]:
    """The shares of the first side, ``by_category`` (the win rate of each part, where there are
    any), and the lengths of both.
    """
    values = verdict_values(matches, verdicts)
    found: dict[str, Any] = {
        name: _metric(name, [v for v in values if v.metric == name], len(matches), text, seed)
        for name, text in CONVENTIONS.items()
    }
    for name, texts in (
        ("mean_length", [match.first for match in matches]),
        ("baseline_mean_length", [match.second for match in matches]),
    ):
        lengths = [
            _value(name, match, float(len(text)))
            for match, text in zip(matches, texts, strict=True)
            if text is not None
        ]
        found[name] = _metric(name, lengths, len(matches), _LENGTH, seed)
    parts = dict.fromkeys(m.item.category for m in matches if m.item.category is not None)
    if parts:
        found["by_category"] = {
            part: _metric(
                part,
                [v for v in values if v.metric == "win_rate" and v.category == part],
                sum(match.item.category == part for match in matches),
                f"win rate of a part, a tie counts half; {_DROPPED}",
                seed,
            )
            for part in sorted(parts)
        }
    return found


def _metric(name: str, values: Sequence[Value], of: int, convention: str, seed: int) -> Metric:
    return ratio_metric(name, values, of, convention, seed)


def _value(metric: str, match: Match, num: float) -> Value:
    return Value(
        prompt_id=match.item.id,
        metric=metric,
        num=num,
        cluster=match.cluster,
        category=match.item.category,
    )
