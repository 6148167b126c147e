"""Pearson over all responses, against scipy and where it is undefined."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped,unused-ignore]

from judges.correlations import pooled_pearson
from judges.rankings import RankedPrompt, RankedResponse

Scores = dict[tuple[str, str], float | None]


def prompts(*human: list[float | None]) -> list[RankedPrompt]:
    return [
        RankedPrompt(
            id=str(i),
            prompt=f"p{i}",
            responses=[RankedResponse(id=str(k), text="", score=x) for k, x in enumerate(row)],
        )
        for i, row in enumerate(human)
    ]


def test_as_scipy_far_from_the_origin_too() -> None:
    rng = np.random.default_rng(0)
    human = rng.normal(1e6, 1, (20, 5))
    given = human + rng.normal(-2e6, 1, (20, 5))
    scores: Scores = {(str(i), str(k)): given[i, k] for i in range(20) for k in range(5)}
    found = pooled_pearson(prompts(*human.tolist()), scores, rounds=100)
    assert found.value == pytest.approx(stats.pearsonr(human.ravel(), given.ravel()).statistic)
    assert found.low is not None and found.high is not None and found.value is not None
    assert found.low < found.value < found.high
    assert (found.n, found.of) == (100, 100)
    assert found == pooled_pearson(prompts(*human.tolist()), scores, rounds=100)


def test_unscored_responses_are_left_out_and_counted() -> None:
    ranked = prompts([1, 2, None], [3, 5])
    scores: Scores = {("0", "0"): 2, ("0", "1"): None, ("0", "2"): 9, ("1", "0"): 4, ("1", "1"): 4}
    found = pooled_pearson(ranked, scores, rounds=20)
    assert (found.n, found.of) == (3, 4)
    assert found.value == pytest.approx(stats.pearsonr([1, 3, 5], [2, 4, 4]).statistic)


def test_constant_or_nothing_is_null_with_a_reason() -> None:
    ranked = prompts([0.3] * 3, [0.3] * 4)  # sums of 0.3 carry noise
    scores: Scores = {(str(i), str(k)): 0.1 * k for i in range(2) for k in range(4)}
    constant = pooled_pearson(ranked, scores, rounds=20)
    assert (constant.value, constant.n) == (None, 7)
    assert constant.reason == "the human scores or the judge's are constant"
    nothing = pooled_pearson(ranked, {}, rounds=20)
    assert (nothing.value, nothing.n, nothing.of) == (None, 0, 7)
    assert nothing.reason == "no response has a human score and one of the judge"


def test_a_perfect_line_is_exactly_one() -> None:
    scores: Scores = {("0", "0"): 1, ("0", "1"): 2, ("1", "0"): 3}
    found = pooled_pearson(prompts([2, 4], [6]), scores, rounds=20)
    assert found.value == pytest.approx(1.0) and found.value <= 1.0
