"""Figures from single-answer judgments that lie in a file, as FastChat's ``show_result`` has them.

Ratings are used as they stand: -1 and null are unscored and drop out of every mean.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from benchmarks.mt_bench.figures import (
    Asked,
    Rating,
    category_metrics,
    rating_metrics,
    unscored_metric,
)
from benchmarks.mt_bench.protocol import FAILED, SCALE
from benchmarks.mt_bench.stored_lines import (
    JudgedLine,
    expected_turns,
    is_pairwise,
    judge_name,
    other_questions,
    refuse_again,
)
from judges.parsers.bracket import bracket_rating
from results.errors import SrlmError
from results.lines import numbered_records
from results.records import Unscored
from results.tables import leaderboard_row

NO_RATING = -1  # what FastChat writes where it found none


def _rating(score: float | None) -> float | None:
    if score is None or score == NO_RATING:
        return None
    if not SCALE[0] <= score <= SCALE[1]:
        raise ValueError("a rating is 1 to 10; -1 or null where there is none")
    return score


class SingleJudgment(JudgedLine):
    """A line of FastChat's ``MODEL_single.jsonl``; ``score`` is null where it has no rating."""

    model: str = Field(min_length=1)
    score: Annotated[float | None, AfterValidator(_rating)]
    judgment: str | None = None

    @property
    def rating(self) -> Rating:
        """The line as a rating."""
        return Rating(self.question, self.turn, self.category, self.score)


def rows(judgments: Path, seed: int = 0) -> list[dict[str, Any]]:
    """Returns one leaderboard row for each model (and judge) of a file, best average first.

    Args:
        judgments: FastChat's single-answer judgments, JSON Lines, plain or gzipped.
        seed: of the intervals, which resample questions.

    Returns:
        Rows with ``average``, ``first_turn``, ``second_turn``, ``categories`` (by name) and
        ``unscored`` (a count) as metrics. ``n`` is the number of questions that the model was
        judged on; each metric's ``n`` of ``of`` counts ratings of those there should be.

    Raises:
        SrlmError: the file cannot be read, a line is no such judgment, has a rating off the scale
            or judges an answer again, or the judgments are of pairs.
    """
    if is_pairwise(judgments):
        raise SrlmError(
            f"{judgments}: found judgments of pairs (model_1, g1_winner), expected single-answer "
            "judgments (model, score); read it as pairwise judgments or name the other file"
        )
    models: dict[tuple[str, str], dict[tuple[str, int], SingleJudgment]] = {}
    places: dict[tuple[str, str, str, int], int] = {}
    for number, line in numbered_records(judgments, SingleJudgment):
        place = (line.model, line.judge[0], line.question, line.turn)
        if place in places:
            what = f"{line.model}, question {line.question}, turn {line.turn}"
            refuse_again(judgments, number, what, places[place])
        places[place] = number
        of_model = models.setdefault((line.model, line.judge[0]), {})
        of_model[(line.question, line.turn)] = line
    asked = expected_turns({turn for lines in models.values() for turn in lines})
    found = [
        _row(model, judge, list(lines.values()), asked, seed)
        for (model, judge), lines in models.items()
    ]
    # Without any rating a model comes last; equal averages stand in the order of their names.
    return sorted(found, key=lambda row: (-(row["metrics"]["average"].value or 0), row["model"]))


def _row(
    model: str, judge: str, lines: list[SingleJudgment], asked: Asked, seed: int
) -> dict[str, Any]:
    ratings = [line.rating for line in lines]
    reasons = Counter(_why(line) for line in lines if line.score is None)
    said = [f"{n} unscored: {reason}" for reason, n in sorted(reasons.items())]
    note = "; ".join(filter(None, [other_questions(lines), *said]))
    metrics = {
        **rating_metrics(ratings, asked, seed),
        "categories": category_metrics(ratings, asked, seed),
        "unscored": unscored_metric(reasons.total(), len(lines), len(asked)),
    }
    return leaderboard_row(
        model,
        "mt_bench",
        judge_name("single", judge, lines),
        len({line.question for line in lines}),
        metrics,
        Unscored(n=reasons.total(), of=len(lines), reasons=dict(reasons)),
        note,
        judge_is_judged=model == judge,
    )


def _why(line: SingleJudgment) -> str:
    """Why a line has no rating, as far as its text tells."""
    if line.judgment is None:
        return "not_said"
    if line.judgment in FAILED:
        return "error"
    return bracket_rating(line.judgment, False, SCALE).reason or "not_said"
