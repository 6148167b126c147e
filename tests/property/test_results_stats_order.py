"""Metrics do not depend on the order of rows; intervals bound what they say."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from results.records import Value
from results.stats import paired_difference, ratio_metric

SHARES = st.lists(
    st.tuples(st.integers(0, 5), st.floats(0, 1), st.sampled_from([0.0, 0.1, 1.0, 3.0])),
    max_size=15,
)


def build(rows: list[tuple[int, float, float]]) -> list[Value]:
    return [
        Value(prompt_id=f"p{i}", metric="m", num=share * den, den=den, cluster=f"c{cluster}")
        for i, (cluster, share, den) in enumerate(rows)
    ]


@settings(deadline=None)
@given(SHARES, st.randoms(use_true_random=False))
def test_order_does_not_matter(rows: list[tuple[int, float, float]], random: object) -> None:
    values = build(rows)
    other = [value.model_copy(update={"num": value.num / 2}) for value in values]
    shuffled, other_shuffled = list(values), list(other)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    random.shuffle(other_shuffled)  # type: ignore[attr-defined]
    assert ratio_metric("m", values, 20, "c", rounds=50) == ratio_metric(
        "m", shuffled, 20, "c", rounds=50
    )
    assert paired_difference("m", values, other, rounds=50) == paired_difference(
        "m", shuffled, other_shuffled, rounds=50
    )


@settings(deadline=None)
@given(SHARES)
def test_share_and_its_interval_lie_in_range(rows: list[tuple[int, float, float]]) -> None:
    metric = ratio_metric("m", build(rows), 20, "c", rounds=50)
    assert (metric.value is None) == (sum(den for _, _, den in rows) == 0)
    assert (metric.low is None) == (metric.high is None)
    assert (metric.low is None) == (metric.value is None or len({row[0] for row in rows}) < 2)
    if metric.value is not None and metric.low is not None and metric.high is not None:
        assert -1e-9 <= metric.low <= metric.high <= 1 + 1e-9
        assert -1e-9 <= metric.value <= 1 + 1e-9


@settings(deadline=None)
@given(SHARES)
def test_difference_changes_sign_with_its_sides(rows: list[tuple[int, float, float]]) -> None:
    values = build(rows)
    other = [value.model_copy(update={"num": value.den - value.num}) for value in values]
    forth = paired_difference("m", values, other, rounds=50)
    back = paired_difference("m", other, values, rounds=50)
    if forth.value is None:
        assert back.value is None
    else:
        assert back.value is not None and abs(forth.value + back.value) < 1e-9
    if forth.low is not None and back.high is not None:
        assert abs(forth.low + back.high) < 1e-9
