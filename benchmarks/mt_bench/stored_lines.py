"""What the readers of FastChat's judgment files share: what a line holds, whose judge it is.

The lines are upstream's: keys that are not used here (texts, time stamps) are let be.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from benchmarks.mt_bench.protocol import ALL_TURNS, CATEGORY_OF, Mode, usual_prompts
from results.errors import SrlmError
from results.lines import read_json_lines
from results.text import excerpt


class JudgedLine(BaseModel):
    """What a line of either kind says. ``judge``: the judge's name, and that of its prompt."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True, allow_inf_nan=False)
    question_id: int | str
    judge: list[str] = Field(min_length=2, max_length=2)
    turn: Literal[1, 2]

    @property
    def question(self) -> str:
        """The question's id as text."""
        return str(self.question_id)

    @property
    def category(self) -> str | None:
        """MT-Bench's category of the question, null when the id is not one of its own."""
        return CATEGORY_OF.get(self.question)


def is_pairwise(path: Path) -> bool:
    """Returns whether a file of judgments is of pairs of answers, by its first line.

    Raises:
        SrlmError: it is of neither kind, is empty or cannot be read.
    """
    number, first = next(iter(read_json_lines(path)))
    if "g1_winner" in first or "model_1" in first:
        return True
    if "score" in first and "model" in first:
        return False
    raise SrlmError(
        f"{path}:{number}: found the keys {excerpt(', '.join(first), 100)}, expected a judgment as "
        "FastChat writes it (question_id, model, judge, score, turn; or model_1, model_2, "
        "g1_winner, g2_winner); name such a file"
    )


def refuse_again(path: Path, number: int, what: str, before: int) -> None:
    """Raises SrlmError: line ``number`` judges ``what``, which line ``before`` has judged."""
    raise SrlmError(
        f"{path}:{number}: found another judgment of {excerpt(what, 100)}, expected one (the first "
        f"is in line {before}); remove one of the two"
    )


def judge_name(mode: Mode, name: str, lines: Iterable[JudgedLine]) -> str:
    """Returns the judge's name; with the prompts that are not MT-Bench's for what they judge.

    Another prompt is another judge, so that its rows never stand in one table with the usual ones.
    """
    other = {
        line.judge[1]
        for line in lines
        if line.judge[1] not in usual_prompts(mode, line.category, line.turn)
    }
    return f"{name} (prompts: {', '.join(sorted(other))})" if other else name


def expected_turns(found: Collection[tuple[str, int]]) -> set[tuple[str, int]]:
    """Returns all (question, turn) that a model should have been judged on.

    That is whatever the file has of any model; with one of MT-Bench's questions, all of them.
    """
    asked = set(found)
    return asked | ALL_TURNS if any(question in CATEGORY_OF for question, _ in asked) else asked


def other_questions(lines: Iterable[JudgedLine]) -> str | None:
    """Returns a note on the questions that have no category, null when all have one."""
    others = sorted({line.question for line in lines if line.category is None})
    if not others:
        return None
    return (
        f"{len(others)} questions are not of MT-Bench's ids 81 to 160 and count in no category: "
        + excerpt(", ".join(others), 100)
    )
