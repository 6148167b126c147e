"""The exact bound of a share: it misses as seldom as it says, whatever the truth is."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, hypergeom

from results.exact_bound import share_at_least


@st.composite
def drawn_of(draw: st.DrawFn) -> tuple[int, int]:
    of = draw(st.integers(1, 60))
    return draw(st.integers(1, of)), of


levels = st.sampled_from([0.8, 0.9, 0.95, 0.99])


@settings(max_examples=40, deadline=None)
@given(drawn_of(), levels)
def test_above_the_truth_at_most_as_often_as_stated(sizes, level) -> None:
    drawn, of = sizes
    bounds = [share_at_least(good, drawn, of, level) for good in range(drawn + 1)]
    assert bounds == sorted(bounds)
    for true in range(of + 1):  # every way the set may be
        missed = sum(low <= true / of for low in bounds)  # the first sample that is too good
        assert hypergeom.sf(missed - 1, of, true, drawn) <= 1 - level + 1e-9


@settings(max_examples=40, deadline=None)
@given(drawn_of(), levels, st.data())
def test_it_is_a_share_of_the_set_and_of_all_drawn_the_share(sizes, level, data) -> None:
    drawn, of = sizes
    good = data.draw(st.integers(0, drawn))
    low = share_at_least(good, drawn, of, level)
    assert good / of <= low <= (of - drawn + good) / of
    if drawn == of:
        assert low == good / of


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 30), levels, st.data())
def test_of_a_large_set_it_is_the_bound_of_clopper_and_pearson(drawn, level, data) -> None:
    good = data.draw(st.integers(0, drawn))
    theirs = binomtest(good, drawn, alternative="greater").proportion_ci(level, "exact").low
    assert abs(share_at_least(good, drawn, 1_000_000, level) - theirs) < 1e-4
