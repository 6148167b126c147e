"""Single-answer grading: every turn is rated 1 to 10 by the prompt that its category asks for.

The judge is sampled and shown exactly what FastChat shows it. An answer that is not there is not
judged: it is unscored, where upstream has its judge rate an error text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from backends.engines.caller import Caller
from benchmarks.groups import NO_ANSWER, Group, collect_groups
from benchmarks.mt_bench.answers import Answers, write_fastchat
from benchmarks.mt_bench.figures import Rating
from benchmarks.mt_bench.protocol import prompt_name
from benchmarks.mt_bench.questions import Asked, Question
from judges.judging import Response, judge_requests, recorder
from judges.pointwise import generate_config, render
from judges.spec import JudgeSpec
from judges.turns import Turns
from results.records import Judgment, Message
from results.store import RecordFile

Items = dict[str, list[Response]]  # what is judged, by the name of the prompt that judges it


def grade(
    judge: Caller,
    graders: Mapping[str, JudgeSpec],
    asked: Asked,
    answers: Answers,
    file: RecordFile[Judgment],
    seed: int,
) -> list[Judgment]:
    """Returns a judgment of every turn, kept in ``file``.

    Args:
        judge: who rates.
        graders: FastChat's four single prompts by name.
        asked: the questions with their reference answers.
        answers: the model's.
        file: a finalised one is read, not made again.
        seed: of the judge's decoding (greedy in FastChat's prompts).
    """
    items = to_grade(asked, answers)
    groups = []
    for name, responses in items.items():
        draws = [(response, 0) for response in responses]
        spec = graders[name]
        requests = judge_requests(spec, draws, file)
        groups.append(Group(requests, generate_config(spec, seed), recorder(spec, draws)))
    keys = [
        (question.id, f"turn-{turn}")
        for question in asked.questions
        for turn in range(1, len(question.turns) + 1)
    ]
    there = {(r.prompt_id, r.response_id) for of_prompt in items.values() for r in of_prompt}
    return collect_groups(
        file,
        judge,
        groups,
        [_unanswered(*key) for key in keys if key not in there],
        lambda judgment: (judgment.prompt_id, judgment.response_id),
        {key: place for place, key in enumerate(keys)},
    )


def to_grade(asked: Asked, answers: Answers) -> Items:
    """Returns every answered turn as the judge is shown it, by the prompt that judges it."""
    items: Items = {}
    for question in asked.questions:
        for turn in range(1, len(question.turns) + 1):
            given = [text for text in answers[question.id][:turn] if text is not None]
            if len(given) == turn:
                reference = asked.references.get(question.id)
                response = Response(
                    question.id,
                    shown_prompt(question, turn, given),
                    f"turn-{turn}",
                    shown(given),
                    None if reference is None else shown(reference[:turn]),
                )
                name = prompt_name("single", question.referenced, turn)
                items.setdefault(name, []).append(response)
    return items


def shown_prompt(question: Question, turn: int, given: Sequence[str]) -> str | list[Message]:
    """Returns the question of a turn; the second one with what was said before it."""
    if turn == 1:
        return question.turns[0]
    return [
        Message(role="user", content=question.turns[0]),
        Message(role="assistant", content=given[0]),
        Message(role="user", content=question.turns[1]),
    ]


def shown(texts: Sequence[str]) -> Turns:
    """Returns the answers up to a turn in the form of judges: a lone text, or one for each turn."""
    return texts[0] if len(texts) == 1 else tuple(texts)


def _unanswered(prompt_id: str, response_id: str) -> Judgment:
    """As of a call that failed: a retry asks for it again once there is an answer."""
    return Judgment(
        prompt_id=prompt_id,
        response_id=response_id,
        draw=0,
        status="unscored",
        score=None,
        reason=NO_ANSWER,
        text="",
        finish_reason="error",
    )


def to_ratings(asked: Asked, judgments: Sequence[Judgment]) -> list[Rating]:
    """Returns the judgments as ratings of turns."""
    category = {question.id: question.category for question in asked.questions}
    return [
        Rating(j.prompt_id, int(j.response_id[-1]), category[j.prompt_id], j.score)
        for j in judgments
    ]


def write_judgments(
    path: Path,
    model: str,
    judge: str,
    graders: Mapping[str, JudgeSpec],
    asked: Asked,
    answers: Answers,
    judgments: Sequence[Judgment],
) -> None:
    """Writes FastChat's single-answer judgments; one without a rating has upstream's -1."""
    ids = {question.id: question.question_id for question in asked.questions}
    made = {(judgment.prompt_id, judgment.response_id): judgment for judgment in judgments}
    rows = []
    for name, responses in to_grade(asked, answers).items():
        for r in responses:
            judgment = made[(r.prompt_id, r.response_id)]
            row = {
                "question_id": ids[r.prompt_id],
                "model": model,
                "judge": [judge, name],
                "user_prompt": render(graders[name], r.prompt, r.text, r.reference),
                "judgment": judgment.text,
                "score": -1 if judgment.score is None else judgment.score,
                "turn": int(r.response_id[-1]),
                "tstamp": 0.0,
            }
            rows.append(row)
    write_fastchat(path, rows)
