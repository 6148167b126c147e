"""Monitors of self-scores, pairs and the judge before: small cases worked out by hand."""

from __future__ import annotations

import pytest

from judges.judging import unscored
from judges.pointwise import mean_scores
from judges.predecessor import predecessor_figures
from judges.self_scores import (
    bars,
    change,
    pair_figures,
    self_score_figures,
    text_figures,
)
from results.pooled import pooled_metrics
from results.records import Candidate, Judgment, Pair


def judged(prompt: str, response: str, *scores: float | None) -> list[Judgment]:
    return [
        Judgment(
            prompt_id=prompt,
            response_id=response,
            draw=draw,
            status="unscored" if score is None else "scored",
            score=score,
            reason="no_score" if score is None else None,
            text="",
        )
        for draw, score in enumerate(scores)
    ]


def candidate(prompt: str, draw: int, text: str, finish: str = "stop") -> Candidate:
    return Candidate(
        prompt_id=prompt, response_id=f"{prompt}-{draw}", draw=draw, text=text,
        finish_reason=finish, tokens=1, call="",
    )  # fmt: skip


def pair(prompt: str, chosen: str, rejected: str, margin: float) -> Pair:
    return Pair(
        prompt_id=prompt, prompt=prompt, chosen_id="a", rejected_id="b", chosen=chosen,
        rejected=rejected, chosen_score=margin, rejected_score=0.0, margin=margin,
    )  # fmt: skip


FIRST = [
    *judged("p", "a", 5, 5), *judged("p", "b", 3, None), *judged("q", "a", 2, 2),
    *judged("q", "b", 2, 2), *judged("r", "a", None, None),
]  # fmt: skip
CLUSTERS = {"p": "p", "q": "q", "r": "r"}


def test_self_scores():
    found = pooled_metrics(self_score_figures(mean_scores(FIRST), FIRST, CLUSTERS, 5), rounds=50)
    assert found["self_score"].value == pytest.approx((5 + 3 + 2 + 2) / 4)
    assert (found["self_score"].n, found["self_score"].of) == (4, 5)
    assert found["share_at_top"].value == 0.25
    assert found["within_prompt_sd"].value == pytest.approx(0.5)  # 1 on p, 0 on q
    assert found["prompts_tied"].value == 0.5
    assert (found["prompts_tied"].n, found["prompts_tied"].of) == (2, 3)
    assert found["unscored_rate"].value == 0.3
    assert unscored(FIRST).model_dump() == {"n": 3, "of": 10, "reasons": {"no_score": 3}}


def test_without_a_score_every_figure_is_null_with_a_reason():
    nothing = judged("p", "a", None)
    figures = self_score_figures(mean_scores(nothing), nothing, CLUSTERS, 5)
    found = pooled_metrics(figures, rounds=5)
    assert found["self_score"].value is None and found["self_score"].reason
    assert found["unscored_rate"].value == 1.0


def test_bars_hold_every_score_and_the_top_in_the_last():
    found = bars([0, 0.4, 4.5 - 1e-12, 5, 5, 6, -1], (0, 5))
    assert len(found) == 10 and sum(bar.n for bar in found) == 7
    assert found[0].n == 3 and found[-1].n == 4 and found[-1].low == 4.5
    assert len(bars([], (1, 100))) == 10


def test_pairs():
    pairs = [pair("p", "long one", "short", 2.0), pair("q", "x", "y", 1.0)]
    found = pooled_metrics(pair_figures(pairs, ["p", "q", "r"], CLUSTERS), rounds=50)
    assert found["pair_yield"].value == pytest.approx(2 / 3)
    assert (found["pair_yield"].n, found["pair_yield"].of) == (3, 3)
    assert found["score_gap"].value == 1.5
    assert found["length_gap"].value == 1.5
    assert found["chosen_longer"].value == 0.75


def test_texts():
    texts = [candidate("p", 0, "ab"), candidate("p", 1, "ab "), candidate("q", 0, "c", "length")]
    found = pooled_metrics(text_figures(texts, CLUSTERS), rounds=50)
    assert found["candidate_length"].value == pytest.approx(2.0)
    assert found["repeated"].value == pytest.approx(1 / 3)
    assert found["unterminated"].value == pytest.approx(1 / 3)


def test_change_between_iterations():
    second = [*judged("p", "a", 5, 5), *judged("q", "a", 4, 4)]
    before = self_score_figures(mean_scores(FIRST), FIRST, CLUSTERS, 5)[0]
    after = self_score_figures(mean_scores(second), second, CLUSTERS, 5)[0]
    found = pooled_metrics([change("d", after, before, "")], rounds=200)["d"]
    assert found.value == pytest.approx(1.5)
    assert found.low is not None and found.high is not None
    assert found.low <= 1.5 <= found.high and found.low < found.high


def test_the_judge_before():
    before = [
        *judged("p", "a", 1), *judged("p", "b", 2), *judged("p", "c", 3),
        *judged("q", "a", 1), *judged("q", "b", 1), *judged("q", "c", None),
    ]  # fmt: skip
    after = [
        *judged("p", "a", 2), *judged("p", "b", 4), *judged("p", "c", 3),
        *judged("q", "a", 2), *judged("q", "b", 3), *judged("q", "c", 5),
    ]  # fmt: skip
    clusters = {"p": "p", "q": "q"}
    figures = predecessor_figures(mean_scores(after), mean_scores(before), clusters)
    found = pooled_metrics(figures, rounds=50)
    assert found["judge_tau"].value == pytest.approx(1 / 3)  # q: the one before is constant
    assert (found["judge_tau"].n, found["judge_tau"].of) == (1, 2)
    assert found["judge_inflation"].value == pytest.approx((1 + 2 + 0 + 1 + 2) / 5)
    assert (found["judge_inflation"].n, found["judge_inflation"].of) == (5, 6)


def test_judges_without_a_common_response_are_null():
    figures = predecessor_figures(mean_scores(judged("p", "a", 1)), {}, {})
    for metric in pooled_metrics(figures, rounds=5).values():
        assert metric.value is None and metric.reason
