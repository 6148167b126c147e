"""Figures from pairwise judgments that lie in a file, as FastChat's ``show_result`` has them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from benchmarks.mt_bench.figures import unscored_metric
from benchmarks.mt_bench.pair_figures import Game, game_categories, game_metrics
from benchmarks.mt_bench.stored_lines import (
    JudgedLine,
    is_pairwise,
    judge_name,
    other_questions,
    refuse_again,
)
from judges.pairwise import Verdict
from results.errors import SrlmError, UsageError
from results.lines import numbered_records
from results.records import Unscored
from results.tables import leaderboard_row
from results.text import excerpt

Winner = Literal["model_1", "model_2", "tie", "error"]


class PairLine(JudgedLine):
    """A line of FastChat's ``MODEL_pair.jsonl``: who won with ``model_1`` shown first (g1), and
    with ``model_2`` shown first (g2); both name the models, not the places.
    """

    model_1: str = Field(min_length=1)
    model_2: str = Field(min_length=1)
    g1_winner: Winner
    g2_winner: Winner

    @model_validator(mode="after")
    def _two_models(self) -> PairLine:
        if self.model_1 == self.model_2:
            raise ValueError(f"{excerpt(self.model_1)} against itself")
        return self

    def verdict(self, model: str) -> Verdict | None:
        """Returns what the line says of one of its models, null where an order failed."""
        if "error" in (self.g1_winner, self.g2_winner):
            return None
        if self.g1_winner != self.g2_winner or self.g1_winner == "tie":
            return "tie"
        winner = self.model_1 if self.g1_winner == "model_1" else self.model_2
        return "win" if winner == model else "loss"


def rows(judgments: Path, seed: int = 0, baseline: str | None = None) -> list[dict[str, Any]]:
    """Returns one leaderboard row for each model (and judge) of a file, best first.

    Args:
        judgments: FastChat's pairwise judgments, JSON Lines, plain or gzipped.
        seed: of the intervals, which resample questions.
        baseline: the opponent: other pairs do not count, and it has no row of its own. Null: each
            model against all its opponents in the file.

    Returns:
        Rows with ``win_rate``, ``loss_rate``, ``win_rate_adjusted``, the last by ``categories``
        too, and ``unscored`` (pairs with an order that failed) as metrics. ``n`` is the number of
        questions; each metric's ``n`` of ``of`` counts pairs.

    Raises:
        SrlmError: the file cannot be read, a line is no such judgment or judges a pair again, or
            the judgments are of single answers.
        UsageError: the file has no model of the baseline's name.
    """
    if not is_pairwise(judgments):
        raise SrlmError(
            f"{judgments}: found single-answer judgments (model, score), expected judgments of "
            "pairs (model_1, g1_winner); read it as single-answer judgments or name the other file"
        )
    lines = _lines(judgments)
    names = {name for line in lines for name in (line.model_1, line.model_2)}
    if baseline is not None and baseline not in names:
        raise UsageError(
            f"{judgments}: found no model {excerpt(baseline)!r}, expected one of "
            f"{excerpt(', '.join(sorted(names)), 200)}; name one of these as baseline"
        )
    against = f"all {len(names)} models" if baseline is None else baseline
    models: dict[tuple[str, str], list[PairLine]] = {}
    for line in lines:
        pair = (line.model_1, line.model_2)
        for model in pair if baseline is None or baseline in pair else ():
            if model != baseline:
                models.setdefault((model, line.judge[0]), []).append(line)
    found = [_row(model, judge, of, against, seed) for (model, judge), of in models.items()]
    # Without any verdict a model comes last; equal rates stand in the order of their names.
    return sorted(
        found, key=lambda row: (-(row["metrics"]["win_rate_adjusted"].value or 0), row["model"])
    )


def _lines(path: Path) -> list[PairLine]:
    """Returns the lines; a pair that was judged again, either way round, is an error."""
    found = []
    places: dict[tuple[frozenset[str], str, str, int], int] = {}
    for number, line in numbered_records(path, PairLine):
        pair = frozenset((line.model_1, line.model_2))
        place = (pair, line.judge[0], line.question, line.turn)
        if place in places:
            what = f"{' and '.join(sorted(pair))}, question {line.question}, turn {line.turn}"
            refuse_again(path, number, what, places[place])
        places[place] = number
        found.append(line)
    return found


def _row(
    model: str, judge: str, lines: Sequence[PairLine], against: str, seed: int
) -> dict[str, Any]:
    games = [Game(line.question, line.category, line.verdict(model)) for line in lines]
    failed = sum(game.verdict is None for game in games)
    note = other_questions(lines)
    metrics = {
        **game_metrics(games, seed),
        "categories": game_categories(games, seed),
        "unscored": unscored_metric(failed, len(lines), len(lines)),
    }
    return leaderboard_row(
        model,
        "mt_bench_pairwise",
        judge_name("pair", judge, lines),
        len({line.question for line in lines}),
        metrics,
        Unscored(n=failed, of=len(lines), reasons={"error": failed} if failed else {}),
        note,
        baseline=against,
        judge_is_judged=model == judge,
    )
