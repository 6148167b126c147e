"""What holds of every parser, whatever a judge writes."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from judges.parsers.parsed import Parsed, Reason, raw_span, visible
from judges.parsers.table import PARSERS, parser_options, read

# Pieces of answers of every form, so that the interesting texts are not one in a million.
WORDS = ["Score", "Answer", "Verdict", "Total score", "sub", "downgrade", "tie", "A", "B", "C"]
NUMBERS = ["0", "1", "3", "4.5", "5", "10", "-1", "4/5", "/10", "3 or 4", "99999", "\u0663", "½"]
MARKS = [":", " ", "\n", "\r", "**", "`", "#", "- ", "1. ", "2. ", "\u200b", "\u2028", "\u202e"]
FORMS = ["[[", "]]", "[RESULT]", "Output (a)", " is better", "<think>", "</think>", "```json\n",
         '[{"model": "model_1", "rank": 1}]', "{'model': ", "Add another point"]  # fmt: skip
PIECES = st.sampled_from([*WORDS, *NUMBERS, *MARKS, *FORMS])
TEXTS = st.one_of(st.text(), st.lists(st.one_of(PIECES, st.text(max_size=3))).map("".join))
NAMES = st.sampled_from(sorted(PARSERS.names()))
SCALES = st.sampled_from([(0, 5), (1, 10), (1, 5), (-2, 2)])
LAST = {
    "final_score_line": ("Score: 1", 1.0),
    "choice_line": ("Answer: 1", 1.0),
    "verdict_line": ("Verdict: B", "B"),
    "result_mark": ("[RESULT] 1", 1.0),
}


def parse(name: str, text: str, finish: str = "stop", scale: tuple[int, int] = (1, 5)) -> Parsed:
    return read(text, finish, name, parser_options(name, {}), scale)


@given(NAMES, TEXTS, st.sampled_from(["stop", "length", "error"]), SCALES)
def test_one_answer_or_one_reason(
    name: str, text: str, finish: str, scale: tuple[int, int]
) -> None:
    found = parse(name, text, finish, scale)
    assert [found.score, found.verdict, found.reason].count(None) == 2
    assert found.reason in (None, *get_args(Reason))
    assert found.score is None or scale[0] <= found.score <= scale[1]
    if finish == "error":
        assert found.reason == "error"
    if found.span is not None:
        assert 0 <= found.span[0] < found.span[1] <= len(text)


@given(NAMES, TEXTS)
def test_no_number_is_made_up(name: str, text: str) -> None:
    """A score is spelt in the text, at the place that the parser names."""
    found = parse(name, text)
    if found.score is not None:
        assert found.span is not None
        assert float(visible(text[slice(*found.span)])) == found.score


@pytest.mark.parametrize("name", LAST)
@given(before=TEXTS)
def test_an_echoed_candidate_does_not_speak_for_the_judge(name: str, before: str) -> None:
    """Where the answer comes last, nothing before it counts, whatever it imitates."""
    assume("<think>" not in visible(before).lower())
    last, expected = LAST[name]
    found = parse(name, f"{before}\n{last}")
    assert (found.score if found.verdict is None else found.verdict) == expected


@given(st.text("ab\u200b\ufeff\u00e9"), st.data())
def test_places_among_visible_characters_are_found_again(text: str, data: st.DataObject) -> None:
    seen = visible(text)
    assume(seen)
    start = data.draw(st.integers(0, len(seen) - 1))
    end = data.draw(st.integers(start + 1, len(seen)))
    first, last = raw_span(text, start, end)
    assert visible(text[first:last]) == seen[start:end]
