"""Judges built to fail in one way: the diagnosis names that way and no other."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from judges.diagnosis import Diagnosis, diagnose
from judges.rankings import RankedPrompt, RankedResponse
from judges.score_table import score_table
from results.records import Judgment, Metric

Score = Callable[[float, int, np.random.Generator], float]  # human rank, length -> score


def judgment(prompt_id: str, response_id: str, draw: int, score: float | None) -> Judgment:
    return Judgment(
        prompt_id=prompt_id,
        response_id=response_id,
        draw=draw,
        status="unscored" if score is None else "scored",
        score=score,
        reason="no_score" if score is None else None,
        text="",
    )


def prompt(prompt_id: str, ranks: list[int | None], lengths: list[int], **more: Any):
    responses = [
        RankedResponse(id=f"r{i}", text="x" * length, rank=rank)
        for i, (rank, length) in enumerate(zip(ranks, lengths, strict=True))
    ]
    return RankedPrompt(id=prompt_id, prompt=f"Q {prompt_id}", responses=responses, **more)


def built(score: Score, prompts: int = 300) -> Diagnosis:
    """People rank longer answers higher, with ties; the judge scores as ``score`` says."""
    rng = np.random.default_rng(5)
    rankings, judgments = [], []
    for p in range(prompts):
        size = int(rng.choice([2, 3, 4, 6]))
        lengths = [int(n) for n in rng.choice(np.arange(1, 200), size, replace=False)]
        quality = [n / 100 + rng.normal() for n in lengths]
        ranks = [sum(round(2 * q) < round(2 * other) for other in quality) for q in quality]
        rankings.append(prompt(f"p{p}", [*ranks], lengths))
        for i, (rank, length) in enumerate(zip(ranks, lengths, strict=True)):
            judgments.append(judgment(f"p{p}", f"r{i}", 0, score(rank, length, rng)))
    return diagnose(rankings, judgments, (0, 5), rounds=200)


def figure(found: Diagnosis, name: str) -> tuple[float, float, float]:
    metric = found.metrics[name]
    assert metric.value is not None and metric.low is not None and metric.high is not None
    assert metric.low <= metric.value <= metric.high
    return metric.value, metric.low, metric.high


def test_a_judge_of_length_alone() -> None:
    found = built(lambda rank, length, rng: length / 40)
    assert figure(found, "length_bias") == pytest.approx((1, 1, 1))
    assert figure(found, "longer_preferred")[0] == 1.0
    assert 0.55 < figure(found, "longer_preferred_by_humans")[0] < 0.9


def test_a_judge_of_human_rank_and_noise_though_people_like_length() -> None:
    found = built(lambda rank, length, rng: 3 - rank / 2 + rng.normal(), 1000)
    value, low, high = figure(found, "length_bias")
    assert abs(value) < 0.06 and low < 0 < high
    # Without the control it would look biased.
    assert figure(found, "longer_preferred")[1] > 0.55


def test_a_judge_of_shortness_and_one_of_both() -> None:
    assert figure(built(lambda r, length, rng: -length / 40), "length_bias")[0] == pytest.approx(-1)
    both = built(lambda rank, length, rng: 3 - rank / 3 + length / 100 + rng.normal())
    assert 0.1 < figure(both, "length_bias")[1] < 0.9


def test_the_partial_correlation_is_that_of_residuals_on_dummies() -> None:
    """Against least squares on one column per (group size, human mid-rank)."""
    from scipy.stats import rankdata

    rng = np.random.default_rng(3)
    rankings, judgments, rows = [], [], []
    for p in range(60):
        size = int(rng.choice([2, 3, 4]))
        ranks, lengths = rng.integers(0, 3, size), rng.integers(1, 9, size)
        scores = rng.integers(0, 4, size)
        rankings.append(prompt(f"p{p}", ranks.tolist(), lengths.tolist()))
        judgments += [judgment(f"p{p}", f"r{i}", 0, float(s)) for i, s in enumerate(scores)]
        if len(set(scores.tolist())) > 1 and len(set(lengths.tolist())) > 1:
            mid = [(rankdata(side) - (size + 1) / 2) / size for side in (scores, lengths)]
            cells = [(size, h) for h in rankdata(ranks)]
            rows += list(zip(*mid, cells, strict=True))
    names = sorted({cell for *_, cell in rows})
    dummies = np.array([[float(cell == name) for name in names] for *_, cell in rows])
    sides = np.array([row[:2] for row in rows])
    left = sides - dummies @ np.linalg.lstsq(dummies, sides, rcond=None)[0]
    expected = np.corrcoef(left.T)[0, 1]
    found = diagnose(rankings, judgments, (0, 5), rounds=50).metrics["length_bias"]
    assert found.value == pytest.approx(expected, abs=1e-9)


def small() -> tuple[list[RankedPrompt], list[Judgment]]:
    rankings = [
        prompt("a", [0, 1, 3], [10, 20, 30], category="maths"),
        prompt("b", [0, 5, 5], [9, 9, 9], category="poems"),
        prompt("c", [0, 1, None], [1, 2, 3]),
    ]
    scores: dict[str, list[list[float | None]]] = {
        "a": [[5, 5], [1, 3], [4, 4]],  # means 5 2 4
        "b": [[3, 3], [3, None], [1, 1]],  # means 3 3 1
        "c": [[1, 1], [2, 2], [5, 4]],
    }
    judgments = [
        judgment(p, f"r{i}", draw, score)
        for p, rows in scores.items()
        for i, row in enumerate(rows)
        for draw, score in enumerate(row)
    ]
    return rankings, [*judgments, judgment("unknown", "r0", 0, 5)]


def check(metric: Metric, value: float | None, n: int, of: int) -> None:
    assert metric.value == (None if value is None else pytest.approx(value, abs=1e-12))
    assert (metric.n, metric.of) == (n, of)


def test_by_hand() -> None:
    rankings, judgments = small()
    found = diagnose(rankings, judgments, (0, 5), own=lambda key: key[1] == "r1", rounds=50)
    metrics = found.metrics
    # a: 0-1 right, 1-2 wrong (gap one place though three ranks), 0-2 right (two places);
    # b: 0-1 tied, 0-2 right, both one place; c: wrong.
    check(metrics["pairwise_accuracy_gap_1"], 2 / 5, 5, 5)
    check(metrics["pairwise_accuracy_gap_2"], 1.0, 1, 1)
    check(metrics["pairwise_accuracy_gap_3_or_more"], None, 0, 0)
    check(found.categories["maths"], 2 / 3, 3, 3)
    check(found.categories["poems"], 1 / 2, 2, 2)
    assert list(found.categories) == ["maths", "poems"]
    assert found.categories["maths"].name == "pairwise_accuracy"
    # Lengths differ in a and c: longer preferred by the judge in 1-2 of a and in c.
    check(metrics["longer_preferred"], 2 / 4, 4, 6)
    check(metrics["longer_preferred_by_humans"], 0.0, 4, 6)
    # Draws: a 5 5 1 3 4 4, b 3 3 3 1 1, c 1 1 2 2 5 4.
    counts = {1: 5, 2: 2, 3: 4, 4: 3, 5: 3}
    assert [(b.low, b.high, b.n) for b in found.histogram] == [(k, k, n) for k, n in counts.items()]
    bits = -sum(n / 17 * math.log2(n / 17) for n in counts.values())
    check(metrics["score_entropy"], bits, 17, 18)
    check(metrics["share_at_top"], 1 / 9, 9, 9)
    check(metrics["self_consistency"], 6 / 8, 8, 9)
    check(metrics["draw_sd"], math.sqrt((2 + 0.5) / 8), 8, 9)
    # Own r1: a against r0 (worse to people, lost: right), r2 (better, lost: wrong);
    # b against r0 (worse, tied: half), r2 (people tie, won); c against r0 (worse, won: wrong).
    check(metrics["self_preference"], 0 / 1 - 1.5 / 3, 4, 5)
    check(metrics["own_preferred"], (0 + 0 + 0.5 + 1 + 1) / 5, 5, 5)
    check(metrics["own_preferred_by_humans"], 1.5 / 5, 5, 5)
    assert [(w.prompt_id, w.pairs, w.reversed, w.tied, w.margin) for w in found.worst] == [
        ("c", 1, 1, 0, 1.0),
        ("a", 3, 1, 0, 2 / 3),
    ]
    assert (found.worst[1].human_best, found.worst[1].judge_best) == ("r0", "r0")
    assert (found.worst[0].human_best, found.worst[0].judge_best) == ("r0", "r1")


def test_the_same_from_a_table_and_as_json() -> None:
    rankings, judgments = small()
    found = diagnose(rankings, judgments, (0, 5), rounds=50)
    assert found == diagnose(rankings, score_table(judgments), (0, 5), rounds=50)
    assert "self_preference" not in found.metrics
    assert Diagnosis.model_validate(json.loads(found.model_dump_json())) == found


def test_nothing_to_see() -> None:
    silent = [prompt("a", [0, 1], [1, 2])]
    for rankings, judgments in itertools.product(
        [[], silent, [prompt("a", [], [])], [prompt("a", [None], [3])]],
        [[], [judgment("a", "r0", 0, None)], [judgment("a", "r0", 0, 2.0)]],
    ):
        found = diagnose(rankings, judgments, (0, 5), own=lambda key: True, rounds=20)
        for name, metric in found.metrics.items():
            assert (metric.value is None) == (metric.reason not in (None, NO_INTERVAL)), name
        assert found.metrics["length_bias"].value is None
        assert found.worst == []


NO_INTERVAL = "fewer than two different prompts have a usable value"


def test_one_score_for_all_has_no_entropy() -> None:
    rankings = [prompt(f"p{i}", [0, 1], [1, 2]) for i in range(5)]
    flat = [judgment(f"p{i}", f"r{r}", d, 0.1) for i in range(5) for r in (0, 1) for d in range(3)]
    metrics = diagnose(rankings, flat, (0, 5), rounds=50).metrics
    assert (metrics["score_entropy"].value, metrics["score_entropy"].high) == (0.0, 0.0)
    assert (metrics["self_consistency"].value, metrics["draw_sd"].value) == (1.0, 0.0)
    assert metrics["length_bias"].value is None


def test_many_different_scores_are_binned() -> None:
    rankings = [prompt(f"p{i}", [0, 1], [1, 2]) for i in range(40)]
    scores = np.linspace(-1, 5, 80).tolist()
    judgments = [judgment(f"p{i // 2}", f"r{i % 2}", 0, s) for i, s in enumerate(scores)]
    bins = diagnose(rankings, judgments, (0, 5), rounds=20).histogram
    assert [(b.low, b.high) for b in bins] == [(i / 4, (i + 1) / 4) for i in range(20)]
    assert sum(b.n for b in bins) == 80
    assert bins[0].n == sum(s < 0.25 for s in scores)  # what is off the scale is in the end bins
    assert bins[-1].n == sum(s >= 4.75 for s in scores)


def test_a_judge_that_prefers_its_own() -> None:
    rng = np.random.default_rng(1)
    rankings = [prompt(f"p{i}", rng.permutation(2).tolist(), [5, 5]) for i in range(400)]

    def measured(bonus: float) -> Metric:
        judgments = [
            judgment(r.id, x.id, 0, 3 - (x.rank or 0) + bonus * (x.id == "r0") + rng.normal())
            for r in rankings
            for x in r.responses
        ]
        own = lambda key: key[1] == "r0"  # noqa: E731
        return diagnose(rankings, judgments, (0, 5), own, rounds=200).metrics["self_preference"]

    fair, vain = measured(0), measured(1)
    assert fair.value is not None and vain.low is not None
    assert abs(fair.value) < 0.12  # standard error 0.04
    assert vain.low > 0.2
