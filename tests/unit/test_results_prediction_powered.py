"""A mean from many judge verdicts and few labels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from scipy import stats

from results.errors import SrlmError
from results.prediction_powered import differences, prediction_powered_mean
from results.records import Metric, Value

Numbers = Sequence[float]


def values(numbers: Numbers, clusters: Sequence[str] | None = None) -> list[Value]:
    return [
        Value(prompt_id=f"p{i}", metric="m", num=v, cluster=clusters[i] if clusters else f"c{i}")
        for i, v in enumerate(numbers)
    ]


def world(seed: int, n: int, size: int = 500, win: float = 0.55) -> tuple[list[Value], list[Value]]:
    """A judge that calls 10 % of the wins losses and 35 % of the losses wins; n random labels."""
    rng = np.random.default_rng(seed)
    human = (rng.random(size) < win) * 1.0
    judge = np.where(human == 1, rng.random(size) >= 0.1, rng.random(size) < 0.35) * 1.0
    labels = values(human)
    return values(judge), [labels[i] for i in rng.choice(size, n, replace=False)]


def ends(metric: Metric) -> tuple[float | None, float | None, float | None]:
    return metric.value, metric.low, metric.high


def check_ends(metric: Metric, value: float, half: float, n: int,
               bounds: tuple[float, float] = (0, 1)) -> None:  # fmt: skip
    """The ends are where the value is ``half`` off, at the variance that belongs to the end."""
    span = bounds[1] - bounds[0]
    assert metric.value == pytest.approx(value, abs=1e-12)
    inner = ((value - bounds[0]) / span * n + 1) / (n + 2)
    assert metric.low is not None and metric.high is not None and metric.low < value < metric.high
    for end in (metric.low, metric.high):
        unit = (end - bounds[0]) / span
        scale = unit * (1 - unit) / (inner * (1 - inner))
        assert (value - end) ** 2 == pytest.approx(half**2 * scale, abs=1e-12)


def test_the_published_formula() -> None:
    judged, labelled = world(0, 60)
    found = prediction_powered_mean("m", judged, labelled)
    known = {value.prompt_id: value.num for value in labelled}
    y = np.array([known[v.prompt_id] for v in judged if v.prompt_id in known])
    f = np.array([v.num for v in judged if v.prompt_id in known])
    unlabelled = np.array([v.num for v in judged if v.prompt_id not in known])
    every = np.array([v.num for v in judged])

    slope = float(stats.linregress(f, y).slope)
    weight = slope * len(unlabelled) / len(every)  # lambda of the paper, over two disjoint parts
    assert found.tuning == pytest.approx(slope, abs=1e-12)
    expected = y.mean() + weight * (unlabelled.mean() - f.mean())
    residual = ((y - y.mean() - slope * (f - f.mean())) ** 2).sum() / 58
    half = stats.t.ppf(0.975, 58) * math.sqrt(
        residual / 60 + slope**2 * every.var(ddof=1) / len(every)
    )
    check_ends(found.estimate, expected, half, 60)
    assert (found.estimate.n, found.estimate.of) == (60, 500)
    assert found.estimate.high - found.estimate.low < found.labels_only.high - found.labels_only.low  # type: ignore[operator]


def test_labels_alone_and_the_target_that_decides_what_is_sampled() -> None:
    judged, labelled = world(1, 100)
    y = [value.num for value in labelled]
    half = stats.t.ppf(0.975, 99) * stats.sem(y)
    found = prediction_powered_mean("m", judged, labelled)
    check_ends(found.labels_only, np.mean(y), half, 100)
    these = prediction_powered_mean("m", judged, labelled, "these")
    check_ends(these.labels_only, np.mean(y), half * math.sqrt(1 - 100 / 500), 100)


def test_all_labels_are_wins() -> None:
    judged, _ = world(1, 100)
    wins = values([1.0] * 500)[:40]
    found = prediction_powered_mean("m", judged, wins).labels_only
    assert found.value == found.high == 1
    # Below the two-sided rule of three, 1 - 3.7 / 40, and not by much.
    assert found.low is not None and 0.8 < found.low < 0.908


def test_a_constant_judge_leaves_exactly_the_labels() -> None:
    _, labelled = world(2, 40)
    found = prediction_powered_mean("m", values([0.7] * 500), labelled)
    assert found.tuning == 0
    assert ends(found.estimate) == ends(found.labels_only)
    assert found.width_ratio == 1
    assert found.worth_labels == 40


def test_a_judge_that_equals_people_leaves_only_the_prompts_own_sampling() -> None:
    _, labelled = world(3, 200, size=2000)
    rng = np.random.default_rng(3)
    human = (rng.random(2000) < 0.55) * 1.0
    found = prediction_powered_mean("m", values(human), labelled, "these")
    assert found.tuning == pytest.approx(1)
    assert found.estimate.value == pytest.approx(human.mean())
    assert found.bias.value == 0
    # 0.03: two whole errors in 200 labels; labels alone give 0.13.
    assert found.estimate.high - found.estimate.low < 0.03  # type: ignore[operator]
    assert found.worth_labels is not None and found.worth_labels > 4000


def covers(seed: int, truth: float, judge: Numbers, human: Numbers, n: int) -> list[bool]:
    """Whether the intervals of 150 draws of ``n`` labels hold the mean over these prompts."""
    judged, labels = values(judge), values(human)
    rng = np.random.default_rng(seed)
    drawn = [rng.choice(len(labels), n, replace=False) for _ in range(150)]
    found = [
        prediction_powered_mean("m", judged, [labels[i] for i in rows], "these", rounds=1).estimate
        for rows in drawn
    ]
    return [m.low <= truth <= m.high for m in found]  # type: ignore[operator]


def test_twenty_labels_without_an_error_do_not_prove_a_judge() -> None:
    human = np.arange(200) % 2 * 1.0
    judge = human.copy()
    judge[:8:2] = 1  # wrong on 2 %, always upwards
    # Two draws of three see no error at all. Without the two whole errors: 0.4.
    assert np.mean(covers(0, 0.5, judge, human, 20)) >= 0.95


def test_the_interval_holds_with_a_biased_judge() -> None:
    rng = np.random.default_rng(1)
    human = (rng.random(200) < 0.55) * 1.0
    judge = np.where(human == 1, rng.random(200) >= 0.05, rng.random(200) < 0.4) * 1.0
    assert judge.mean() - human.mean() > 0.1
    assert 0.91 <= np.mean(covers(1, human.mean(), judge, human, 40)) <= 0.99


def test_values_of_one_cluster_are_not_independent() -> None:
    """Ten copies of every prompt: the interval must be that of the prompts, not of the copies."""
    judged, labelled = world(4, 50, size=300)

    def copies(rows: list[Value]) -> list[Value]:
        return [
            row.model_copy(update={"prompt_id": f"{row.prompt_id} {i}"})
            for row in rows
            for i in range(10)
        ]

    for target in ("population", "these"):
        once = prediction_powered_mean("m", judged, labelled, target)  # type: ignore[arg-type]
        often = prediction_powered_mean("m", copies(judged), copies(labelled), target)  # type: ignore[arg-type]
        assert ends(often.estimate) == pytest.approx(ends(once.estimate), abs=1e-9)
        assert ends(often.labels_only) == pytest.approx(ends(once.labels_only), abs=1e-9)


def test_bias_is_the_judges_mean_error_where_people_labelled() -> None:
    judged, labelled = world(5, 200)
    found = prediction_powered_mean("m", judged, labelled).bias
    by_id = {value.prompt_id: value.num for value in judged}
    error = [by_id[value.prompt_id] - value.num for value in labelled]
    half = stats.t.ppf(0.975, 199) * stats.sem(error)
    check_ends(found, np.mean(error), half, 200, (-1, 1))


def test_a_judge_on_another_scale_helps_as_much_but_has_no_bias() -> None:
    judged, labelled = world(6, 60)
    graded = [value.model_copy(update={"num": 1 + 4 * value.num}) for value in judged]
    plain = prediction_powered_mean("m", judged, labelled)
    found = prediction_powered_mean("m", graded, labelled)
    assert ends(found.estimate) == pytest.approx(ends(plain.estimate), abs=1e-9)
    assert found.bias.value is None and "another scale" in (found.bias.reason or "")


def test_a_paired_difference_of_two_models() -> None:
    candidate, incumbent = values([1, 1, 0.5, 0, 1]), values([0, 1, 1, 0])
    found = differences("m", candidate, incumbent)
    assert [(v.prompt_id, v.num) for v in found] == [("p0", 1), ("p1", 0), ("p2", -0.5), ("p3", 0)]
    metric = prediction_powered_mean("m", found, found[:3], bounds=(-1, 1)).labels_only
    assert metric.value == pytest.approx(1 / 6)
    assert metric.low is not None and metric.high is not None
    assert -1 <= metric.low < -0.7 and 0.8 < metric.high <= 1  # three labels: next to nothing


def test_too_few_labels_give_no_number() -> None:
    judged, labelled = world(7, 60)
    none = prediction_powered_mean("m", judged, [])
    assert ends(none.estimate) == (None, None, None)
    assert none.estimate.reason and none.worth_labels is None
    assert none.judge_only.value is not None
    one = prediction_powered_mean("m", judged, labelled[:1])
    assert one.estimate.value is not None and one.estimate.low is None
    nobody = prediction_powered_mean("m", [], labelled)
    assert ends(nobody.estimate) == ends(nobody.judge_only) == (None, None, None)
    assert "60 of 60 labelled prompts have no verdict" in nobody.notes[0]


def test_labels_on_every_prompt_are_the_answer() -> None:
    judged, labelled = world(8, 500)
    found = prediction_powered_mean("m", judged, labelled, "these").estimate
    mean = np.mean([value.num for value in labelled])
    assert ends(found) == pytest.approx((mean, mean, mean), abs=1e-12)


def test_labels_that_were_picked_by_hand_are_noted() -> None:
    judged, _ = world(9, 60)
    picked = [value for value in judged if value.num == 1][:60]
    assert any("drawn at random" in n for n in prediction_powered_mean("m", judged, picked).notes)
    mixed = picked[:55] + [value for value in judged if value.num == 0][:5]
    assert any("drawn at random" in n for n in prediction_powered_mean("m", judged, mixed).notes)
    assert prediction_powered_mean("m", *world(9, 60)).notes == []


def test_what_cannot_be_used_is_named() -> None:
    judged, labelled = world(10, 60)
    bad = labelled[0].model_copy
    for change, said in [
        ({"num": 7.0}, "is 7.0, expected 0 to 1"),
        ({"den": 2.0}, "has den 2 in cluster"),
        ({"cluster": "x"}, "in cluster 'x', the judge's"),
        ({"num": math.nan}, "is nan / 1.0, expected finite"),
        ({"den": 0.0}, "expected finite numbers and a positive denominator"),
    ]:
        with pytest.raises(SrlmError, match=said):
            prediction_powered_mean("m", judged, [bad(update=change)])
    with pytest.raises(SrlmError, match="is there twice"):
        prediction_powered_mean("m", judged, [labelled[0], labelled[0]])


def test_the_order_of_the_files_does_not_matter() -> None:
    judged, labelled = world(11, 60)
    assert prediction_powered_mean("m", judged, labelled) == prediction_powered_mean(
        "m", judged[::-1], labelled[::-1]
    )
