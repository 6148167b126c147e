"""Pooled metrics against ``ratio_metric``, and the intervals of few prompts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import results.stats
from results.pooled import FEW, FEW_NOTE, Pooled, pooled_metrics
from results.records import Metric, Value
from results.stats import cluster_weights, interval, intervals, ratio_metric

ROWS = st.lists(
    st.tuples(st.integers(0, 5), st.floats(-1, 1), st.sampled_from([0.0, 0.1, 1.0, 3.0])),
    max_size=12,
)


def pooled(nums: list[float], dens: list[float], **more: bool) -> Pooled:
    cells = np.array([nums, dens], dtype=float).T
    return Pooled("m", cells, np.arange(len(nums)), len(nums), len(nums), "c", "none", **more)


@settings(deadline=None)
@given(st.lists(ROWS, min_size=1, max_size=3))
def test_the_figures_of_ratio_metric_to_the_last_bit(data: list[list[tuple[int, float, float]]]):
    figures, expected = [], {}
    for number, rows in enumerate(data):
        name = f"m{number}"
        values = [
            Value(prompt_id=f"p{i:02}", metric=name, num=num, den=den, cluster=f"c{cluster}")
            for i, (cluster, num, den) in enumerate(rows)
        ]
        expected[name] = ratio_metric(name, values, 20, "c", 3, 50, missing="none")
        values.sort(key=lambda v: (v.cluster, v.prompt_id))
        figures.append(
            Pooled(
                name,
                np.array([(v.num, v.den) for v in values]).reshape(-1, 2),
                np.array([int(v.cluster[1:]) for v in values], dtype=np.intp),
                len(values),
                20,
                "c",
                "none",
            )
        )
    assert pooled_metrics(figures, 3, 50) == expected


def test_shared_draws_are_each_figures_own() -> None:
    rng = np.random.default_rng(0)
    tasks = [
        (rng.random((clusters, 2)), lambda s: s[:, 0] / s[:, 1], 0.5) for clusters in (30, 9, 30, 1)
    ]
    assert intervals(tasks, 4, 60) == [interval(*task, 4, 60) for task in tasks]
    assert intervals(tasks, 4, 60)[3] == (None, None)


def test_many_clusters_are_drawn_from_the_same_distribution(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usual = np.concatenate(list(cluster_weights(40, 4000, 1)))
    monkeypatch.setattr(results.stats, "MANY_CLUSTERS", 39)
    other = np.concatenate(list(cluster_weights(40, 4000, 1)))
    assert not np.array_equal(usual, other)
    for weights in (usual, other):
        assert (weights.sum(axis=1) == 40).all()
        counts = np.bincount(weights.astype(int).ravel(), minlength=6)[:6] / weights.size
        assert counts == pytest.approx(stats.binom.pmf(range(6), 40, 1 / 40), abs=0.004)
    first = next(iter(cluster_weights(40, 7, 1)))
    monkeypatch.setattr(results.stats, "CHUNK_CELLS", 100)
    assert np.array_equal(np.concatenate(list(cluster_weights(40, 7, 1))), first)


def one(figure: Pooled) -> Metric:
    return pooled_metrics([figure], rounds=200)["m"]


def test_five_right_of_five_are_not_certain() -> None:
    sure = one(pooled([1] * 5, [1] * 5))
    assert (sure.low, sure.high) == (1.0, 1.0)
    honest = one(pooled([1] * 5, [1] * 5, share=True))
    exact = stats.binomtest(5, 5).proportion_ci(0.95, "exact")
    assert (honest.value, honest.low, honest.high) == (1.0, pytest.approx(exact.low), 1.0)
    assert honest.convention == "c" + FEW_NOTE
    none = one(pooled([0] * 5, [1] * 5, share=True))
    assert (none.value, none.low, none.high) == (0.0, 0.0, pytest.approx(1 - exact.low))


def test_few_prompts_widen_and_many_do_not() -> None:
    nums = [float(i % 3 > 0) for i in range(FEW)]
    few = one(pooled(nums[:-1], [1] * (FEW - 1), share=True))
    exact = stats.binomtest(19, FEW - 1).proportion_ci(0.95, "exact")
    assert few.low is not None and few.high is not None
    assert few.low <= exact.low + 1e-9 and few.high >= exact.high - 1e-9
    many = one(pooled(nums, [1] * FEW, share=True))
    plain = one(pooled(nums, [1] * FEW))
    assert (many.low, many.high) == (plain.low, plain.high)
    # A prompt without weight is no trial.
    more = one(pooled([*nums[:-1], 0, 0], [1] * (FEW - 1) + [0, 0], share=True))
    assert more.low == few.low


def test_few_prompts_by_hand() -> None:
    """Korn and Graubard's formula written out with scipy's distributions."""
    num, den = np.array([3, 1, 4, 0, 2, 5.0]), np.array([3, 2, 4, 1, 3, 5.0])
    share = num.sum() / den.sum()
    variance = 6 / 5 * ((num - share * den) ** 2).sum() / den.sum() ** 2
    worth = share * (1 - share) / variance
    worth *= (stats.t.ppf(0.975, den.sum() - 1) / stats.t.ppf(0.975, 5)) ** 2
    right = share * worth
    low = stats.beta.ppf(0.025, right, worth - right + 1)
    high = stats.beta.ppf(0.975, right + 1, worth - right)
    found = one(pooled(num.tolist(), den.tolist(), share=True))
    plain = one(pooled(num.tolist(), den.tolist()))
    assert plain.low is not None and plain.high is not None
    assert low < plain.low and high > plain.high
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))


def test_undefined_figures_say_why() -> None:
    assert one(pooled([], [])).reason == "none"
    assert one(pooled([1, 1], [0, 0])).reason == "its denominators sum to 0"
    single = one(pooled([1], [1], share=True))
    assert (single.value, single.low) == (1.0, None)
    assert single.reason == "fewer than two different prompts have a usable value"
