"""What holds for any judge, any labels and any clusters."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from results.prediction_powered import PredictionPowered, prediction_powered_mean
from results.records import Metric, Value

HUMAN = st.sampled_from([0.0, 0.5, 1.0])
ROWS = st.lists(st.tuples(HUMAN, st.floats(0, 1), st.booleans(), st.integers(0, 9)), max_size=30)
Row = tuple[float, float, bool, int]


def measure(rows: list[Row], target: str, scale: float = 1, shift: float = 0) -> PredictionPowered:
    def value(i: int, num: float) -> Value:
        return Value(prompt_id=f"p{i}", metric="m", num=num, cluster=f"c{rows[i][3]}")

    judged = [value(i, shift + scale * judge) for i, (_, judge, _, _) in enumerate(rows)]
    labelled = [value(i, human) for i, (human, _, known, _) in enumerate(rows) if known]
    return prediction_powered_mean("m", judged, labelled, target, rounds=2)  # type: ignore[arg-type]


def within(metric: Metric, low: float, high: float) -> None:
    assert (metric.low is None) == (metric.high is None)
    if metric.low is not None:
        assert metric.value is not None and metric.high is not None
        assert low <= metric.low <= metric.value <= metric.high <= high


@settings(max_examples=60, deadline=None)
@given(ROWS, st.sampled_from(["population", "these"]))
def test_intervals_hold_their_value_and_keep_to_the_bounds(rows: list[Row], target: str) -> None:
    found = measure(rows, target)
    within(found.estimate, 0, 1)
    within(found.labels_only, 0, 1)
    within(found.bias, -1, 1)
    labels = sum(known for _, _, known, _ in rows)
    assert (found.estimate.value is None) == (labels == 0)
    assert (found.estimate.n, found.estimate.of) == (labels, len(rows))


@settings(max_examples=60, deadline=None)
@given(ROWS, st.sampled_from(["population", "these"]), st.floats(0, 1))
def test_a_constant_judge_changes_nothing(rows: list[Row], target: str, constant: float) -> None:
    found = measure([(human, constant, known, c) for human, _, known, c in rows], target)
    assert (found.tuning, found.estimate.value) == (0, found.labels_only.value)
    assert (found.estimate.low, found.estimate.high) == (
        found.labels_only.low,
        found.labels_only.high,
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(HUMAN, st.booleans()), min_size=4, max_size=40))
def test_a_judge_that_equals_people_gives_their_mean(rows: list[tuple[float, bool]]) -> None:
    found = measure([(human, human, known, i) for i, (human, known) in enumerate(rows)], "these")
    labels = {human for human, known in rows if known}
    if sum(known for _, known in rows) < 3 or len(labels) < 2:
        return  # the labels cannot tell that it does
    assert found.estimate.value is not None and found.bias.value == 0
    assert abs(found.estimate.value - np.mean([human for human, _ in rows])) < 1e-9


@settings(max_examples=60, deadline=None)
@given(ROWS, st.floats(0.1, 50), st.floats(-5, 5))
def test_the_judges_scale_does_not_matter(rows: list[Row], scale: float, shift: float) -> None:
    rounded = [(human, round(judge, 2), known, c) for human, judge, known, c in rows]
    one, other = measure(rounded, "population"), measure(rounded, "population", scale, shift)
    for a, b in [
        (one.estimate.value, other.estimate.value),
        (one.estimate.low, other.estimate.low),
    ]:
        assert (a is None) == (b is None)
        assert a is None or b is None or abs(a - b) < 1e-6
