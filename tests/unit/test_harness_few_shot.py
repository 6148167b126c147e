"""What a model is shown when it is asked for an instruction, and what is read in its answer."""

from __future__ import annotations

import time

import pytest

from backends.engines.engine import Completion, Usage
from harness.config import Prompts
from harness.stages.few_shot import decoding, few_shot, read_answer

SEEDS = [f"Seed {i}?" for i in range(20)]
WRITTEN = [f"Written {i}?" for i in range(5)]


def shown(config: Prompts, written: list[str], seed: str = "s", seeds: list[str] = SEEDS):
    lines = str(few_shot(config, seeds, written, seed).prompt).splitlines()
    return [line.partition(". ")[2] for line in lines[:-1]], lines[-1]


def test_eight_shots_are_six_and_two_in_any_order() -> None:
    lines, last = shown(Prompts(), WRITTEN)
    assert last == "9." and len(set(lines)) == 8
    assert sum(line in WRITTEN for line in lines) == 2
    places = {tuple(line in WRITTEN for line in shown(Prompts(), WRITTEN, str(s))[0])
              for s in range(20)}  # fmt: skip
    assert len(places) > 5
    assert shown(Prompts(), WRITTEN) == shown(Prompts(), WRITTEN)


@pytest.mark.parametrize(("written", "ours"), [(0, 0), (1, 1), (2, 2), (5, 2)])
def test_seed_instructions_stand_in_for_what_is_not_written_yet(written: int, ours: int) -> None:
    lines, _ = shown(Prompts(), WRITTEN[:written])
    assert len(lines) == 8 and sum(line in WRITTEN for line in lines) == ours
    few, last = shown(Prompts(), WRITTEN[:written], seeds=SEEDS[:6])
    assert len(few) == 6 + ours and last == f"{7 + ours}."  # no more seeds are there


def test_a_chat_is_one_user_turn_with_the_list_in_it() -> None:
    config = Prompts(form="chat")
    (turn,) = few_shot(config, SEEDS, WRITTEN, "s").prompt
    listed, _ = shown(Prompts(), WRITTEN)
    assert turn.role == "user"
    assert "\n".join(f"{i}. {text}" for i, text in enumerate(listed, 1)) in turn.content
    assert decoding(config, 3).stop == () and decoding(Prompts(), 3).stop == ("\n",)


@pytest.mark.parametrize(
    ("said", "text", "reason"),
    [
        ("Name three birds.", "Name three birds.", None),
        ("\n\n  9. Name  three birds.\n10. And more.", "Name three birds.", None),
        ('"Name three birds."', "Name three birds.", None),
        ("**Name three birds.**\n", "Name three birds.", None),
        ("“Name three birds.”", "Name three birds.", None),
        ('"Name" and "birds"', '"Name" and "birds"', None),
        ("New instruction: Name three birds.", "Name three birds.", None),
        ("Sure! Here is a new request for you:\n\n9. Name three birds.", "Name three birds.", None),
        ("Here's one: 'Name three birds.'", "Name three birds.", None),
        ("**Instruction 9:** Name three birds.", "Name three birds.", None),
        ("Tasks that are hard: name three.", "Tasks that are hard: name three.", None),
        ("Put this sentence into French:\nThe cat sleeps.", "Put this sentence into French:",
         "no_instruction"),
        ("Sure! Here is a new instruction:\n", "", "no_instruction"),
        ("9.\n", "", "no_instruction"),
        (" \n", "", None),  # the filters call it empty
    ],
)  # fmt: skip
def test_reading_a_chat_answer(said: str, text: str, reason: str | None) -> None:
    done = Completion(said, "stop", Usage(1, 1))
    assert read_answer(Prompts(form="chat"), done) == (text, reason)


def test_only_a_cut_line_is_unterminated() -> None:
    chat, base = Prompts(form="chat"), Prompts()
    for said, reason in (("Name three bi", "unterminated"), ("Name three birds.\nAnd so o", None),
                         ("Name three birds.\n", None), ("", "unterminated")):  # fmt: skip
        assert read_answer(chat, Completion(said, "length", Usage(1, 1)))[1] == reason
    assert (
        read_answer(base, Completion("Name three bi", "length", Usage(1, 1)))[1] == "unterminated"
    )
    for config in (chat, base):
        assert read_answer(config, Completion("HTTP 500", "error", Usage(1, 0)))[1] == "error"


@pytest.mark.parametrize(
    "piece", ["1. ", '"', "Sure: ", "here ", "\n", "**", "\x00", "\u2028", "a"]
)
def test_ten_megabytes_are_read_in_no_time(piece: str) -> None:
    said = piece * (10_000_000 // len(piece))
    begun = time.process_time()
    text, _ = read_answer(Prompts(form="chat"), Completion(said, "stop", Usage(1, 1)))
    assert time.process_time() - begun < 5 and "\n" not in text
