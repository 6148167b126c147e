"""What holds of a sequential rule whatever the values, the order and the predictor are."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from results.betting import Capital
from results.sequential import Kind, Sequential
from tests.proofs.sequential import decide

SHARES = st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.9, 1.0]), min_size=1, max_size=30)
KINDS: st.SearchStrategy[Kind] = st.sampled_from(["min", "max", "improves", "no_regression"])
THRESHOLDS = st.sampled_from([-0.2, 0.0, 0.1, 0.5, 0.8])


def full(kind: Kind, threshold: float, mean: float) -> str:
    slack = 1e-9
    passed = {
        "min": mean >= threshold - slack,
        "max": mean <= threshold + slack,
        "improves": mean > threshold + slack,
        "no_regression": mean >= -threshold - slack,
    }[kind]
    return "passed" if passed else "failed"


@given(KINDS, THRESHOLDS, SHARES, st.randoms(use_true_random=False))
@settings(deadline=None)
def test_undecided_until_the_end_it_is_exact_in_any_order(kind, threshold, values, random) -> None:
    """At an alpha that no capital reaches only counting decides: exactly, whatever the order."""
    incumbent = random.choices([0.0, 0.5, 1.0], k=len(values))
    paired = kind in ("improves", "no_regression")
    mean = math.fsum(values) / len(values) - (sum(incumbent) / len(values) if paired else 0)
    order = random.sample(range(len(values)), len(values))
    for places in (range(len(values)), order):
        theirs = [incumbent[i] for i in places] if paired else None
        rule = Sequential(kind, threshold, len(values), 1e-300, incumbent=theirs)
        rule.add(values[i] for i in places)
        assert rule.outcome == full(kind, threshold, mean)


@given(KINDS, THRESHOLDS, SHARES, st.randoms(use_true_random=False), st.booleans())
@settings(deadline=None)
def test_one_by_one_is_as_in_batches_and_bounds_nest(
    kind, threshold, values, random, predicted
) -> None:
    predictor = [random.random() for _ in values] if predicted else None
    if kind in ("improves", "no_regression"):
        values = [2 * value - 1 for value in values]

    def new() -> Sequential:
        return Sequential(kind, threshold, len(values), 0.2, predictor=predictor)

    single, batch = new(), new()
    low, high = -math.inf, math.inf
    for value in values:
        single.add([value])
        # At the full count both are the mean, which earlier bounds miss now and then.
        whole = single.n_used == len(values)
        assert whole or (single.low >= low - 1e-9 and single.high <= high + 1e-9)
        low, high = single.low, single.high
        assert single.value is None or low - 1e-9 <= single.value <= high + 1e-9
    cut = random.randint(0, len(values))
    batch.add(values[:cut])
    batch.add(values[cut:])
    for name in ("outcome", "n_used", "low", "high", "value", "settles_at"):
        assert getattr(batch, name) == getattr(single, name)
    assert single.outcome is not None  # at the full count at the latest


@given(SHARES, st.sampled_from([0.1, 0.5, 0.8]), st.booleans(), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_the_bounds_say_what_the_decision_says(values, threshold, predicted, random) -> None:
    size = 3 * len(values)
    predictor = [random.random() for _ in range(size)] if predicted else None
    rule = Sequential("min", threshold, size, 0.3, predictor=predictor)
    rule.add(values)
    if rule.outcome == "passed":
        assert rule.low >= threshold - 1e-9
    elif rule.outcome == "failed":
        assert rule.high <= threshold + 1e-9
    else:
        assert rule.low < threshold + 1e-9 and rule.high > threshold - 1e-9


@given(st.lists(st.sampled_from([0.0, 0.3, 1.0]), min_size=2, max_size=12),
       st.randoms(use_true_random=False), st.booleans())  # fmt: skip
@settings(deadline=None, max_examples=50)
def test_each_bet_is_fair_at_the_threshold(values, random, predicted) -> None:
    """The mean of the capital over all values that can come next is the capital, exactly."""
    size, threshold = len(values), math.fsum(values) / len(values)
    from results.forecast import Forecast

    table = np.array([[[random.random()] for _ in values]])
    seen = random.randint(0, size - 1)
    ups, downs = [], []
    for place in range(seen, size):  # each of those that are left may be the next
        order = [*range(seen), place, *(i for i in range(seen, size) if i != place)]
        forecast = Forecast(table[:, order]) if predicted else None
        capital = Capital(size, np.array([threshold]), forecast)
        for i in order[:seen]:
            capital.add(np.array([values[i]]))
        before = capital.up[0], capital.down[0]
        capital.add(np.array([values[place]]))
        ups.append(capital.up[0])
        downs.append(capital.down[0])
    assert np.mean(ups) == pytest.approx(before[0], rel=1e-6, abs=1e-12)
    assert np.mean(downs) == pytest.approx(before[1], rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("ones", [1, 6, 12])
@pytest.mark.parametrize("predicted", [False, True])
def test_a_rule_errs_at_most_at_its_rate_under_optional_stopping(
    ones: int, predicted: bool
) -> None:
    """12 ones of 24 at the threshold itself, which is the worst; the decision is the first one."""
    count, size, alpha = 3000, 24, 0.1
    rng = np.random.default_rng(ones)
    values = (np.arange(size) < ones).astype(float)
    orders = np.argsort(rng.random((count, size)), axis=1)
    predictor = (0.5 * values + 0.25 * rng.random(size))[orders][:, :, None] if predicted else None
    at = np.full(count, ones / size)
    most = alpha + 3 * (alpha * (1 - alpha) / count) ** 0.5
    _, above = decide(values[orders], at, alpha, True, predictor)
    assert np.mean(above == 1) <= most
    _, above = decide(values[orders], at, alpha, False, predictor)
    assert np.mean(above == 0) <= most
