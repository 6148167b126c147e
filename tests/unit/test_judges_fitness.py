"""Fit to judge or not, and what is said about it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest
from pydantic import ValidationError

from judges.agreement import agreement_values
from judges.fitness import Fitness, pairwise_fitness, ranked_fitness
from judges.fitness_checks import Criterion
from judges.labels import Label, LabelledPair
from judges.pointwise import Key
from judges.rankings import RankedPrompt, RankedResponse
from judges.rivals import (
    length_scores,
    length_verdicts,
    random_scores,
    random_values,
    random_verdicts,
)
from results.records import Metric, PairJudgment, Unscored, Value
from results.stats import ratio_metric

Scorer = Callable[[RankedResponse], float | None]
CALLS = Unscored(n=0, of=300)
EASY = Criterion()


def rankings(prompts: int, longer_is_better: float = 0.5, seed: int = 0) -> list[RankedPrompt]:
    """Three responses a prompt; with the given probability the order is that of length."""
    rng = random.Random(seed)
    found = []
    for i in range(prompts):
        lengths = rng.sample(range(1, 100), 3)
        if rng.random() < longer_is_better:
            lengths.sort(reverse=True)
        responses = [
            RankedResponse(id=f"r{rank}", text="x" * length, rank=rank)
            for rank, length in enumerate(lengths)
        ]
        found.append(RankedPrompt(id=f"p{i}", prompt=f"text {i}", responses=responses))
    return found


def judge(data: Sequence[RankedPrompt], score: Scorer) -> dict[Key, float | None]:
    return {(p.id, r.id): score(r) for p in data for r in p.responses}


def people(response: RankedResponse) -> float:
    return 5.0 - (response.rank or 0)


def fitness(data: Sequence[RankedPrompt], score: Scorer, criterion: Criterion = EASY,
            unscored: Unscored = CALLS) -> Fitness:  # fmt: skip
    return ranked_fitness(criterion, data, judge(data, score), unscored, rounds=300)


def failed(found: Fitness) -> list[str]:
    return [check.name for check in found.checks if check.required and not check.passed]


def test_a_perfect_judge_is_fit() -> None:
    found = fitness(rankings(60), people, Criterion(min_accuracy=0.9))
    assert found.fit and failed(found) == []
    assert found.verdict == "fit to judge"
    assert (found.advice, found.prompts_needed, found.for_want_of_data) == ([], None, False)
    assert (found.accuracy.value, found.accuracy.n, found.accuracy.of) == (1.0, 180, 180)
    assert [check.name for check in found.checks] == [
        "unscored", "prompts", "level", "length", "random"]  # fmt: skip
    assert Fitness.model_validate_json(found.model_dump_json()) == found


def test_a_guessing_judge_is_not() -> None:
    data = rankings(300)
    found = ranked_fitness(EASY, data, random_scores(data, 1), CALLS, rounds=300)
    assert not found.fit
    assert {"level", "random"} <= set(failed(found))
    assert "its lower bound must reach 0.5" in found.verdict


def test_length_alone_is_not_judging() -> None:
    data = rankings(200, longer_is_better=0.8)
    found = fitness(data, lambda r: float(len(r.text)))
    assert failed(found) == ["length"]  # it reaches the level and beats guessing
    assert not found.fit and not found.for_want_of_data
    assert "length is no merit" in found.advice[0]
    shown = fitness(data, lambda r: float(len(r.text)), Criterion(beat_length=False))
    assert shown.fit
    assert next(c.reason for c in shown.checks if c.name == "length").endswith("not required)")


def test_too_little_data_is_no_fitness_and_says_how_much_would_do() -> None:
    few = fitness(rankings(8), people)
    assert not few.fit and few.for_want_of_data
    assert failed(few) == ["prompts"]
    assert few.prompts_needed == 30
    assert "8 prompts with a usable pair" in few.verdict and "30 prompts" in few.advice[0]


def test_a_wide_interval_asks_for_more_prompts_and_these_do() -> None:
    data = rankings(400, longer_is_better=0.0)
    good = {p.id for i, p in enumerate(data) if i % 50 < 29}  # right on 58 %, upside down elsewhere
    scores = {
        key: score if key[0] in good else -score  # type: ignore[operator]
        for key, score in judge(data, people).items()
    }
    level = Criterion(beat_length=False, beat_random=False)
    small = ranked_fitness(level, data[:100], scores, CALLS, rounds=300)
    assert failed(small) == ["level"] and small.for_want_of_data
    # (0.097 / 0.08)^2 times as many, by the normal interval of 58 in 100.
    assert small.prompts_needed == pytest.approx(147, abs=25)
    assert "for want of data" in small.verdict and "instead of 100" in small.advice[0]
    assert ranked_fitness(level, data, scores, CALLS, rounds=300).fit
    # A lead of a tenth of its uncertainty promises nothing.
    weak = ranked_fitness(Criterion(min_accuracy=0.57), data[:100], scores, CALLS, rounds=300)
    assert not weak.for_want_of_data and weak.prompts_needed is None


def test_no_usable_pair_is_want_of_data() -> None:
    found = fitness([], people)
    assert not found.fit and found.accuracy.value is None
    assert found.prompts_needed == 30


def test_rivals_are_measured_on_the_pairs_that_the_judge_scored() -> None:
    """The judge scores only where length is right: there length is as good as it."""
    data = rankings(80)
    sorted_by_length = {
        p.id for p in data if [len(r.text) for r in p.responses] ==
        sorted((len(r.text) for r in p.responses), reverse=True)}  # fmt: skip
    scores = {
        key: score if key[0] in sorted_by_length else None
        for key, score in judge(data, people).items()
    }
    check = ranked_fitness(EASY, data, scores, CALLS, rounds=100).checks[3]
    assert (check.name, check.value, check.passed) == ("length", 0.0, False)
    # And not on the pairs of responses that it left out.
    holes: Scorer = lambda r: None if r.rank == 1 else people(r)  # noqa: E731
    found = fitness(data, holes)
    assert (found.accuracy.n, found.accuracy.of) == (80, 240)
    lengths = {k: v for k, v in length_scores(data).items() if k[1] != "r1"}
    alone = agreement_values(data, lengths, (0, 5))["pairwise_accuracy"].values
    assert found.checks[3].value == pytest.approx(1 - sum(v.num for v in alone) / 80)


def test_another_spec_that_is_surely_better_is_to_be_used() -> None:
    rng = random.Random(2)
    data = rankings(60, longer_is_better=0.0)
    noisy = judge(data, lambda r: people(r) + rng.gauss(0, 1))
    found = ranked_fitness(EASY, data, noisy, CALLS, ("additive5", judge(data, people)), rounds=100)
    assert failed(found) == ["other"]
    assert found.advice[0].startswith("use additive5")
    other_way = ("noisy", noisy)
    assert ranked_fitness(EASY, data, judge(data, people), CALLS, other_way, rounds=100).fit
    lenient = Criterion(yield_to_other=False)
    better = ("additive5", judge(data, people))
    assert ranked_fitness(lenient, data, noisy, CALLS, better, rounds=100).fit


@pytest.mark.parametrize(
    "reason, said",
    [
        ("length", "raise decoding.max_tokens"),
        ("no_score", "show the wanted last line"),
        ("out_of_range", "another scale"),
        ("something of a plug-in", "show the wanted last line"),
    ],
)
def test_many_unscored_calls(reason: str, said: str) -> None:
    unscored = Unscored(n=90, of=300, reasons={reason: 80, "error": 10})
    found = fitness(rankings(60), people, unscored=unscored)
    assert failed(found) == ["unscored"]
    assert said in found.advice[0] and "80 of 90" in found.advice[0]
    assert fitness(rankings(60), people, Criterion(max_unscored=0.3), unscored).fit


def test_scores_that_pile_up_and_ties() -> None:
    data = rankings(100)
    piled = fitness(data, lambda r: 5.0 if (r.rank or 0) < 2 else 1.0, Criterion(min_accuracy=0.8))
    assert any(said.startswith("67% of its scores are 5") for said in piled.advice)
    rng = random.Random(3)
    tied = fitness(data, lambda r: float(rng.randrange(3)), EASY)
    assert any("ties 3" in said for said in tied.advice)


def test_a_judge_upside_down() -> None:
    found = fitness(rankings(100), lambda r: -people(r))
    assert not found.for_want_of_data
    assert "rank 0 is the best" in found.advice[0]


@dataclass(frozen=True)
class Alt:
    omega: float | None
    rho: float | None = 0.7
    epsilon: float = 0.2
    n: int = 8
    of: int = 9


def test_the_alternative_annotator_test_decides_where_there_is_one() -> None:
    data = rankings(60)
    guesses = random_scores(data, 1)
    for omega, fit in [(0.5, True), (0.49, False), (None, False)]:
        found = ranked_fitness(EASY, data, guesses, CALLS, alt=Alt(omega), rounds=100)
        assert found.fit == fit
        check = found.checks[2]
        assert (check.name, check.value, check.n, check.of) == ("alt_test", omega, 8, 9)
    assert "no annotator could be tested" in found.verdict
    assert ranked_fitness(Criterion(min_omega=0.4), data, guesses, CALLS, alt=Alt(0.49)).fit


def test_the_criterion_is_strict_about_itself() -> None:
    for wrong in ({"min_accuracy": 1.2}, {"alpha": 0}, {"min_prompts": 1}, {"beat_lenght": True}):
        with pytest.raises(ValidationError):
            Criterion.model_validate(wrong)


def pairs(number: int) -> list[LabelledPair]:
    """The first is better and, in three of four, the shorter."""
    return [
        LabelledPair(id=f"p{i}", prompt=f"text {i}", first="x" * (9 if i % 4 == 0 else 3),
                     second="y" * 6, labels=(Label(label="first"),))
        for i in range(number)
    ]  # fmt: skip


def accuracy(judgments: Sequence[PairJudgment]) -> tuple[dict[str, Metric], list[Value]]:
    """Of verdicts on ``pairs``, as a share of each pair's draws."""
    draws: dict[str, list[bool]] = {}
    for judgment in judgments:
        draws.setdefault(judgment.prompt_id, []).append(judgment.verdict == "first")
    values = [
        Value(prompt_id=i, metric="accuracy", num=sum(v) / len(v), cluster=i)
        for i, v in draws.items()
    ]
    other = [value.model_copy(update={"metric": "consistency"}) for value in values]
    return {"accuracy": ratio_metric("accuracy", values, len(values), "")}, values + other


def test_pairwise_judges() -> None:
    data = pairs(80)
    right = [PairJudgment(prompt_id=p.id, order="AB", status="scored", verdict="first")
             for p in data]  # fmt: skip
    longer, guesses = length_verdicts(data), random_verdicts(data, 0)
    assert [v.verdict for v in longer[:3]] == ["first", "second", "second"]
    assert accuracy(longer)[0]["accuracy"].value == 0.25
    assert accuracy(guesses)[0]["accuracy"].value == pytest.approx(0.5, abs=0.05)
    fit = pairwise_fitness(EASY, data, right, accuracy, CALLS, ("longer", longer))
    assert fit.fit
    assert {c.name: c.value for c in fit.checks if c.low is not None} == pytest.approx(
        {"level": 1.0, "length": 0.75, "random": 0.5, "other": 0.75}, abs=0.05
    )
    assert not pairwise_fitness(EASY, data, longer, accuracy, CALLS, ("right", right)).fit


def test_judges_that_read_nothing() -> None:
    data = rankings(400)
    assert random_scores(data, 1) == dict(reversed(random_scores(data[::-1], 1).items()))
    assert random_scores(data, 1) != random_scores(data, 2)
    drawn = agreement_values(data, random_scores(data, 1), (0, 1))["pairwise_accuracy"].values
    mean = random_values(drawn)
    assert sum(v.num for v in drawn) / 1200 == pytest.approx(0.5, abs=0.04)
    assert {(v.num, v.den) for v in mean} == {(1.5, 3.0)}
    tie = LabelledPair(id="a", prompt="", first="x", second="y", labels=(Label(label="tie"),))
    assert length_verdicts([tie])[0].verdict == "tie"
