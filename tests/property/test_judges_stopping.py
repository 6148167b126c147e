"""Adaptive draws: with ``certain`` no further draw can change the pair, and none is wasted."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from judges.stopping import NextDraw, Rule, needed, pair_of, stands

SCORES = [None, 0.0, 1.0, 2.0]
RULES = st.builds(
    Rule,
    draws=st.integers(1, 3),
    min_scored=st.integers(1, 2),
    scale=st.just((0.0, 2.0)),
    min_margin=st.sampled_from([0.0, 0.5, 1.0]),
)


@st.composite
def states(draw: st.DrawFn) -> tuple[Rule, dict[str, list[float | None]]]:
    rule = draw(RULES)
    count = draw(st.integers(1, 3))
    said = st.lists(st.sampled_from(SCORES), max_size=rule.draws)
    found = {f"r{i}": draw(said) for i in range(count)}
    while sum(rule.draws - len(s) for s in found.values()) > 4:  # the futures stay countable
        shortest = min(found, key=lambda n: len(found[n]))
        found[shortest].append(draw(st.sampled_from(SCORES)))
    return rule, found


def futures(rule: Rule, said: dict[str, list[float | None]]) -> set[tuple[int, int]]:
    """The pairs of every way in which the draws that are left can fall."""
    open_ = [name for name, s in said.items() for _ in range(rule.draws - len(s))]
    found = set()
    for fall in itertools.product(SCORES, repeat=len(open_)):
        full = {name: list(s) for name, s in said.items()}
        for name, score in zip(open_, fall, strict=True):
            full[name].append(score)
        found.add(pair_of(full, rule))
    return found


@given(states())
@settings(max_examples=1000, deadline=None)
def test_nothing_needed_means_that_nothing_can_change(state) -> None:
    rule, said = state
    if not needed(said, rule):
        ends = futures(rule, said)
        assert len(ends) == 1
        # What is kept without the draws that were spared is that pair.
        assert ends == {pair_of(said, rule)}


@given(states())
@settings(max_examples=150, deadline=None)
def test_what_is_needed_has_draws_left_and_settles(state) -> None:
    rule, said = state
    while asked := needed(said, rule):
        assert all(len(said[name]) < rule.draws for name in asked)
        for name in asked:
            said[name].append(1.0)
    assert len(futures(rule, said)) == 1


@given(states())
@settings(max_examples=50, deadline=None)
def test_certainty_is_a_probability_of_one(state) -> None:
    rule, said = state
    falls = NextDraw([[0.0, 1.0, 2.0, None]])
    if not needed(said, rule) and all(any(x is not None for x in s) for s in said.values()):
        assert stands(said, rule, falls, "seed") == 1.0


def test_a_tie_of_finished_candidates_is_settled() -> None:
    """Of equal ones the first is taken, so that the other end decides about the margin."""
    rule = Rule(draws=5, min_scored=1, scale=(0, 5), min_margin=2)
    assert needed({"a": [4] * 5, "b": [4] * 5, "c": [1, 1]}, rule) == ["c"]
    assert needed({"c": [4, 4], "a": [1] * 5, "b": [1] * 5}, rule) == ["c"]
    small = Rule(draws=3, min_scored=1, scale=(0, 5), min_margin=1)
    assert needed({"a": [0, 0, 0], "b": [0, 0, 0], "c": [0, 1]}, small) == ["c"]


def test_a_middle_candidate_is_not_asked_again() -> None:
    rule = Rule(draws=5, min_scored=1, scale=(0, 5), min_margin=0)
    said = {"top": [5] * 4, "middle": [3] * 4, "end": [0] * 4}
    assert needed(said, rule) == []
    close = {"top": [5] * 4, "next": [5, 5, 5, 4], "middle": [3] * 4, "end": [0] * 4}
    assert needed(close, rule) == ["top", "next"]
    unread = {"top": [5] * 4, "middle": [3] * 4, "end": [None] * 4}
    assert needed(unread, rule) == ["top", "middle", "end"]  # the last may yet be anything


def test_a_judge_that_repeats_itself_settles_sooner() -> None:
    rule = Rule(draws=3, min_scored=1, scale=(0, 5), min_margin=0)
    said = {"a": [4, 4], "b": [3, 3]}
    steady = NextDraw([[float(s)] * 3 for s in range(6)] * 50)
    wild = NextDraw([[0.0, 5.0, 2.0]] * 50)
    assert stands(said, rule, steady, "x") > 0.95 > stands(said, rule, wild, "x")
    assert stands(said, rule, wild, "x") == stands(said, rule, wild, "x")
