"""What may be trained on and what is measured on: one rule, by the prompt's text."""

from __future__ import annotations

import hashlib
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.human_data.split import bare_text, check_disjoint, held_out_prompt, split_prompts
from benchmarks.oasst import held_out_prompt as from_oasst
from judges.labels import Label, LabelledPair
from judges.rankings import RankedPrompt
from results.errors import SrlmError, UsageError
from results.records import Message

SPACES = st.text(" \n\t\u00a0", min_size=1, max_size=3)
WORDS = st.lists(st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1), min_size=1)
SHARE = st.floats(0, 1)


def prompt(text: str) -> RankedPrompt:
    return RankedPrompt(id=text, prompt=text, responses=[])


def test_the_rule_is_the_one_that_was() -> None:
    for text, share in product(("Why?", "Write a poem.", "prompt 1"), (0.1, 0.3, 0.5, 0.9)):
        was = int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) < share * 16**8
        assert held_out_prompt(text, share) == from_oasst(text, share) == was


@settings(max_examples=40)
@given(WORDS, st.data(), SHARE)
def test_spacing_does_not_matter(words: list[str], data: st.DataObject, share: float) -> None:
    spaced = "".join(word + data.draw(SPACES) for word in words)
    plain = " ".join(words)
    assert held_out_prompt(spaced, share) == held_out_prompt(plain, share)
    message = [Message(role="user", content=spaced)]
    assert held_out_prompt(message, share) == held_out_prompt(plain, share)
    assert bare_text(bare_text(spaced)) == bare_text(spaced)


@settings(max_examples=40)
@given(st.lists(st.text(), max_size=30), SHARE, SHARE)
def test_both_sides_together_are_all_and_apart(texts: list[str], one: float, other: float) -> None:
    items = [prompt(text) for text in texts]
    train, held_out = split_prompts(items, one)
    check_disjoint(train, held_out)
    assert sorted([*train, *held_out], key=lambda p: p.id) == sorted(items, key=lambda p: p.id)
    assert split_prompts(reversed(items), one)[1] == held_out[::-1]
    if one <= other:  # a larger share holds out all that a smaller one does
        more = split_prompts(items, other)[1]
        assert all(item in more for item in held_out)


def test_the_ends_of_the_share() -> None:
    items = [prompt(str(i)) for i in range(50)]
    assert split_prompts(items, 0) == (items, []) and split_prompts(items, 1) == ([], items)
    for share in (-0.1, 1.1, float("nan")):
        with pytest.raises(UsageError, match="expected 0 to 1"):
            split_prompts(items, share)


def test_a_prompt_on_both_sides_is_named() -> None:
    pair = LabelledPair(
        id="p", prompt=[Message(role="user", content="two  words")], first="A", second="B",
        labels=(Label(label="tie"),),
    )  # fmt: skip
    check_disjoint([prompt("one"), prompt("twowords")], [pair])
    with pytest.raises(SrlmError, match="prompt 'two words' is in the training data and in the"):
        check_disjoint([prompt("one"), prompt(" two\nwords ")], [prompt("three"), pair])
