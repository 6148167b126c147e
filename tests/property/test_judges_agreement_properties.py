"""The judge metrics against a reference that counts pair by pair and asks scipy."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped,unused-ignore]

import judges.ranked_table
from judges.agreement import Unscored, agreement_values, judge_metrics
from judges.pointwise import Key
from judges.rankings import RANKS, RankedPrompt, RankedResponse
from tests.judge_metrics_by_prompt import slow_metrics

# A busy machine is no fault of the strategies.
CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
Item = list[tuple[int | None, float | None]]  # (rank, score) of each response
SCORES = st.one_of(st.none(), st.integers(0, 5), st.sampled_from([1 / 3, 14 / 3, 4.5]))
ITEMS = st.lists(
    st.tuples(st.one_of(st.none(), st.integers(0, 5)), SCORES), max_size=7
)  # fmt: skip
DATA = st.lists(ITEMS, max_size=4)
FULL = st.lists(st.permutations(range(6)).map(lambda r: r[:4]), min_size=1, max_size=4)


HUGE = st.lists(
    st.tuples(st.sampled_from([None, 0, 1, 7, RANKS - 1, RANKS, -RANKS]), SCORES), max_size=7
)


def build(data: list[Item]) -> tuple[list[RankedPrompt], dict[Key, float | None]]:
    """Rankings and scores; a third of the prompts share one text, so a cluster."""
    rankings = [
        RankedPrompt(
            id=f"p{p}",
            prompt=f"text {p % 3}",
            responses=[RankedResponse(id=str(i), text="", rank=row[0]) for i, row in enumerate(it)],
        )
        for p, it in enumerate(data)
    ]
    return rankings, {
        (f"p{p}", str(i)): row[1] for p, it in enumerate(data) for i, row in enumerate(it)
    }


def figures(data: list[Item]) -> dict[str, tuple[float | None, int, int]]:
    """Value, n and of by metric."""
    rankings, scores = build(data)
    found = {}
    for name, part in agreement_values(rankings, scores, (0, 5)).items():
        den = sum(value.den for value in part.values)
        num = sum(value.num for value in part.values)
        found[name] = (num / den if den else None, part.n, part.of)
    return found


def reference(data: list[Item]) -> dict[str, tuple[float | None, int, int]]:
    """The same, from CONTRACT's definitions word by word."""
    right = ties = pairs = all_pairs = fives = best = unscored = enough = with_pair = 0
    matches: list[float] = []
    rhos: list[float] = []
    taus: list[float] = []
    for item in data:
        ranked = [(rank, score) for rank, score in item if rank is not None]
        known = [(rank, score) for rank, score in ranked if score is not None]
        enough += len(ranked) >= 2
        unscored += len(ranked) - len(known)
        apart = [(a, b) for a, b in itertools.combinations(ranked, 2) if a[0] != b[0]]
        all_pairs += len(apart)
        with_pair += bool(apart)
        right_here = pairs_here = 0
        for (rank_a, a), (rank_b, b) in itertools.combinations(known, 2):
            if rank_a != rank_b:
                pairs_here += 1
                ties += a == b
                right_here += (a > b) if rank_a < rank_b else (b > a)
        right, pairs = right + right_here, pairs + pairs_here
        if pairs_here:
            matches.append(float(right_here == pairs_here))
        for rank, score in known:
            if score == 5:
                fives += 1
                best += rank == min(r for r, _ in ranked)
        if len({r for r, _ in known}) > 1 and len({s for _, s in known}) > 1:
            prefer, given_scores = [-r for r, _ in known], [s for _, s in known]
            rhos.append(float(stats.spearmanr(given_scores, prefer).statistic))
            taus.append(float(stats.kendalltau(given_scores, prefer, variant="b").statistic))
    return {
        "pairwise_accuracy": (right / pairs if pairs else None, pairs, all_pairs),
        "pairwise_accuracy_half_ties": (
            (right + ties / 2) / pairs if pairs else None,
            pairs,
            all_pairs,
        ),
        "five_best": (best / fives if fives else None, fives, fives + unscored),
        "exact_match": (float(np.mean(matches)) if matches else None, len(matches), with_pair),
        "spearman": (float(np.mean(rhos)) if rhos else None, len(rhos), enough),
        "kendall_tau": (float(np.mean(taus)) if taus else None, len(taus), enough),
    }


@CALM
@given(DATA)
def test_against_the_reference(data: list[Item]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = figures(data)
    for name, (value, n, of) in reference(data).items():
        assert found[name] == (pytest.approx(value, abs=1e-12) if n else None, n, of), name
        assert n <= of


@CALM
@given(st.lists(st.one_of(ITEMS, HUGE), max_size=12), st.sampled_from(["drop", "wrong", "tie"]))
def test_all_prompts_at_once_are_prompt_by_prompt(data: list[Item], unscored: Unscored) -> None:
    rankings, scores = build(data)
    slow = slow_metrics(rankings, scores, 5, unscored, rounds=20)
    assert judge_metrics(rankings, scores, (0, 5), unscored, rounds=20) == slow
    with pytest.MonkeyPatch.context() as patch:  # a block of pairs at a time changes nothing
        patch.setattr(judges.ranked_table, "BLOCK_CELLS", 10)
        assert judge_metrics(rankings, scores, (0, 5), unscored, rounds=20) == slow


@CALM
@given(FULL)
def test_a_perfect_judge_gets_exactly_one(orders: list[list[int]]) -> None:
    # The best rank of each prompt gets a 5, so five_best has a value too.
    data: list[Item] = [[(rank, 5.0 - (rank - min(order))) for rank in order] for order in orders]
    assert all(value == 1.0 for value, _, _ in figures(data).values())


@CALM
@given(DATA)
def test_reversed_scores_negate_the_correlations(data: list[Item]) -> None:
    turned: list[Item] = [[(r, None if s is None else 5 - s) for r, s in item] for item in data]
    before, after = figures(data), figures(turned)
    for name in ("spearman", "kendall_tau"):
        value, n, of = before[name]
        expected = None if value is None else pytest.approx(-value, abs=1e-12)
        assert after[name] == (expected, n, of)


@CALM
@given(DATA)
def test_half_ties_lie_at_or_above_and_shares_are_shares(data: list[Item]) -> None:
    found = figures(data)
    strict, half = found["pairwise_accuracy"][0], found["pairwise_accuracy_half_ties"][0]
    assert (strict is None) == (half is None)
    assert strict is None or half is None or 0 <= strict <= half <= 1
    for name in ("spearman", "kendall_tau"):
        value = found[name][0]
        assert value is None or -1 <= value <= 1
