"""Distinct-n at one size, repeats, and the phrase that nobody named beforehand."""

from __future__ import annotations

import itertools

import pytest

from results.diversity import (
    distinct,
    most_grown,
    most_shared,
    phrases,
    repeats,
    sentences,
)


def test_distinct_is_the_mean_over_all_samples():
    words = ["a", "a", "a", "b", "b", "c"]
    drawn = [len(set(sample)) / 3 for sample in itertools.combinations(words, 3)]
    found = distinct("distinct_1", ["a a a", "B b", "c"], 1, sample=3)
    assert found.value == pytest.approx(sum(drawn) / len(drawn))
    assert (found.n, found.of) == (3, 6)


def test_distinct_of_a_whole_corpus_is_the_usual_one():
    found = distinct("distinct_2", ["x y x y", "x y"], 2, sample=4)
    assert found.value == pytest.approx(2 / 4)


def test_distinct_does_not_depend_on_how_often_the_corpus_is_repeated():
    texts = [f"word{i} other{i % 7}" for i in range(400)]
    one = distinct("d", texts, 1, sample=100).value
    four = distinct("d", texts * 4, 1, sample=100).value
    assert one is not None and four is not None
    assert one == pytest.approx(four, abs=0.03)  # the usual one falls to a quarter


def test_distinct_of_too_few_is_null_with_a_reason():
    found = distinct("distinct_1", ["three short words"], 1)
    assert found.value is None and "3 1-grams" in (found.reason or "")


def test_repeats_count_all_but_the_first():
    assert repeats([["a  b", "a b", "c"], ["x"], []]) == [1, 0, 0]


def test_a_text_carries_a_phrase_once_however_often_it_says_it():
    found = most_shared(["I hope this helps. I hope this helps!", "no"], sentences)
    assert found is not None
    assert (found.text, found.n, found.of) == ("i hope this helps", 1, 2)


def test_the_phrase_that_grew_is_not_the_one_that_was_always_there():
    before = ["the odd one is x"] * 8 + ["the odd one is y, I hope this helps"] * 2
    after = ["the odd one is x"] * 5 + ["the odd one is y, I hope this helps"] * 5
    found = most_grown(after, before, phrases)
    assert found is not None and found.text.endswith(("hope this helps", "is y i hope"))
    assert (found.n, found.of, found.n_before, found.of_before) == (5, 10, 2, 10)
    shared = most_shared(after, phrases)
    assert shared is not None and shared.text == "the odd one is"


def test_nothing_grew_is_null():
    assert most_grown(["a b c d"], ["a b c d"], phrases) is None
    assert most_grown([], ["a b c d"], phrases) is None
    assert most_shared(["too short"], phrases) is None
