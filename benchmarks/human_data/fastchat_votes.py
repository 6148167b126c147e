"""FastChat's votes on MT-Bench: which of two models' answers to a question a person prefers.

A vote names question, turn and models. The texts come from the vote itself where it holds the
conversations (as in the published data set), else from FastChat's files beside it:
``question.jsonl``, ``model_answer/MODEL.jsonl`` and, where there are, ``reference_answer/*.jsonl``
(each may end in .gz).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.human_data.pair_table import PairTable
from benchmarks.human_data.source import Found, Source
from judges.labels import Choice, Label
from results.errors import SrlmError, UsageError
from results.lines import read_json_lines

WINNERS: dict[str, Choice] = {
    "model_a": "first",
    "model_b": "second",
    "tie": "tie",
    "tie (inconsistent)": "tie",  # a judge that changed its mind with the order
}
SWAPPED: dict[Choice, Choice] = {"first": "second", "second": "first", "tie": "tie"}
KEYS = ("question_id", "model_a", "model_b", "winner")


@dataclass
class _Texts:
    """What FastChat's files say: by question its turns and category, by (question, model) turns."""

    questions: dict[str, dict[str, Any]] = field(default_factory=dict)
    answers: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    references: dict[str, list[str]] = field(default_factory=dict)


def read(source: Source) -> Iterator[Found]:
    """Yields one pair for each question, turn and two models, with a label for each vote.

    The first response is that of the model whose name sorts first, whatever order a vote has. The
    prompt of the second turn is the two questions, each response the model's two answers.
    """
    table = PairTable(source.path, source.notes)
    texts: _Texts | None = None
    for line, vote in source.rows:
        if missing := [key for key in KEYS if key not in vote]:
            raise SrlmError(f"{source.path}:{line}: no {missing[0]!r}; expected a FastChat vote")
        winner, turn = vote["winner"], vote.get("turn", 1)
        if str(winner) not in WINNERS or turn not in (1, 2) or vote["model_a"] == vote["model_b"]:
            source.notes.add(
                line,
                "vote is not on turn 1 or 2 of two models with a winner or a tie, left out",
                "winner {!r}, turn {}",
                winner,
                turn,
            )
            continue
        if "conversation_a" not in vote and texts is None:
            texts = _beside(source)
        label, names = WINNERS[winner], (str(vote["model_a"]), str(vote["model_b"]))
        if names[0] > names[1]:
            label, names = SWAPPED[label], (names[1], names[0])
        name = f"{vote['question_id']}-turn{turn}-{names[0]}-{names[1]}"
        shown = _shown(source, line, vote, turn, texts)
        if shown is None:
            source.unusable.add(name)
            continue
        judge = vote.get("judge")
        who = None if judge is None else _name(judge)
        table.add(line, name, shown, Label(label=label, annotator=who))
    yield from table.pairs()


def _shown(source: Source, line: int, vote: dict[str, Any], turn: int,
           texts: _Texts | None) -> dict[str, Any] | None:  # fmt: skip
    """Returns what a judge is shown of the pair, None (noted) where a text is missing."""
    question = str(vote["question_id"])
    replies: dict[str, list[str]] = {}
    asked: list[str] = []
    category = reference = None
    for side in ("a", "b"):
        model = str(vote[f"model_{side}"])
        if texts is None or f"conversation_{side}" in vote:
            asked = _said(vote.get(f"conversation_{side}"), "user")
            replies[model] = _said(vote.get(f"conversation_{side}"), "assistant")
        else:
            found = texts.questions.get(question, {})
            asked, category = _turns(found.get("turns")), found.get("category")
            replies[model] = texts.answers.get((question, model), [])
            reference = texts.references.get(question)
        if len(asked) < turn or len(replies[model]) < turn:
            source.notes.add(
                line,
                "question or answer of the vote is not there, left out",
                "question {}, model {!r}",
                question,
                model,
            )
            return None
    first, second = sorted(replies)
    return {
        "prompt": asked[0] if turn == 1 else [{"role": "user", "content": a} for a in asked[:2]],
        "first": _answer(replies[first], turn),
        "second": _answer(replies[second], turn),
        "category": category,
        "reference": _answer(reference, turn) if reference and len(reference) >= turn else None,
    }


def _answer(turns: list[str], turn: int) -> str:
    """Returns the answer that a vote is on: of turn 2 both, as a judge must know what came before.

    The models' first answers differ, so they are no part of the prompt that both have.
    """
    if turn == 1:
        return turns[0]
    return f"Answer to the first message:\n{turns[0]}\n\nAnswer to the second message:\n{turns[1]}"


def _beside(source: Source) -> _Texts:
    folder = source.path.parent
    questions = _named(folder, "question.jsonl*")
    answers = _named(folder, "model_answer/*.jsonl*")
    if not questions or not answers:
        absent = "model_answer/" if questions else "question.jsonl"
        raise UsageError(
            f"{source.path}: votes name questions and models only, and there is no {absent} in "
            f"{folder}; lay FastChat's question.jsonl and model_answer/ beside the votes"
        )
    texts = _Texts()
    for path in questions:
        rows = (row for _, row in read_json_lines(path))
        texts.questions.update((str(row.get("question_id")), row) for row in rows)
    for path in answers:
        for name, model, turns in _answers(path):
            texts.answers[name, model] = turns
    references = _named(folder, "reference_answer/*.jsonl*")
    for path in references:
        texts.references.update((name, turns) for name, _, turns in _answers(path))
    source.beside.extend((*questions, *answers, *references))
    return texts


def _name(judge: Any) -> str:
    """Returns a judge's name; FastChat names a model with the prompt that it was given."""
    return " ".join(map(str, judge)) if isinstance(judge, list) else str(judge)


def _turns(found: Any) -> list[str]:
    """The texts of a list of texts; none where it is anything else."""
    whole = isinstance(found, list) and all(isinstance(text, str) for text in found)
    return found if whole else []


def _said(conversation: Any, role: str) -> list[str]:
    turns = conversation if isinstance(conversation, list) else []
    return [str(t.get("content")) for t in turns if isinstance(t, dict) and t.get("role") == role]


def _named(folder: Path, pattern: str) -> list[Path]:
    return sorted(p for p in folder.glob(pattern) if p.name.endswith((".jsonl", ".jsonl.gz")))


def _answers(path: Path) -> Iterator[tuple[str, str, list[str]]]:
    for line, row in read_json_lines(path):
        try:
            turns = _turns(row["choices"][0]["turns"])
            yield str(row["question_id"]), str(row["model_id"]), turns
        except (KeyError, IndexError, TypeError):
            raise SrlmError(
                f"{path}:{line}: expected a FastChat answer (question_id, model_id, choices with "
                "turns); get the file again"
            ) from None
