"""Metrics and intervals against hand computation, scipy and a slow loop."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest

import results.stats
from results.errors import SrlmError
from results.records import Value
from results.stats import cluster_weights, interval, paired_difference, ratio_metric


def values(nums: list[float], dens: list[float] | None = None, size: int = 1) -> list[Value]:
    """Returns one value per number; ``size`` prompts in a row share a cluster."""
    dens = dens or [1.0] * len(nums)
    return [
        Value(prompt_id=f"p{i:04}", metric="m", num=num, den=den, cluster=f"c{i // size:04}")
        for i, (num, den) in enumerate(zip(nums, dens, strict=True))
    ]


def iid(count: int, seed: int) -> list[float]:
    return [float(x) for x in np.random.default_rng(seed).random(count) ** 2]


def test_value_and_coverage_by_hand() -> None:
    metric = ratio_metric("m", values([1, 2, 0], [2, 4, 1]), 5, "pooled")
    assert metric.value == pytest.approx(3 / 7)
    assert (metric.n, metric.of, metric.convention, metric.confidence) == (3, 5, "pooled", 0.95)
    assert metric.low is not None and metric.high is not None
    assert 0 <= metric.low <= 3 / 7 <= metric.high <= 0.5


def test_undefined_is_null() -> None:
    none = ratio_metric("m", [], 4, "c")
    assert (none.value, none.reason) == (None, "none of 4 has a value")
    zero = ratio_metric("m", values([1, 2], [0, 0]), 4, "c")
    assert (zero.value, zero.low, zero.high, zero.n) == (None, None, None, 2)
    assert zero.reason == "its denominators sum to 0"
    one = ratio_metric("m", values([1, 0, 1], size=3), 3, "c")  # three prompts, one cluster
    assert (one.value, one.low, one.high) == (2 / 3, None, None)
    assert one.reason == "fewer than two different prompts have a usable value"
    assert ratio_metric("m", values([1, 0]), 2, "c").reason is None


def test_constant_is_exact() -> None:
    metric = ratio_metric("m", values([0.7] * 30, [0.1] * 30), 30, "c")
    assert metric.value == metric.low == metric.high


def test_zero_denominator_replicates_are_left_out() -> None:
    # Two clusters, one without weight: a quarter of the replicates is undefined, the rest is 1/2.
    metric = ratio_metric("m", values([1, 0], [2, 0]), 2, "c")
    assert (metric.value, metric.low, metric.high) == (0.5, 0.5, 0.5)


@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_against_scipy_on_iid_data(confidence: float) -> None:
    from scipy import stats  # type: ignore[import-untyped, unused-ignore]

    data = iid(200, 3)
    theirs = stats.bootstrap(
        (np.array(data),), np.mean, n_resamples=20_000, confidence_level=confidence,
        method="percentile", rng=np.random.default_rng(1),
    ).confidence_interval  # fmt: skip
    ours = ratio_metric("m", values(data), 200, "c", rounds=20_000, confidence=confidence)
    assert ours.low == pytest.approx(theirs.low, abs=0.002)
    assert ours.high == pytest.approx(theirs.high, abs=0.002)


def test_against_a_slow_loop_over_clusters() -> None:
    # Clusters of three that agree with themselves: resampling rows would give 1/sqrt(3) of it.
    nums = [x for x in iid(40, 5) for _ in range(3)]
    dens = [1.0 + i % 4 for i in range(120)]
    data = values(nums, dens, size=3)
    rng = np.random.default_rng(9)
    replicates = []
    for _ in range(8000):
        drawn = [v for c in rng.integers(0, 40, 40) for v in data[3 * c : 3 * c + 3]]
        replicates.append(sum(v.num for v in drawn) / sum(v.den for v in drawn))
    low, high = np.quantile(replicates, [0.025, 0.975])
    metric = ratio_metric("m", data, 120, "c", rounds=8000)
    assert metric.low is not None and metric.high is not None
    width = high - low
    assert metric.low == pytest.approx(low, abs=width / 25)
    assert metric.high == pytest.approx(high, abs=width / 25)


def test_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for seed in range(200):
        metric = ratio_metric("m", values(list(rng.random(60))), 60, "c", seed, 300, 0.9)
        assert metric.low is not None and metric.high is not None
        hits += metric.low <= 0.5 <= metric.high
    assert 165 <= hits <= 195  # 180 expected, sd 4.2


def test_seed_decides_and_chunks_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    data = values(iid(50, 1))
    first = ratio_metric("m", data, 50, "c", seed=1)
    assert first == ratio_metric("m", data, 50, "c", seed=1)
    assert first.low != ratio_metric("m", data, 50, "c", seed=2).low
    whole = np.concatenate(list(cluster_weights(50, 101, 4)))
    monkeypatch.setattr(results.stats, "CHUNK_CELLS", 50 * 7)
    parts = list(cluster_weights(50, 101, 4))
    assert len(parts) == 15
    assert np.array_equal(np.concatenate(parts), whole)
    assert (whole.sum(axis=1) == 50).all()


def test_memory_stays_bounded() -> None:
    totals = np.ones((30_000, 2))
    tracemalloc.start()
    interval(totals, lambda s: s[:, 0] / s[:, 1], 1.0, rounds=300)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200e6


def test_paired_difference_by_hand() -> None:
    ours = values([1, 1, 0, 1], [1, 1, 1, 2])
    theirs = values([0, 1, 1, 0, 1], [1, 1, 1, 1, 9])[:4] + values([5] * 6)[5:]
    metric = paired_difference("m", ours, theirs)
    assert metric.value == pytest.approx(3 / 5 - 2 / 4)
    assert (metric.n, metric.of) == (4, 5)


def test_paired_difference_against_a_slow_loop() -> None:
    noise = np.random.default_rng(4).normal(0, 0.05, 90)
    base = [x for x in iid(30, 2) for _ in range(3)]
    ours = values([b + 0.1 + e for b, e in zip(base, noise, strict=True)], size=3)
    theirs = values(base, [1 + i % 2 for i in range(90)], size=3)
    rng = np.random.default_rng(8)
    replicates = []
    for _ in range(8000):
        rows = [r for c in rng.integers(0, 30, 30) for r in range(3 * c, 3 * c + 3)]
        after = sum(ours[r].num for r in rows) / sum(ours[r].den for r in rows)
        replicates.append(
            after - sum(theirs[r].num for r in rows) / sum(theirs[r].den for r in rows)
        )
    low, high = np.quantile(replicates, [0.025, 0.975])
    metric = paired_difference("m", ours, theirs, rounds=8000)
    assert metric.low is not None and metric.high is not None
    assert metric.low == pytest.approx(low, abs=(high - low) / 25)
    assert metric.high == pytest.approx(high, abs=(high - low) / 25)


def test_pairing_is_narrower_than_not_pairing() -> None:
    base = iid(100, 6)
    ours, theirs = values([b + 0.01 for b in base]), values(base)
    paired = paired_difference("m", ours, theirs)
    alone = ratio_metric("m", ours, 100, "c")
    assert paired.low is not None and alone.low is not None and alone.high is not None
    assert paired.low == pytest.approx(0.01, abs=1e-9)
    assert alone.high - alone.low > 0.05


def test_equal_sides_differ_by_exactly_zero() -> None:
    data = values(iid(33, 7), [1 + i % 3 for i in range(33)])
    metric = paired_difference("m", data, data)
    assert (metric.value, metric.low, metric.high) == (0.0, 0.0, 0.0)


def test_no_shared_prompt_is_null() -> None:
    data = values([1, 2])
    metric = paired_difference("m", data[:1], data[1:])
    assert (metric.value, metric.low, metric.n, metric.of) == (None, None, 0, 2)


def test_bad_values_are_refused() -> None:
    bad = [value.model_copy(update={"num": math.nan}) for value in values([1, 2])]
    with pytest.raises(SrlmError, match="metric m: prompt 'p0000' has nan"):
        ratio_metric("m", bad, 2, "c")
    with pytest.raises(SrlmError, match="two values for prompt 'p0000'"):
        paired_difference("m", values([1]) * 2, values([1]))
    with pytest.raises(SrlmError, match="evaluate both on the same data"):
        paired_difference("m", values([1, 2]), values([1, 2], size=2))


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="rounds 0"):
        ratio_metric("m", values([1, 2]), 2, "c", rounds=0)
    with pytest.raises(ValueError, match="confidence 95"):
        ratio_metric("m", values([1, 2]), 2, "c", confidence=95)
