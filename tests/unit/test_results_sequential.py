"""Sequential rules at small sizes: exact at the end, sure before, and what they refuse."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

import results.sequential
from results.sequential import Kind, Outcome, Sequential, drawing_order

ONES = [1.0] * 40
HALF = [0.0, 1.0] * 20


@pytest.mark.parametrize(
    ("kind", "threshold", "values", "outcome"),
    [
        ("min", 0.5, HALF, "passed"),  # at the threshold: min and max pass
        ("max", 0.5, HALF, "passed"),
        ("min", 0.51, HALF, "failed"),
        ("max", 0.49, HALF, "failed"),
    ],
)
def test_the_full_count_decides_as_the_mean_does(
    kind: Kind, threshold: float, values: list[float], outcome: Outcome
) -> None:
    rule = Sequential(kind, threshold, len(values), alpha=1e-9)
    rule.add(values[:-2])
    assert rule.outcome is None  # the last two can still turn it
    rule.add(values[-2:])
    assert rule.outcome == outcome and rule.n_used >= 39  # a 0 there may leave the 1 no say
    assert rule.low <= 0.5 <= rule.high and rule.high - rule.low < 0.026


@pytest.mark.parametrize(
    ("kind", "threshold", "outcome"),
    [("improves", 0.0, "failed"), ("improves", -0.01, "passed"),
     ("no_regression", 0.0, "passed"), ("no_regression", -0.01, "failed"),
     ("no_regression", 0.01, "passed")],
)  # fmt: skip
@pytest.mark.parametrize("known", [True, False])
def test_as_good_as_the_champion(
    kind: Kind, threshold: float, outcome: Outcome, known: bool
) -> None:
    if known:
        rule = Sequential(kind, threshold, 40, 1e-9, incumbent=HALF)
        rule.add(HALF)
    else:
        rule = Sequential(kind, threshold, 40, 1e-9)
        rule.add([0.0] * 40)
    assert rule.outcome == outcome
    assert rule.low - 1e-12 <= 0 <= rule.high + 1e-12 and rule.high - rule.low <= 2 / 20


def test_it_stops_early_and_leaves_later_values_alone() -> None:
    rule = Sequential("min", 0.3, 805)
    rule.add([0.0] * 100)
    assert (rule.outcome, rule.n_used) == ("failed", 12)
    assert rule.high < 0.3 and rule.settles_at is None
    seen = (rule.low, rule.high, rule.value)
    rule.add(ONES)
    assert (rule.outcome, rule.n_used) == ("failed", 12)
    assert (rule.low, rule.high, rule.value) == seen


def test_what_no_value_can_change_is_certain_without_any() -> None:
    assert Sequential("min", 0.0, 5).outcome == "passed"
    assert Sequential("min", 1.5, 5).outcome == "failed"
    assert Sequential("improves", 0.2, 5, incumbent=[0.9] * 5).outcome == "failed"


def test_an_open_rule_says_what_would_settle_it() -> None:
    rng = np.random.default_rng(2)
    values = (rng.permutation(600) < 210).astype(float)  # mean .35
    estimates, taken = [], []
    for seed in range(20):
        order = np.random.default_rng(seed).permutation(600)
        rule = Sequential("min", 0.25, 600)
        assert rule.settles_at is None and rule.value is None
        rule.add(values[order[:40]])
        if rule.outcome is None:
            assert rule.settles_at is not None and 40 < rule.settles_at <= 600
            estimates.append(rule.settles_at)
            rule.add(values[order[40:]])
            taken.append(rule.n_used)
    assert len(taken) > 10
    # Those that are open after 40 are the ones that look closer than they are.
    assert np.median(taken) / 3 < np.median(estimates) < np.median(taken) * 3


def test_a_good_predictor_saves_values_and_a_bad_one_hardly_costs() -> None:
    rng = np.random.default_rng(5)
    values = (rng.random(400) < rng.beta(0.3, 0.7, 400)).astype(float)
    good, bad = np.clip(0.7 * values + 0.15 + 0.1 * rng.random(400), 0, 1), rng.random(400)
    used = {"plain": 0, "good": 0, "bad": 0}
    for seed in range(10):
        order = np.random.default_rng(seed).permutation(400)
        for name, predictor in (("plain", None), ("good", good), ("bad", bad)):
            given = None if predictor is None else predictor[order]
            rule = Sequential("min", float(values.mean()) - 0.08, 400, predictor=given)
            rule.add(values[order])
            assert rule.outcome == "passed"
            used[name] += rule.n_used
    assert used["good"] < 0.6 * used["plain"]
    assert used["bad"] < 1.25 * used["plain"]


def test_the_order_is_the_seeds_alone() -> None:
    names = [f"p{i}" for i in range(50)]
    assert drawing_order(names, 1) == drawing_order(reversed(names), 1)
    assert drawing_order(names, 1) != drawing_order(names, 2)
    assert sorted(drawing_order(names, 1)) == sorted(names)


def test_wrong_arguments_are_named() -> None:
    rule = Sequential("min", 0.5, 3)
    for value in (1.5, -0.1, float("nan")):
        with pytest.raises(ValueError, match=r"found a value of .*, expected 0 to 1"):
            rule.add([value])
    with pytest.raises(ValueError, match="expected -1 to 1"):
        Sequential("improves", 0.0, 3).add([1.5])
    with pytest.raises(ValueError, match="found 2 predictions, expected one for each of 3"):
        Sequential("min", 0.5, 3, predictor=[0.1, 0.2])
    with pytest.raises(ValueError, match="size 0"):
        Sequential("min", 0.5, 0)
    with pytest.raises(ValueError, match="is not about an incumbent"):
        Sequential("min", 0.5, 3, incumbent=[0.1, 0.2, 0.3])


def test_the_example_in_the_docstring() -> None:
    assert doctest.testmod(results.sequential).failed == 0
