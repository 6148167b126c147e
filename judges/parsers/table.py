"""The parsers by name, and reading a completion with one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from judges.parsers.parsed import Parsed, none
from results.plugins import Table, complete_options

PARSERS = Table(
    "parser",
    "srlm.parsers",
    {
        "final_score_line": "judges.parsers.final_score_line:final_score_line",
        "first_score": "judges.parsers.first_score:first_score",
        "choice_line": "judges.parsers.lines:choice_line",
        "verdict_line": "judges.parsers.lines:verdict_line",
        "bracket_rating": "judges.parsers.bracket:bracket_rating",
        "bracket_verdict": "judges.parsers.bracket:bracket_verdict",
        "result_mark": "judges.parsers.marks:result_mark",
        "output_verdict": "judges.parsers.marks:output_verdict",
        "leading_verdict": "judges.parsers.marks:leading_verdict",
        "last_word": "judges.parsers.marks:last_word",
        "patterns": "judges.parsers.marks:patterns",
        "ranking": "judges.parsers.ranking:ranking",
    },
    {},
)


def parser_options(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the parser's options, checked, with defaults. Raises UsageError or SrlmError."""
    given = ("text", "cut", "scale")
    return complete_options("parser", name, PARSERS.load(name), options, given)


def read(
    text: str, finish_reason: str, name: str, options: Mapping[str, Any], scale: tuple[int, int]
) -> Parsed:
    """Returns what parser ``name`` finds in a judge's completion.

    Args:
        text: the judge's completion alone, never the prompt that it answers.
        finish_reason: ``stop``, ``length`` or ``error``.
        name: a parser of the table, or ``module:attr``.
        options: the parser's own.
        scale: lowest and highest score, both included.
    """
    if finish_reason == "error":
        return none("error")
    found: Parsed = _parser(name)(text, finish_reason == "length", scale, **options)
    # A parser from outside may not know the scale.
    if found.score is not None and not scale[0] <= found.score <= scale[1]:
        return none("out_of_range")
    return found


@cache
def _parser(name: str) -> Callable[..., Parsed]:
    """The parser called ``name``; looking for entry points takes longer than parsing."""
    parser: Callable[..., Parsed] = PARSERS.load(name)
    return parser
