"""What each parser beside the score line reads, and why it reads nothing."""

from __future__ import annotations

import time
from typing import Any

import pytest

from judges.parsers.parsed import Parsed
from judges.parsers.table import PARSERS, parser_options, read
from results.errors import UsageError

SCALES = {"bracket_rating": (1, 10), "choice_line": (1, 5), "result_mark": (1, 5)}


def parse(name: str, text: str, finish: str = "stop", **options: Any) -> Parsed:
    return read(text, finish, name, parser_options(name, options), SCALES.get(name, (0, 5)))


def value(found: Parsed) -> float | str | None:
    """Score, verdict or reason."""
    (only,) = (it for it in (found.score, found.verdict, found.reason) if it is not None)
    return only


FIRST_SCORE = {
    "Score: 4\nIt answers the quest": 4.0,
    " score: 4/5. It": 4.0,
    "It is fine.\n\n**Score:** 3 points\n\nThe resp": 3.0,
    "**Score: 2/5**": 2.0,
    "Total Score: 3": 3.0,
    "Score: 4.5 of it": 4.5,
    "Score: 3\nFinal Score: 3\nFinal Score: 3": 3.0,
    "Score: 0\n- Award no further point.": 0.0,
    "Sc\u200bore: \u200b4\ntext": 4.0,
    "<think>Score: 1</think>Score: 2\nwhy": 2.0,
    "Score: 3\n2 points would be too few.": 3.0,
    "": "empty",
    "\u200b \n": "empty",
    "<think>Score: 4": "no_score",
    "It is fine.": "no_score",
    "Subscore: 4": "no_score",
    "Sub-score: 4": "no_score",
    "downgrade: 2": "no_score",
    "Score 4": "no_score",
    "Score: five": "no_score",
    "Score: <total points>": "no_score",
    "Score: 6": "out_of_range",
    "Score: 44": "out_of_range",
    "Score: -1": "out_of_range",
    "Score: 4/10 for this": "out_of_range",
    "Score: 3\nOn reflection: Score: 4": "ambiguous",
    '"Score: 3" or "Score: 4.5"': "ambiguous",
    "1. Relevant. Score: 1 point.\n2. Substantial: the": "partial",
    "Criteria 1: yes.\nScore: 1 point\n\nCriteria 2: it": "partial",
    "It is relevant. Score: 1 point.\nAdd another point if": "partial",
}
CUT_FIRST_SCORE = {
    "Score: 4\nIt answers the quest": 4.0,
    "Score: 4/": 4.0,
    "Score: 4/1": 4.0,
    "Score: 3\nFinal Score: 3\nFinal Score: 1": 3.0,
    "Score: 4": "length",
    "It is fine. Score:": "length",
}
BRACKET_RATING = {
    "Good.\nRating: [[7]]": 7.0,
    "Rating: [[8.5]] and so on": 8.5,
    "As [1] says ... Rating: [[3]]": 3.0,
    "[[9]] then [[2]]": 9.0,
    "Rating: [6]": 6.0,
    "Rating: [[10]]": 10.0,
    "Rating: [[\u200b7]]": 7.0,
    "$ERROR$": "no_score",
    "Rating: 7": "no_score",
    "Rating: [[seven]]": "no_score",
    "Rating: [[rating]]": "no_score",
    "a[0] = 1": "out_of_range",
    "Rating: [[11]]": "out_of_range",
    "Rating: [[7/10]]": "no_score",
    "": "empty",
}
BRACKET_VERDICT = {
    "The first is better. [[A]]": "A",
    "[[B]]": "B",
    "Both are good. [[C]].": "tie",
    "[[A]] ... so [[A]]": "A",
    "[[A]] or [[B]]": "ambiguous",
    "[[a]]": "no_verdict",
    "[A]": "no_verdict",
    "": "empty",
}
CHOICE_LINE = {
    "Good.\nAnswer: 4": 4.0,
    "Good.\n**Answer:** (4).": 4.0,
    "4": 4.0,
    "1": 1.0,
    "Answer: 5\n": 5.0,
    "Answer: 6": "out_of_range",
    "Answer: 0": "out_of_range",
    "Answer: 44": "out_of_range",
    "Answer: 4 or 5": "no_score",
    "Answer: 4/5": "no_score",
    "Answer: B": "no_score",
    "Answer: four": "no_score",
    "Answer:": "no_score",
    "Answer: 4\nBecause it is good": "no_score",
    "Level: 4": "no_score",
    "No answer: 4": "no_score",
    "": "empty",
}
LETTERS = {
    "Answer: A": 5.0,
    "Answer: e.": 1.0,
    "b": 4.0,
    "(C)": 3.0,
    "Answer: F": "no_score",
    "Answer: 1": "no_score",
    "Answer: A or B": "no_score",
    "A good answer": "no_score",
}
VERDICT_LINE = {
    "Both.\nVerdict: A": "A",
    "**Verdict:** b.": "B",
    "Verdict: [Tie]": "tie",
    "Verdict: A or B": "ambiguous",
    "Verdict: A/B": "ambiguous",
    "Verdict: A, B or tie": "ambiguous",
    "Verdict: neither": "no_verdict",
    "Verdict: A\nIt is better.": "no_verdict",
    "A": "no_verdict",
    "My verdict: A": "no_verdict",
    "Verdict: Both": "no_verdict",
    "": "empty",
}
RESULT_MARK = {
    "Feedback: fine. [RESULT] 4": 4.0,
    "[RESULT] 2 then [RESULT] (5).\n": 5.0,
    "[result]: **3**": 3.0,
    "[RESULT] 6": "out_of_range",
    "[RESULT] 4/5": "ambiguous",
    "[RESULT] 4 or 5": "ambiguous",
    "[RESULT] four": "not_a_number",
    "[RESULT] 4 since it is good": "not_a_number",
    "Score: 4": "no_score",
    "": "empty",
}
OUTPUT_VERDICT = {
    "Output (a)": "A",
    " Output (b).\n": "B",
    "It says more. Therefore, Output (b) is better.": "B",
    '"Output (a) is better" is wrong. Output (b) is better.': "B",
    "Output (a) and Output (b) are equally good.": "no_verdict",
    "Output (c)": "no_verdict",
    "Output a": "no_verdict",
    "": "empty",
}
LEADING_VERDICT = {
    "1\n\n### Reason: it is short": "A",
    "2": "B",
    "Tie\n### Reason: they are the same": "tie",
    "tie.": "tie",
    "garbage": "no_verdict",
    "1 is better": "no_verdict",
    "12": "no_verdict",
    "Response 1": "no_verdict",
    "": "empty",
}
LAST_WORD = {
    "m": "A",
    " M\n": "B",
    "The second is longer.\n\nM": "B",
    "N": "no_verdict",
    "`m`": "no_verdict",
    "": "empty",
}
RANKING = {
    '[{"model": "m", "rank": 1}, {"model": "M", "rank": 2}]': "A",
    "[{'model': 'M', 'rank': 1}, {'model': 'm', 'rank': 2}]": "B",
    '```json\n[{"model": "M", "rank": 1}]\n```': "B",
    '[{"model": "m", "rank": 1}, {"model": "M", "rank": 1}]': "tie",
    '[{"model": "m", "rank": 2}, {"model": "M", "rank": 2}]': "ambiguous",
    '[{"model": "m", "rank": 3}, {"model": "M", "rank": 1}]': "ambiguous",
    '[{"model": "m", "rank": 1}, {"model": "m", "rank": 2}]': "ambiguous",
    '[{"model": "x", "rank": 1}]': "no_verdict",
    '[{"model": "m", "rank": 2}]': "B",
    '[{"model": "M", "rank": 2}]': "ambiguous",
    '{"model": "m", "rank": 1}': "no_verdict",
    "[m, M]": "no_verdict",
    "__import__('os').getcwd()": "no_verdict",
    "'\\d'": "no_verdict",
    "[1,": "no_verdict",
    "": "empty",
}
PATTERNS = {
    "\nOutput (a) is": "A",
    "\nOutput (b)\nOutput (a)": "B",
    "neither": "no_verdict",
    "": "empty",
}
CASES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("first_score", {}, FIRST_SCORE),
    ("bracket_rating", {}, BRACKET_RATING),
    ("bracket_verdict", {}, BRACKET_VERDICT),
    ("choice_line", {}, CHOICE_LINE),
    ("choice_line", {"choices": "EDCBA"}, LETTERS),
    ("verdict_line", {}, VERDICT_LINE),
    ("result_mark", {}, RESULT_MARK),
    ("output_verdict", {}, OUTPUT_VERDICT),
    ("leading_verdict", {}, LEADING_VERDICT),
    ("last_word", {"first": "m", "second": "M"}, LAST_WORD),
    ("ranking", {"first": "m", "second": "M"}, RANKING),
    ("patterns", {"first": r"Output \(a\)", "second": r"Output \(b\)"}, PATTERNS),
]


@pytest.mark.parametrize(
    ("name", "options", "text", "expected"),
    [(name, options, *case) for name, options, table in CASES for case in table.items()],
)
def test_reading(name: str, options: dict[str, Any], text: str, expected: object) -> None:
    found = parse(name, text, **options)
    assert value(found) == expected
    if found.reason is None and name not in ("ranking", "patterns"):
        assert found.span is not None
        shown = text[slice(*found.span)].strip("\u200b")
        assert shown and shown in text
        if found.score is not None and options.get("choices") is None:
            assert float(shown) == found.score


@pytest.mark.parametrize(("text", "expected"), CUT_FIRST_SCORE.items())
def test_a_first_score_is_read_in_a_cut_text_unless_the_cut_ends_it(
    text: str, expected: object
) -> None:
    assert value(parse("first_score", text, "length")) == expected


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("choice_line", "Answer: 4"),
        ("verdict_line", "Verdict: A"),
        ("result_mark", "[RESULT] 4"),
        ("ranking", '[{"model": "model_1", "rank": 1}]'),
        ("leading_verdict", "1"),
        ("last_word", "I would say A"),
    ],
)
def test_what_stands_last_in_a_cut_text_is_not_read(name: str, text: str) -> None:
    assert value(parse(name, text)) in (4.0, "A")
    assert value(parse(name, text, "length")) == "length"


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("bracket_rating", "Rating: [[4]] beca", 4.0),
        ("bracket_verdict", "[[A]] beca", "A"),
        ("output_verdict", "Output (a) is better beca", "A"),
        ("leading_verdict", "2\n### Reason: it", "B"),
        ("last_word", "B", "B"),  # a judge of one token is always cut
    ],
)
def test_what_is_whole_in_a_cut_text_is_read(name: str, text: str, expected: object) -> None:
    assert value(parse(name, text, "length")) == expected


@pytest.mark.parametrize("name", PARSERS.names())
def test_long_hostile_completions_take_no_long_time(name: str) -> None:
    began = time.perf_counter()
    for piece in ("<think>", " ", "\n", "*", "a", "1 ", "[", "{'a':", "-", "1+", "Score ",
                  "Score: ", "Score: 1\n", "[RESULT] ", "Output (a) is ", "[[", "m "):  # fmt: skip
        parse(name, piece * 20_000 + "x")
        parse(name, piece * 20_000)
    assert time.perf_counter() - began < 5


def test_a_parser_of_ones_own_is_kept_to_the_scale() -> None:
    own = f"{__name__}:eager"
    assert read("x", "stop", own, parser_options(own, {"score": 4}), (0, 5)).score == 4
    assert read("x", "stop", own, parser_options(own, {}), (0, 5)).reason == "out_of_range"
    with pytest.raises(UsageError, match="has no option 'scor'; did you mean 'score'"):
        parser_options(own, {"scor": 4})
    with pytest.raises(UsageError, match="unknown parser 'first_scor'; did you mean 'first_score'"):
        parser_options("first_scor", {})


def eager(text: str, cut: bool, scale: tuple[int, int], score: float = 99) -> Parsed:
    """Reads more than there is."""
    return Parsed(score, None)
