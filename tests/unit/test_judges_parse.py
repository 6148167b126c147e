"""Score lines, odd and hostile: what each must become."""

from __future__ import annotations

import gzip
import json
from collections import Counter

import pytest

from judges.parsers.parsed import Parsed
from judges.parsers.table import read
from tests.real_data import real_data

SCORED = {
    "Score: 4": 4,
    "Good answer.\n\nScore: 4": 4,
    "Good answer.\r\nScore: 4\r\n\r\n": 4,
    "score: 0": 0,
    "SCORE : 5": 5,
    "**Score: 3**": 3,
    "**Score:** 3": 3,
    "**Score**: 3": 3,
    "__Score:__ `3`": 3,
    "## Score: 3": 3,
    "- Score: 3": 3,
    "* Score: 3": 3,
    "> Score: 3": 3,
    "1. Score: 3": 3,
    "2) **Score:** 3": 3,
    "[Score: 3]": 3,
    "Score: [[3]]": 3,
    "Score: <3>": 3,
    "Score: (3)": 3,
    "Score: 3.": 3,
    "Score: 3/5": 3,
    "Score: 3 / 5.": 3,
    "Score: **3**/5": 3,
    "Score: 3 out of 5": 3,
    "Score: 3 (out of 5)": 3,
    "Score: 3 points": 3,
    "Score: 1 point.": 1,
    "Score: 3/5 points.": 3,
    "Score: 4.5": 4.5,
    "Score: 4.50/5": 4.5,
    "Score: 05": 5,
    "Score: -0": 0,
    "Score:\u00a04": 4,
    "Score:\u200b 4\u200b": 4,
    "\ufeffSco\u200bre: 4\n\u200b\n": 4,
    "Score: 5\nOn reflection it is too long.\nScore: 2": 2,
    'The answer says "Score: 5" of itself.\nScore: 1': 1,
    "<think>Score: 5?</think>\nScore: 2": 2,
    "\n<THINK>\nScore: 5\n</THINK>Score: 2": 2,
    "<think>a</think><think>b</think>\nScore: 2": 2,
    "reasons without an opening tag\n</think>\n\nScore: 2": 2,
}
UNSCORED = {
    "": "empty",
    " \n\t\r\n": "empty",
    "\u200b\ufeff\n": "empty",
    "<think>Score: 5</think>": "empty",
    "<think>Score: 5": "no_score",
    "<think>a</think><think>\nScore: 5": "no_score",
    "5": "no_score",
    "Score:\n5": "no_score",
    "Score 5": "no_score",
    "Score\uff1a5": "no_score",
    "Subscore: 5": "no_score",
    "Sub-score: 5": "no_score",
    "sub_score: 5": "no_score",
    "Underscore: 5": "no_score",
    "downgrade: 5": "no_score",
    "Final Score: 5": "no_score",
    "No Score: 5": "no_score",
    "It is good. Score: 5": "no_score",
    "I would not write Score: 5": "no_score",
    "It is good.\u2028Score: 5": "no_score",
    "It is good.\x0bScore: 5": "no_score",
    "\x1b[31mScore: 5": "no_score",
    "Score: 5\nThe answer is good.": "no_score",
    "Score: 5\n---": "no_score",
    "Score: 5\n</answer>": "no_score",
    "Scores: 5": "no_score",
    "Score: 50": "out_of_range",
    "Score: 5\u200b0": "out_of_range",
    "Score: 6": "out_of_range",
    "Score: 5.01": "out_of_range",
    "Score: -1": "out_of_range",
    "Score: 4/10": "out_of_range",
    "Score: 4 out of 50": "out_of_range",
    "Score: " + "9" * 5000: "out_of_range",
    "Score:": "not_a_number",
    "Score: five": "not_a_number",
    "Score: N/A": "not_a_number",
    "Score: NaN": "not_a_number",
    "Score: inf": "not_a_number",
    "Score: 5 stars": "not_a_number",
    "Score: 4/": "not_a_number",
    "Score: +1": "not_a_number",
    "Score: .5": "not_a_number",
    "Score: 1e0": "ambiguous",
    "Score: \uff15": "not_a_number",
    "Score: \u0665": "not_a_number",
    "Score: 4\u00bd": "not_a_number",
    "Score: 4 out of 5 because it is short": "not_a_number",
    "Score: 2 points. The response": "not_a_number",
    "Score: Score: 4": "not_a_number",
    "Score: 3 Score: 5": "ambiguous",
    "Score: 3 or 4": "ambiguous",
    "Score: 3-4": "ambiguous",
    "Score: 3 to 4": "ambiguous",
    "Score: 3, 4": "ambiguous",
    "Score: 4,5": "ambiguous",
    "Score: 3 (not 5)": "ambiguous",
    "Score: 1*0": "ambiguous",
    "Score: 4/5/5": "not_a_number",
}


def parse_final_score_line(
    text: str, finish_reason: str, label: str, scale: tuple[int, int]
) -> Parsed:
    return read(text, finish_reason, "final_score_line", {"label": label}, scale)


@pytest.mark.parametrize(("text", "score"), SCORED.items())
def test_scored(text: str, score: float) -> None:
    parsed = parse_final_score_line(text, "stop", "Score", (0, 5))
    assert (parsed.score, parsed.reason) == (score, None)


@pytest.mark.parametrize(("text", "reason"), UNSCORED.items())
def test_unscored(text: str, reason: str) -> None:
    parsed = parse_final_score_line(text, "stop", "Score", (0, 5))
    assert (parsed.score, parsed.reason) == (None, reason)


@pytest.mark.parametrize("text", [*SCORED, *UNSCORED])
@pytest.mark.parametrize("finish_reason", ["length", "error"])
def test_cut_and_failed_calls_are_never_scored(text: str, finish_reason: str) -> None:
    parsed = parse_final_score_line(text, finish_reason, "Score", (0, 5))
    assert (parsed.score, parsed.reason) == (None, finish_reason)


def test_another_label_and_scale() -> None:
    assert parse_final_score_line("Total mark: 10/10", "stop", "Total Mark", (1, 10)).score == 10
    assert parse_final_score_line("Score: 10", "stop", "Total mark", (1, 10)).reason == "no_score"
    assert parse_final_score_line("Score: 0", "stop", "Score", (1, 10)).reason == "out_of_range"
    assert parse_final_score_line("Score: -2", "stop", "Score", (-3, 3)).score == -2


def test_a_long_hostile_completion_takes_no_long_time() -> None:
    for piece in ("<think>", "<think></think>", " ", "*", "- ", "Score: ", "1", "1/5 ", "\n", "\r"):
        parsed = parse_final_score_line(piece * 50_000, "stop", "Score", (0, 5))
        assert parsed.score is None


@pytest.mark.parametrize("text", SCORED)
def test_the_place_of_the_score_is_its_number(text: str) -> None:
    parsed = parse_final_score_line(text, "stop", "Score", (0, 5))
    assert parsed.span is not None
    shown = text[slice(*parsed.span)]
    assert float(shown.strip("\u200b")) == parsed.score


def test_without_a_label_the_line_is_the_number_alone() -> None:
    assert parse_final_score_line("8", "stop", "", (0, 9)).score == 8
    assert parse_final_score_line("I say\n**8**/9.", "stop", "", (0, 9)).score == 8
    assert parse_final_score_line("I say 8", "stop", "", (0, 9)).reason == "not_a_number"
    assert parse_final_score_line("Score: 8", "stop", "", (0, 9)).reason == "not_a_number"


def test_real_judge_texts() -> None:
    """Mistral-7B puts its score first and is then cut: not where the rubric wants it, unscored.

    What is scored must agree with the score that the texts' authors read.
    """
    folder = real_data("raw_judge_outputs", "self_rewarding_prompt_mistral7b")
    reasons: Counter[str] = Counter()
    with gzip.open(folder / "EFT_seed_data_3.jsonl.gz", "rt", encoding="utf-8") as file:
        for row in map(json.loads, file):
            parsed = parse_final_score_line(row["response"], "stop", "Score", (0, 5))
            reasons[parsed.reason or "scored"] += 1
            if parsed.score is not None:
                assert parsed.score == row["score"]
    assert reasons == {"no_score": 1101, "scored": 65, "not_a_number": 16}
