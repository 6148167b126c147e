"""What holds for every completion that a judge could write."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from judges.parsers.parsed import Parsed
from judges.parsers.table import read

SCALES = st.tuples(st.integers(-20, 20), st.integers(1, 30)).map(lambda it: (it[0], it[0] + it[1]))
# Pieces of score lines, so that the interesting texts are not one in a million.
WORDS = ["Score", "score", "SCORE:", "5", "0", "4.5", "/5", "out of 5", "points", "or", "Sub"]
MARKS = [":", " ", "\n", "\r", "-", "**", "`", "#", "[", "]", ".", "\u200b", "\u2028"]
PIECES = st.sampled_from([*WORDS, *MARKS, "<think>", "</think>"])
TEXTS = st.one_of(st.text(), st.lists(st.one_of(PIECES, st.text(max_size=3))).map("".join))
FINISHES = st.sampled_from(["stop", "length", "error"])


def parse(text: str, finish_reason: str = "stop", scale: tuple[int, int] = (0, 5)) -> Parsed:
    return read(text, finish_reason, "final_score_line", {"label": "Score"}, scale)


@given(TEXTS, FINISHES, SCALES)
def test_score_in_range_or_a_reason(text: str, finish_reason: str, scale: tuple[int, int]) -> None:
    parsed = parse(text, finish_reason, scale)
    assert (parsed.score is None) != (parsed.reason is None)
    if parsed.score is not None:
        assert finish_reason == "stop"
        assert scale[0] <= parsed.score <= scale[1]


@given(TEXTS)
def test_no_number_without_label_colon_and_digit_in_the_last_line(text: str) -> None:
    lines = [line for line in text.replace("\r", "\n").split("\n") if line.strip(" \t\u200b")]
    last = lines[-1].replace("\u200b", "").lower() if lines else ""
    assume(not ("score" in last and ":" in last and any(digit in last for digit in "0123456789")))
    assert parse(text).score is None


@given(TEXTS, st.sampled_from(["Score: 3", "**Score:** 2/5", "Score: 50", "Score:", "no score"]))
def test_only_the_last_line_speaks(before: str, last: str) -> None:
    assume("<think>" not in before.lower().replace("\u200b", ""))
    assert parse(before + "\n" + last) == parse(last)


@given(st.integers(-100, 100))
def test_whole_numbers_are_read_whole(number: int) -> None:
    parsed = parse(f"Score: {number}")
    assert parsed.score == (number if 0 <= number <= 5 else None)


@given(TEXTS)
def test_text_after_the_score_line_unscores_it(after: str) -> None:
    assume(after.translate({0x200B: None}).strip() and "score" not in after.lower())
    assume("\u200b" not in after)
    assert parse("Fine.\nScore: 5\n" + after).score is None
