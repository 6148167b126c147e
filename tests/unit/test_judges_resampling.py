"""Resampling: the share that is asked for, what is left, and where it cannot be reached."""

from __future__ import annotations

from collections import Counter

import pytest

from judges.resampling import cap, largest_share, resample


@pytest.mark.parametrize(
    ("counts", "share", "found"),
    [
        ({"0": 10, "1": 10, "2": 10, "3": 10}, 0.3, 10),  # nothing to do
        ({"1": 20, "2": 30, "3": 40, "4": 300}, 0.3, 30),  # 20 + 3 x 30: 27 %; at 31 there is
        ({"4": 90, "5": 10}, 0.5, 10),
        ({"4": 90, "5": 10}, 0.3, 10),  # two scores: equal is the best there is
        ({"4": 90}, 0.3, 90),  # one score: nothing helps
        ({"4": 90, "3": 0}, 0.3, 90),
        ({}, 0.3, 0),
        ({"1": 1, "2": 1, "3": 1, "4": 1, "5": 90}, 0.3, 1),
    ],
)
def test_caps(counts, share, found) -> None:
    if counts.get("4") == 300:  # computed by trying every cap
        found = max(c for c in range(1, 301)
                    if c <= share * sum(min(n, c) for n in counts.values()) + 1e-9)  # fmt: skip
    assert cap(counts, share) == found


def test_resampling_never_goes_below_what_is_needed() -> None:
    counts = {"4": 90, "5": 10}
    assert cap(counts, 0.3, least=60) == 50
    assert cap(counts, 0.3, least=1000) == 90


def test_the_examples_that_stay() -> None:
    items = [f"{4 if i % 10 else i // 10 % 4}-{i}" for i in range(400)]
    found = resample(items, lambda item: item[0], 0.3, "seed")
    counts = Counter(item[0] for item in found)
    assert max(counts.values()) <= 0.3 * len(found)
    assert all(counts[s] == 10 for s in "0123") and found == [x for x in items if x in set(found)]
    assert found == resample(items, lambda item: item[0], 0.3, "seed")
    assert found != resample(items, lambda item: item[0], 0.3, "other")
    assert resample([], str, 0.3, "seed") == []


def test_the_largest_share() -> None:
    assert largest_share({"1": 1, "2": 3}) == 0.75 and largest_share({}) is None
