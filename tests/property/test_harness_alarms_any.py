"""What holds of alarms whatever the figure: what is surer fires too, and sides are symmetric."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.alarms.finding import above, below, beyond, counted
from harness.alarms.judges_apart import first_shown
from results.records import Metric, PairJudgment

NUMBERS = st.floats(-1, 1, allow_nan=False)


@st.composite
def metrics(draw: st.DrawFn) -> Metric:
    low, value, high = sorted(draw(st.tuples(NUMBERS, NUMBERS, NUMBERS)))
    return Metric(name="m", value=value, low=low, high=high, n=5, of=5, convention="")


def mirrored(metric: Metric) -> Metric:
    assert None not in (metric.value, metric.low, metric.high)
    return metric.model_copy(
        update={"value": -metric.value, "low": -metric.high, "high": -metric.low}  # type: ignore[operator]
    )


@given(metrics(), st.floats(0, 1), st.floats(0, 1))
def test_a_lower_threshold_fires_where_a_higher_one_does(metric: Metric, a: float, b: float):
    easy, hard = sorted((a, b))
    for look in (above, beyond):
        assert look(metric, easy, "x").fired >= look(metric, hard, "x").fired


@given(metrics(), st.floats(0, 1))
def test_both_sides_are_treated_alike(metric: Metric, threshold: float):
    other = mirrored(metric)
    assert above(metric, threshold, "x").fired == below(other, -threshold, "x").fired
    assert beyond(metric, threshold, "x").fired == beyond(other, threshold, "x").fired
    either = above(metric, threshold, "x").fired or below(metric, -threshold, "x").fired
    assert beyond(metric, threshold, "x").fired == either


@settings(deadline=None)  # scipy is loaded at the first example
@given(st.integers(0, 200), st.integers(1, 200))
def test_a_share_lies_in_its_interval_and_in_0_to_1(a: int, b: int):
    num, of = min(a, b), b
    found = counted("x", num, of, "", "")
    assert found.low is not None and found.high is not None and found.value is not None
    assert 0 <= found.low <= found.value + 1e-12 and found.value - 1e-12 <= found.high <= 1


@given(st.lists(st.tuples(st.sampled_from(["AB", "BA"]), st.sampled_from(["first", "second"])),
                min_size=2, max_size=30))  # fmt: skip
def test_the_other_order_is_the_other_bias(shown: list[tuple[str, str]]):
    def judged(swap: bool) -> list[PairJudgment]:
        order = {"AB": "BA", "BA": "AB"} if swap else {"AB": "AB", "BA": "BA"}
        return [
            PairJudgment(prompt_id=f"p{i}", order=order[o], status="scored", verdict=v)  # type: ignore[arg-type]
            for i, (o, v) in enumerate(shown)
        ]

    ours, theirs = first_shown(judged(False), 0), first_shown(judged(True), 0)
    assert ours.value is not None and theirs.value is not None
    assert abs(ours.value + theirs.value) < 1e-12 and abs(ours.value) <= 0.5
