"""Answers worsened on purpose: the similar instruction, and the damaged text."""

from __future__ import annotations

import random
import time
from collections import Counter

from benchmarks.worsened import damaged, most_similar
from results.records import Example, Message


def examples(*prompts: str) -> list[Example]:
    return [
        Example(id=str(i), prompt=text, completion="x", kind="ift")
        for i, text in enumerate(prompts)
    ]


def test_the_most_similar_instruction_with_another_text() -> None:
    ift = examples(
        "Name a red fruit", "name a  RED fruit", "Name a green fruit", "How do planes fly?",
        "How do birds fly?",
    )  # fmt: skip
    # The same words in another spacing or case are no other instruction.
    found = most_similar(ift, range(5), 0)
    assert found[:2] == [2, 2] and found[2] in (0, 1) and found[3:] == [4, 3]
    assert most_similar(ift, [3], 0) == [4]
    assert most_similar(examples("One", "one"), [0, 1], 0) == [None, None]
    assert most_similar(examples("Alone"), [0], 0) == [None]


def test_equals_are_drawn_by_the_seed() -> None:
    ift = examples("What is 0?", *(f"What is {i}?" for i in range(1, 30)))
    found = [most_similar(ift, [0], seed)[0] for seed in range(30)]
    assert len(set(found)) > 5 and 0 not in found
    assert found == [most_similar(ift, [0], seed)[0] for seed in range(30)]


def test_texts_without_words_and_conversations_have_a_neighbour_too() -> None:
    turns = [Message(role="user", content="Name a red fruit"),
             Message(role="assistant", content="Apple"),
             Message(role="user", content="Another?")]  # fmt: skip
    ift = [*examples("???", "!!!", "Name a red fruit, another"),
           Example(id="t", prompt=turns, completion="x", kind="ift")]  # fmt: skip
    found = most_similar(ift, range(4), 0)
    assert found[0] in (1, 2, 3) and found[2] == 3 and found[3] == 2


def test_many_instructions_are_compared_in_time() -> None:
    rng = random.Random(0)
    ift = examples(*(" ".join(f"w{rng.randrange(3000)}" for _ in range(12)) for _ in range(2000)))
    began = time.perf_counter()
    found = most_similar(ift, range(300), 0)
    assert len(found) == 300 and time.perf_counter() - began < 3


def test_damage() -> None:
    text = "One two three four. Five six seven eight."
    others = ["A first. A second!", text, "No stop"]
    kinds: Counter[str] = Counter()
    for seed in range(80):
        found = damaged(text, others, random.Random(seed))
        assert found is not None
        kind, worse = found
        kinds[kind] += 1
        if kind == "cut":
            assert text.startswith(worse) and 2 <= len(worse.split()) <= 6
        else:
            assert worse.removeprefix(f"{text} ") in ("A first.", "A second!", "No stop")
        assert found == damaged(text, others, random.Random(seed))
    assert min(kinds["cut"], kinds["appended"]) > 20


def test_damage_where_only_one_or_none_is_possible() -> None:
    rng = random.Random(0)
    assert {damaged("Yes", ["No way."], rng) for _ in range(9)} == {("appended", "Yes No way.")}
    for _ in range(9):
        assert damaged("Yes indeed", ["Yes", " \n", ""], rng) == ("cut", "Yes")
    assert damaged("Yes", ["Yes"], rng) is None
    assert damaged("Yes", [], rng) is None
    hostile = "\x1b[31m " + " " * 100_000 + "." * 1000
    assert damaged("a b c d", [hostile], rng) is not None
