"""A model's answers to both turns: asked for, and read and written as FastChat has them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from backends.collect import to_candidate
from backends.engines.caller import Answer, Caller
from backends.engines.engine import GenerateConfig, Request
from benchmarks.groups import Group, collect_groups
from benchmarks.mt_bench.protocol import FAILED, OTHER_TEMPERATURE, TEMPERATURES
from benchmarks.mt_bench.questions import Question, incomplete, read_answers
from results.errors import SrlmError
from results.files import write_bytes
from results.records import Candidate, Message
from results.store import RecordFile
from results.text import excerpt
from results.weights import text_hash

# By question id: a text for each turn, null where the model gave none.
Answers = dict[str, list[str | None]]
NOT_ASKED = "not asked: the first turn has no answer"


@dataclass(frozen=True)
class Asking:
    """How a model is asked: the system message ("" for none), tokens an answer may have, seed."""

    system: str
    max_tokens: int
    seed: int


def ask(model: Caller, questions: Sequence[Question], folder: Path, asking: Asking) -> Answers:
    """Returns the model's answers to every turn, kept in ``folder/answers_1.jsonl`` and ``_2``.

    The second question comes after the first one and the model's answer to it. A call that failed
    (a prompt too long for the model, say) leaves a record with the reason, and its second turn is
    not asked. White space around an answer is dropped before it is shown to anyone.
    """
    found: Answers = {question.id: [None] * len(question.turns) for question in questions}
    for turn in (1, 2):
        of_turn = [question for question in questions if len(question.turns) >= turn]
        if not of_turn:
            continue
        file = RecordFile(folder / f"answers_{turn}.jsonl", Candidate)
        for record in _ask_turn(model, of_turn, turn, found, file, asking):
            if record.finish_reason != "error":
                found[record.prompt_id][turn - 1] = record.text.strip()
    return found


def _ask_turn(
    model: Caller,
    questions: Sequence[Question],
    turn: int,
    before: Answers,
    file: RecordFile[Candidate],
    asking: Asking,
) -> list[Candidate]:
    groups: dict[float, list[Question]] = {}
    without = []
    for question in questions:
        if turn == 2 and before[question.id][0] is None:
            without.append(_not_asked(question, turn))
        else:
            temperature = TEMPERATURES.get(question.category, OTHER_TEMPERATURE)
            groups.setdefault(temperature, []).append(question)
    return collect_groups(
        file,
        model,
        [_group(of, turn, before, t, asking) for t, of in sorted(groups.items())],
        without,
        lambda record: (record.prompt_id,),
        {(question.id,): place for place, question in enumerate(questions)},
    )


def _group(
    questions: Sequence[Question], turn: int, before: Answers, temperature: float, asking: Asking
) -> Group[Candidate]:
    def record(answer: Answer) -> Candidate:
        return to_candidate(answer, questions[answer.index].id, f"turn-{turn}")

    return Group(
        [Request(_conversation(question, turn, before, asking.system)) for question in questions],
        GenerateConfig(temperature, 1.0, asking.max_tokens, (), asking.seed),
        record,
    )


def _conversation(
    question: Question, turn: int, before: Answers, system: str
) -> tuple[Message, ...]:
    """What the model reads: the questions up to ``turn``, with its own answers between them."""
    messages = [Message(role="system", content=system)] if system else []
    messages.append(Message(role="user", content=question.turns[0]))
    if turn == 2:
        messages.append(Message(role="assistant", content=before[question.id][0] or ""))
        messages.append(Message(role="user", content=question.turns[1]))
    return tuple(messages)


def _not_asked(question: Question, turn: int) -> Candidate:
    """As of a call that failed; its text says why there is none."""
    return Candidate(
        prompt_id=question.id,
        response_id=f"turn-{turn}",
        draw=0,
        text=NOT_ASKED,
        finish_reason="error",
        tokens=0,
        call="",
    )


def write_answers(path: Path, model: str, questions: Sequence[Question], answers: Answers) -> None:
    """Writes FastChat's answer file of ``model``; a turn without an answer reads as upstream's.

    Ids come from the content and times are 0, so that the same answers are the same file.
    """
    rows = []
    for question in questions:
        turns = [FAILED[0] if text is None else text for text in answers[question.id]]
        row = {
            "question_id": question.question_id,
            "answer_id": text_hash([model, question.id, turns])[:22],
            "model_id": model,
            "choices": [{"index": 0, "turns": turns}],
            "tstamp": 0.0,
        }
        rows.append(row)
    write_fastchat(path, rows)


def write_fastchat(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Writes ``rows`` as JSON Lines in upstream's form."""
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    write_bytes(path, text.encode())


def stored_answers(path: Path, questions: Sequence[Question]) -> Answers:
    """Returns the answers of a FastChat answer file to ``questions``; others in it are let be.

    Raises:
        SrlmError: a question has no answer there, or not one for each turn.
    """
    there = read_answers(path)
    lacking = incomplete(questions, there)
    if lacking:
        raise SrlmError(
            f"{path}: found no answer to every turn of {len(lacking)} of {len(questions)} "
            f"questions ({excerpt(', '.join(lacking), 100)}), expected one model's answers to all; "
            "name the file that belongs to the questions"
        )
    return {
        question.id: [
            None if text in FAILED else text for text in there[question.id][: len(question.turns)]
        ]
        for question in questions
    }
