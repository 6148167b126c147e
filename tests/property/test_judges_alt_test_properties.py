"""The alternative annotator test against a plain calculation."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped,unused-ignore]

from judges.alt_test import alt_test

ANSWERS = st.dictionaries(
    st.sampled_from([f"i{k}" for k in range(12)]), st.sampled_from("ab"), max_size=12
)


@settings(deadline=None, max_examples=60)
@given(ANSWERS, st.lists(ANSWERS, max_size=4), st.sampled_from([0.0, 0.1, 0.2]))
def test_against_a_plain_calculation(
    judge: dict[str, str], answers: list[dict[str, str]], epsilon: float
) -> None:
    people = {str(k): part for k, part in enumerate(answers)}
    found = alt_test(judge, people, epsilon, min_items=3)
    p_values, wins = {}, {}
    for name, own in people.items():
        ours, theirs = [], []
        for item in own:
            others = [part[item] for who, part in people.items() if who != name and item in part]
            if item in judge and others:
                mine = others.count(judge[item])
                ours.append(mine >= others.count(own[item]))
                theirs.append(others.count(own[item]) >= mine)
        if len(ours) >= 3:
            wins[name] = sum(ours) / len(ours)
            differences = [int(t) - int(o) for t, o in zip(theirs, ours, strict=True)]
            if len(set(differences)) == 1:
                p_values[name] = float(differences[0] >= epsilon)
            else:
                test = stats.ttest_1samp(differences, epsilon, alternative="less")
                p_values[name] = float(test.pvalue)
    # Step-up: the largest k with p_(k) <= k / m * q / (1 + 1/2 + ... + 1/m).
    m = len(p_values)
    harmonic = sum(1 / k for k in range(1, m + 1))
    steps = [k for k, p in enumerate(sorted(p_values.values()), 1) if p <= k / m * 0.05 / harmonic]
    assert found.n == m
    assert found.omega == (pytest.approx(max(steps, default=0) / m) if m else None)
    assert found.rho == (pytest.approx(sum(wins.values()) / m) if m else None)
    for one in found.annotators:
        value = p_values.get(one.annotator)
        assert one.p_value == (None if value is None else pytest.approx(value))
