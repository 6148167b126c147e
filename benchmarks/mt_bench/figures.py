"""Ratings to figures: average, per turn, per category; all from one value for each rating."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass

from benchmarks.mt_bench.protocol import CATEGORIES, CATEGORY_OF
from results.records import Metric, Value
from results.stats import ratio_metric

Asked = Set[tuple[str, int]]  # (question id, turn) of all that should have a rating
MEAN = "mean rating, 1 to 10, over the answers that have one; intervals resample questions"
CATEGORY = "categories.{}"  # the metric of a category
NO_RATING = "judged answers without a rating, left out of every mean"


@dataclass(frozen=True)
class Rating:
    """What a judge gave the answer to a turn (1 or 2): ``score`` 1 to 10, null without a rating."""

    question_id: str
    turn: int
    category: str | None
    score: float | None


def rating_values(ratings: Sequence[Rating]) -> list[Value]:
    """Returns a value of ``average`` and one of its turn for every rating that has a score."""
    return [
        Value(
            prompt_id=rating.question_id,
            metric=metric,
            num=rating.score,
            cluster=rating.question_id,
            category=rating.category,
        )
        for rating in ratings
        if rating.score is not None
        for metric in ("average", ("first_turn", "second_turn")[rating.turn - 1])
    ]


def rating_metrics(ratings: Sequence[Rating], asked: Asked, seed: int) -> dict[str, Metric]:
    """Returns ``average``, ``first_turn`` and ``second_turn``; ``n`` and ``of`` count answers."""
    values = rating_values(ratings)
    turns = {"average": (1, 2), "first_turn": (1,), "second_turn": (2,)}
    return {
        name: ratio_metric(
            name,
            [value for value in values if value.metric == name],
            sum(turn in of for _, turn in asked),
            MEAN,
            seed,
        )
        for name, of in turns.items()
    }


def category_metrics(ratings: Sequence[Rating], asked: Asked, seed: int) -> dict[str, Metric]:
    """Returns the average of each of MT-Bench's eight categories, over both turns."""
    of = {category: count_asked(asked, category) for category in CATEGORIES}
    return _averages(ratings, of, "{}", seed)


def by_category(ratings: Sequence[Rating], asked: Asked, seed: int) -> dict[str, Metric]:
    """Returns ``categories.NAME`` for each category that the ratings have, in MT-Bench's order."""
    category = {rating.question_id: rating.category for rating in ratings}
    there = {name for name in category.values() if name is not None}
    names = [name for name in CATEGORIES if name in there] + sorted(there - set(CATEGORIES))
    of = {name: sum(category[question] == name for question, _ in asked) for name in names}
    return _averages(ratings, of, CATEGORY, seed)


def _averages(
    ratings: Sequence[Rating], of: Mapping[str, int], key: str, seed: int
) -> dict[str, Metric]:
    """The average of each category in ``of``, which says how many answers it has, under ``key``."""
    values = [value for value in rating_values(ratings) if value.metric == "average"]
    return {
        key.format(category): ratio_metric(
            key.format(category),
            [value for value in values if value.category == category],
            n,
            MEAN,
            seed,
        )
        for category, n in of.items()
    }


def category_values(ratings: Sequence[Rating]) -> list[Value]:
    """Returns a value of its category's average for every rating that has a score."""
    return [
        value.model_copy(update={"metric": CATEGORY.format(value.category)})
        for value in rating_values(ratings)
        if value.metric == "average" and value.category is not None
    ]


def count_asked(asked: Collection[tuple[str, int]], category: str) -> int:
    """Returns how many of ``asked`` are of one of MT-Bench's categories."""
    return sum(CATEGORY_OF.get(question) == category for question, _ in asked)


def unscored_metric(n: int, rows: int, of: int) -> Metric:
    """Returns the count ``n`` of ``rows`` judgments without a verdict, ``of`` expected."""
    return Metric(name="unscored", value=float(n), n=rows, of=of, convention=NO_RATING)


def by_question(values: Sequence[Value]) -> list[Value]:
    """Returns one value for each question and metric: the sums of its turns, for pairing models."""
    found: dict[tuple[str, str], Value] = {}
    for value in values:
        key = (value.prompt_id, value.metric)
        if key in found:
            sums = {"num": found[key].num + value.num, "den": found[key].den + value.den}
            value = found[key].model_copy(update=sums)
        found[key] = value
    return list(found.values())
