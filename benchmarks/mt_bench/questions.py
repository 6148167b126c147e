"""MT-Bench's questions, reference answers and judge prompts, from files laid out as FastChat's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from benchmarks.mt_bench.protocol import CATEGORY_OF, WITH_REFERENCE, Mode, prompt_names
from judges.borrowed.fastchat_prompts import grader
from judges.spec import JudgeSpec
from results.errors import SrlmError
from results.lines import numbered_records
from results.text import excerpt

WHERE = (
    "fastchat/llm_judge/data of FastChat's repository (its wheel does not have it): "
    "srlm data fetch mt_bench"
)
Text = Annotated[str, StringConstraints(min_length=1)]


class Question(BaseModel):
    """A question: one turn, or two of which the second builds on the answer to the first."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)
    question_id: int | str
    category: Text
    turns: list[Text] = Field(min_length=1, max_length=2)

    @property
    def id(self) -> str:
        """The question's id as text."""
        return str(self.question_id)

    @property
    def referenced(self) -> bool:
        """Whether its judge is shown a reference answer."""
        return self.category in WITH_REFERENCE


class Choice(BaseModel):
    """One of the answers to a question, a text for each turn."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)
    turns: list[str] = Field(min_length=1)


class AnswerLine(BaseModel):
    """A line of FastChat's answer files. Of several choices the first is the one that counts."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)
    question_id: int | str
    choices: list[Choice] = Field(min_length=1)


@dataclass(frozen=True)
class Asked:
    """The questions, and the reference answers by question id, a text for each turn."""

    questions: list[Question]
    references: dict[str, list[str]]


def read_questions(path: Path) -> list[Question]:
    """Returns the questions of a file.

    Raises:
        SrlmError: it is missing (with where to get it) or unreadable, or a question is not one:
            an id twice, a turn without text, another category than MT-Bench's under its id.
    """
    _refuse_missing(path, "MT-Bench's questions", "question.jsonl", "mt_bench")
    found: dict[str, Question] = {}
    for number, question in numbered_records(path, Question):
        if question.id in found:
            raise SrlmError(
                f"{path}:{number}: found question {excerpt(question.id)} again, expected each id "
                "once; remove one of the lines"
            )
        usual = CATEGORY_OF.get(question.id, question.category)
        if question.category != usual:
            raise SrlmError(
                f"{path}:{number}: found category {excerpt(question.category)!r} for question "
                f"{question.id}, expected {usual!r} as in MT-Bench; give questions of your own "
                "other ids than 81 to 160"
            )
        found[question.id] = question
    return list(found.values())


def read_references(path: Path | None, questions: Sequence[Question]) -> dict[str, list[str]]:
    """Returns the reference answers of those questions whose judge is shown one.

    Raises:
        SrlmError: the file is needed and missing, or has no such answer for some turn.
    """
    needed = [question for question in questions if question.referenced]
    if not needed:
        return {}
    if path is None:
        raise SrlmError(
            f"mt_bench: {len(needed)} questions need a reference answer, and the option "
            f"'references' is not set; name mt_bench/reference_answer/gpt-4.jsonl of {WHERE}"
        )
    _refuse_missing(path, "MT-Bench's reference answers", "gpt-4.jsonl",
                    "mt_bench/reference_answer")  # fmt: skip
    there = read_answers(path)
    lacking = incomplete(needed, there)
    if lacking:
        raise SrlmError(
            f"{path}: found no reference answer to every turn of question "
            f"{excerpt(', '.join(lacking), 100)}, expected one for each question of reasoning, "
            "math and coding; get the file that belongs to the questions"
        )
    return {question.id: there[question.id] for question in needed}


def incomplete(questions: Sequence[Question], there: Mapping[str, Sequence[str]]) -> list[str]:
    """Returns the ids of the questions that have not an answer to every turn in ``there``."""
    return [q.id for q in questions if len(there.get(q.id, [])) < len(q.turns)]


def read_answers(path: Path) -> dict[str, list[str]]:
    """Returns the answers of a FastChat answer file: a text for each turn, by question id.

    Raises SrlmError on a file that cannot be read, a line that is none, and an id twice.
    """
    found: dict[str, list[str]] = {}
    for number, line in numbered_records(path, AnswerLine):
        key = str(line.question_id)
        if key in found:
            raise SrlmError(
                f"{path}:{number}: found a second answer to question {excerpt(key)}, expected one; "
                "remove one of the lines"
            )
        found[key] = line.choices[0].turns
    return found


def read_graders(path: Path, mode: Mode) -> dict[str, JudgeSpec]:
    """Returns the four prompts of a mode as judges, by FastChat's name.

    Raises:
        SrlmError: the file is missing (with where to get it), or one of the prompts is.
    """
    _refuse_missing(path, "MT-Bench's judge prompts", "judge_prompts.jsonl", "")
    return {name: grader(f"{path}#{name}") for name in prompt_names(mode)}


def _refuse_missing(path: Path, what: str, name: str, folder: str) -> None:
    if not path.exists():
        place = f"{folder}/{name}" if folder else name
        raise SrlmError(f"{path}: no such file, expected {what}; get {place} from {WHERE}")
