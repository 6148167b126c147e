"""Bounds that keep their alpha whatever the values are: by counting all outcomes, and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from results.proven import STAKES, bounds, proven_difference, proven_ratio, unfit
from results.records import Value


def of(*numbers: float, den: float = 1.0, clusters: str | None = None) -> list[Value]:
    return [
        Value(prompt_id=str(i), metric="m", num=n, den=den, cluster=(clusters or "abcdefgh" * 9)[i])
        for i, n in enumerate(numbers)
    ]


def shares(right: int, n: int, alpha: float) -> tuple[float, float]:
    return bounds(np.repeat([1.0, 0.0], [right, n - right]), alpha)


@pytest.mark.parametrize("n", [9, 40])
@pytest.mark.parametrize("p", [0.03, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("alpha", [0.2, 0.001])
def test_each_bound_is_wrong_at_most_at_its_alpha_over_all_outcomes(
    n: int, p: float, alpha: float
) -> None:
    ends = [shares(right, n, alpha) for right in range(n + 1)]
    chance = binom.pmf(range(n + 1), n, p)
    assert sum(c for c, (low, _) in zip(chance, ends, strict=True) if low > p) <= alpha
    assert sum(c for c, (_, high) in zip(chance, ends, strict=True) if high < p) <= alpha


def test_one_value_that_is_1_by_hand() -> None:
    # Capital 1 + f (1 / m - 1) at stakes of which the mean is known: solved for m.
    alpha = 0.2
    least = min(math.sqrt(2 * math.log(1 / alpha)) / 2, 0.5)
    mean = float(np.geomspace(least, 1, STAKES).mean())
    low, high = bounds(np.array([1.0]), alpha)
    assert low == pytest.approx(1 / (1 + (1 / alpha - 1) / mean))
    assert high == 1


def test_no_failure_leaves_room_for_some() -> None:
    low, high = shares(100, 100, 0.05)
    assert 0.93 < low < 0.05 ** (1 / 100)  # the exact bound of 100 right ones
    assert high == 1


def test_more_certainty_needs_more_room_and_more_prompts_less() -> None:
    assert shares(60, 100, 0.001)[0] < shares(60, 100, 0.05)[0] < shares(600, 1000, 0.05)[0] < 0.6
    assert shares(60, 100, 0.001)[1] > shares(60, 100, 0.05)[1] > shares(600, 1000, 0.05)[1] > 0.6


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.floats(0.001, 0.5))
def test_ends_lie_around_the_value_and_mirror_each_other(
    numbers: list[float], alpha: float
) -> None:
    num = np.array(numbers)
    low, high = bounds(num, alpha)
    assert 0 <= low <= num.mean() + 1e-9 and num.mean() - 1e-9 <= high <= 1
    mirrored = bounds(1 - num, alpha)
    assert [1 - mirrored[1], 1 - mirrored[0]] == pytest.approx([low, high])


def test_weights_change_nothing_when_they_are_alike() -> None:
    heavy, light = (proven_ratio("m", values, 3, 0.05)
                    for values in (of(0, 2, 3, den=3), of(0, 2 / 3, 1)))  # fmt: skip
    assert [heavy.low, heavy.high] == pytest.approx([light.low, light.high])


def test_prompts_of_one_text_are_draws_of_their_own() -> None:
    apart, one_text = (proven_ratio("m", of(0, 0, 1, 1, clusters=clusters), 4, 0.05)
                       for clusters in ("abcd", "aaaa"))  # fmt: skip
    assert (apart.low, apart.high) == (one_text.low, one_text.high)


@pytest.mark.parametrize("shape", [(0.5, 0.5), (0.1, 0.4), (5, 0.3)])
@pytest.mark.parametrize("n", [5, 40])
def test_values_between_0_and_1_keep_the_rate(shape: tuple[float, float], n: int) -> None:
    rng, alpha, times = np.random.default_rng(5), 0.1, 400
    mean = shape[0] / (shape[0] + shape[1])
    ends = [bounds(rng.beta(*shape, n), alpha) for _ in range(times)]
    for wrong in (sum(low > mean for low, _ in ends), sum(high < mean for _, high in ends)):
        assert binom.sf(wrong - 1, times, alpha) > 0.001


def test_difference_is_that_of_the_halves_above_one_half() -> None:
    found = proven_difference("m", of(1, 1, 0, 1), of(0, 1, 0, 0.5), 0.05)
    low, high = bounds(np.array([1, 0.5, 0.5, 0.75]), 0.05)
    assert found.value == pytest.approx(1.5 / 4)
    assert [found.low, found.high] == pytest.approx([2 * low - 1, 2 * high - 1])
    assert (found.n, found.of) == (4, 4)


def test_only_prompts_of_both_count() -> None:
    found = proven_difference("m", of(1, 1, 0), of(0, 1), 0.05)
    assert (found.value, found.n, found.of) == (0.5, 2, 3)


def test_without_values_there_is_a_reason() -> None:
    none = proven_ratio("m", [], 4, 0.05)
    assert (none.value, none.low, none.reason) == (None, None, "none of 4 has a value")
    weightless = proven_ratio("m", of(0, 0, den=0), 2, 0.05)
    assert (weightless.value, weightless.reason) == (None, "its denominators sum to 0")
    apart = proven_difference("m", of(1), [], 0.05)
    assert (apart.value, apart.reason) == (None, "no prompt has a value on both sides")


def test_what_has_no_such_bounds_is_said() -> None:
    assert unfit(of(0, 1, 0.5)) is None
    assert unfit(of(2, 3, den=3), of(0, 3, den=3)) is None
    assert unfit(of(7)) == unfit(of(-1)) == unfit(of(1), of(2)) == "its values do not lie in 0..1"
    assert unfit(of(1), of(1, den=2)) == "its prompts do not weigh the same"
    assert unfit([*of(1), *of(3, den=40)]) == "its prompts do not weigh the same"
