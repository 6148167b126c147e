"""The alternative annotator test on constructed annotators."""

from __future__ import annotations

import math
import random

import pytest
from scipy import stats  # type: ignore[import-untyped,unused-ignore]

from judges.alt_test import Answer, alt_test, annotator_answers
from judges.labels import Label, LabelledPair

ITEMS = [f"i{k}" for k in range(60)]
TRUTH = {item: "abc"[k % 3] for k, item in enumerate(ITEMS)}


def noisy(seed: int, wrong: float) -> dict[str, Answer]:
    """The truth, but a share of ``wrong`` items answered at random."""
    rng = random.Random(seed)
    return {i: rng.choice("abc") if rng.random() < wrong else x for i, x in TRUTH.items()}


PEOPLE = {f"h{k}": noisy(k, 0.3) for k in range(4)}


def test_a_judge_that_is_always_right_stands_in_for_people() -> None:
    found = alt_test(TRUTH, PEOPLE, epsilon=0.1)
    assert (found.omega, found.passes, found.n, found.of) == (1.0, True, 4, 4)
    assert found.rho is not None and found.rho > 0.9
    assert found.alignment == "accuracy"
    for one in found.annotators:
        assert one.beaten and one.p_value is not None and one.p_value < 0.01 and one.n == 60
    assert "epsilon 0.1" in found.convention


def test_a_judge_at_random_does_not() -> None:
    found = alt_test(noisy(9, 1.0), PEOPLE, epsilon=0.2)
    assert (found.omega, found.passes) == (0.0, False)
    assert not any(one.beaten for one in found.annotators)


def test_shares_and_p_value_by_hand() -> None:
    # Against x, the other being y: the judge is better on 10 items, worse on 5, level on 15.
    y: dict[str, Answer] = {f"i{k}": "a" for k in range(30)}
    x: dict[str, Answer] = {f"i{k}": "b" if k < 10 else "a" for k in range(30)}
    judge: dict[str, Answer] = {f"i{k}": "b" if 10 <= k < 15 else "a" for k in range(30)}
    one = alt_test(judge, {"x": x, "y": y}, epsilon=0.2).annotators[0]
    assert (one.judge_as_good, one.annotator_as_good) == (25 / 30, 20 / 30)
    # Differences: mean -5/30, 15 of 30 not 0.
    mean = -5 / 30
    spread = math.sqrt((15 - 30 * mean**2) / 29)
    t = (mean - 0.2) / (spread / math.sqrt(30))
    assert one.p_value == pytest.approx(stats.t.cdf(t, 29), rel=1e-9)


def test_numbers_are_aligned_by_their_distance() -> None:
    near: dict[str, Answer] = dict.fromkeys(ITEMS, 3.1)
    people: dict[str, dict[str, Answer]] = {
        "a": dict.fromkeys(ITEMS, 3), "b": dict.fromkeys(ITEMS, 5), "c": dict.fromkeys(ITEMS, 3)
    }  # fmt: skip
    found = alt_test(near, people, epsilon=0.1)
    assert found.alignment == "neg_rmse"
    # 3.1 is nearer to 3 and 5 than a's and c's 3 is, and nearer to 3 and 3 than b's 5.
    assert found.omega == 1.0
    # As classes 3.1 is nobody's answer; only b, whom nobody agrees with either, is level.
    classes = alt_test(near, people, epsilon=0.1, alignment="accuracy")
    assert classes.omega == pytest.approx(1 / 3)
    assert [one.judge_as_good for one in classes.annotators] == [0.0, 1.0, 0.0]


def test_constant_differences_have_a_p_value() -> None:
    same = dict.fromkeys(ITEMS, "a")
    people: dict[str, dict[str, Answer]] = {"x": {**same}, "y": {**same}}
    assert [one.p_value for one in alt_test(same, people, 0.1).annotators] == [0.0, 0.0]
    assert [one.p_value for one in alt_test(same, people, 0.0).annotators] == [1.0, 1.0]


def test_few_items_unscored_ones_and_lone_annotators() -> None:
    short = {item: TRUTH[item] for item in ITEMS[:29]}
    people = PEOPLE | {"short": short, "alone": {f"z{k}": "a" for k in range(50)}}
    judge = TRUTH | dict.fromkeys(ITEMS[:5]) | {f"z{k}": "a" for k in range(50)}
    found = alt_test(judge, people, epsilon=0.1)
    assert (found.n, found.of, found.omega) == (4, 6, 1.0)
    by_name = {one.annotator: one for one in found.annotators}
    assert (by_name["h0"].n, by_name["h0"].of) == (55, 60)
    assert (by_name["short"].n, by_name["short"].of) == (24, 29)
    assert by_name["short"].reason == "24 items, expected at least 30"
    assert by_name["alone"].n == 0 and by_name["alone"].p_value is None
    nobody = alt_test({}, PEOPLE, epsilon=0.1)
    assert (nobody.omega, nobody.rho, nobody.passes, nobody.n) == (None, None, None, 0)
    assert nobody.reason


def test_settings_out_of_range() -> None:
    for more in ({"epsilon": -0.1}, {"epsilon": 0.1, "q": 0.0}, {"epsilon": 0.1, "min_items": 1}):
        with pytest.raises(ValueError, match="epsilon"):
            alt_test(TRUTH, PEOPLE, **more)


def test_answers_of_the_annotators_of_labelled_pairs() -> None:
    labels = (
        Label(label="first", annotator="x"), Label(label="tie", annotator="y"),
        Label(label="second", annotator="x"), Label(label="second"),
    )  # fmt: skip
    pair = LabelledPair(id="1", prompt="p", first="a", second="b", labels=labels)
    assert annotator_answers([pair]) == {"x": {"1": "first"}, "y": {"1": "tie"}}
