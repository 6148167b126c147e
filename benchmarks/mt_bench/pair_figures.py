"""Pairwise verdicts to win rates, with FastChat's rule: the two orders agree, or it is a tie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.mt_bench.protocol import CATEGORIES
from judges.pairwise import Verdict
from results.records import Metric, Value
from results.stats import ratio_metric

_BOTH = "both orders; orders that disagree are a tie; an unscored order drops the pair"
CONVENTIONS = {
    "win_rate": f"share of pairs won, ties not among them; {_BOTH}",
    "loss_rate": f"share of pairs lost, ties not among them; {_BOTH}",
    "win_rate_adjusted": f"share of pairs won, a tie counts half; {_BOTH}",
}
_WORTH: dict[str, dict[Verdict, float]] = {
    "win_rate": {"win": 1.0, "tie": 0.0, "loss": 0.0},
    "loss_rate": {"win": 0.0, "tie": 0.0, "loss": 1.0},
    "win_rate_adjusted": {"win": 1.0, "tie": 0.5, "loss": 0.0},
}


@dataclass(frozen=True)
class Game:
    """A model's answer to a question against an opponent's: ``verdict`` is null where unscored."""

    question_id: str
    category: str | None
    verdict: Verdict | None


def game_values(games: Sequence[Game]) -> list[Value]:
    """Returns a value of each of the three rates for every game that has a verdict."""
    return [
        Value(
            prompt_id=game.question_id,
            metric=name,
            num=worth[game.verdict],
            cluster=game.question_id,
            category=game.category,
        )
        for name, worth in _WORTH.items()
        for game in games
        if game.verdict is not None
    ]


def game_metrics(
    games: Sequence[Game], seed: int, missing: str = "no pair has a verdict"
) -> dict[str, Metric]:
    """Returns the three rates; ``n`` of ``of`` counts games, intervals resample questions."""
    values = game_values(games)
    return {
        name: ratio_metric(
            name,
            [value for value in values if value.metric == name],
            len(games),
            convention,
            seed,
            missing=missing,
        )
        for name, convention in CONVENTIONS.items()
    }


def game_categories(games: Sequence[Game], seed: int) -> dict[str, dict[str, Metric]]:
    """Returns ``win_rate_adjusted`` of each of MT-Bench's eight categories."""
    name = "win_rate_adjusted"
    return {
        category: {
            name: game_metrics([game for game in games if game.category == category], seed)[name]
        }
        for category in CATEGORIES
    }
