"""Pairwise mode: two models' answers to every turn against each other, in both orders.

Shown exactly as FastChat shows them. A judge that names A and B both is unscored (``ambiguous``),
where upstream takes A and so favours what is shown first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from backends.engines.caller import Answer, Caller
from benchmarks.groups import Group, collect_groups, unanswered_pair
from benchmarks.mt_bench.answers import Answers, write_fastchat
from benchmarks.mt_bench.grading import shown, shown_prompt
from benchmarks.mt_bench.pair_figures import Game
from benchmarks.mt_bench.protocol import prompt_name
from benchmarks.mt_bench.questions import Asked
from judges.judging import other_draws
from judges.pairwise import (
    JudgedPair,
    Order,
    pair_request,
    pair_verdicts,
    render_pair,
    to_pair_judgment,
)
from judges.pointwise import generate_config
from judges.spec import JudgeSpec
from results.records import PairJudgment
from results.store import RecordFile

ORDERS: tuple[Order, ...] = get_args(Order)
_WINNER = {"first": "model_1", "second": "model_2", "tie": "tie", None: "error"}


@dataclass(frozen=True)
class Turn:
    """A turn of a question, and the pair of answers to it, null where a model has none."""

    id: str
    question_id: int | str
    category: str
    turn: int
    judged_by: str
    pair: JudgedPair | None


def turns(asked: Asked, ours: Answers, theirs: Answers) -> list[Turn]:
    """Returns every turn with both models' answers: ``ours`` are the pair's ``first``."""
    found = []
    for question in asked.questions:
        for turn in range(1, len(question.turns) + 1):
            first, second = (
                [text for text in answers[question.id][:turn] if text is not None]
                for answers in (ours, theirs)
            )
            name = prompt_name("pair", question.referenced, turn)
            reference = asked.references.get(question.id)
            pair_id = f"{question.id}/turn-{turn}"
            pair = None
            if len(first) == len(second) == turn:
                pair = JudgedPair(
                    pair_id,
                    shown_prompt(question, turn, first),
                    shown(first),
                    shown(second),
                    None if reference is None else shown(reference[:turn]),
                )
            found.append(
                Turn(pair_id, question.question_id, question.category, turn, name, pair)
            )  # fmt: skip
    return found


def compare(
    judge: Caller,
    graders: Mapping[str, JudgeSpec],
    of: Sequence[Turn],
    file: RecordFile[PairJudgment],
    seed: int,
) -> list[PairJudgment]:
    """Returns two judgments of every turn, one in each order, kept in ``file``.

    Args:
        judge: who compares.
        graders: FastChat's four pairwise prompts by name.
        of: the turns.
        file: a finalised one is read, not made again.
        seed: of the judge's decoding (greedy in FastChat's prompts).
    """
    by_prompt: dict[str, list[tuple[JudgedPair, Order]]] = {}
    for turn in of:
        if turn.pair is not None:
            asked = by_prompt.setdefault(turn.judged_by, [])
            asked += [(turn.pair, order) for order in ORDERS]
    places = [(turn.id, order) for turn in of for order in ORDERS]
    return collect_groups(
        file,
        judge,
        [_group(graders[name], asked, file, seed) for name, asked in by_prompt.items()],
        [unanswered_pair(turn.id, order) for turn in of if turn.pair is None for order in ORDERS],
        lambda judgment: (judgment.prompt_id, judgment.order),
        {key: place for place, key in enumerate(places)},
    )


def _group(
    spec: JudgeSpec,
    asked: Sequence[tuple[JudgedPair, Order]],
    file: RecordFile[PairJudgment],
    seed: int,
) -> Group[PairJudgment]:
    def record(answer: Answer) -> PairJudgment:
        pair, order = asked[answer.index]
        return to_pair_judgment(spec, pair.id, order, 0, answer.completion, answer.key)

    other = other_draws(file)
    requests = [
        pair_request(spec, pair, order, other.get((pair.id, order, 0), 0)) for pair, order in asked
    ]
    return Group(requests, generate_config(spec, seed), record)


def to_games(of: Sequence[Turn], judgments: Sequence[PairJudgment]) -> list[Game]:
    """Returns what the judgments say of ``first``, turn by turn."""
    verdicts = pair_verdicts(judgments)
    return [Game(str(t.question_id), t.category, verdicts[t.id].verdict) for t in of]


def write_pairs(
    path: Path,
    models: tuple[str, str],
    judge: str,
    graders: Mapping[str, JudgeSpec],
    of: Sequence[Turn],
    judgments: Sequence[PairJudgment],
) -> None:
    """Writes FastChat's pairwise judgments; ``models`` are the pair's first and second."""
    made = {(judgment.prompt_id, judgment.order): judgment for judgment in judgments}
    rows = []
    for turn in of:
        if turn.pair is None:
            continue
        row: dict[str, object] = {
            "question_id": turn.question_id,
            "model_1": models[0],
            "model_2": models[1],
            "judge": [judge, turn.judged_by],
            "turn": turn.turn,
            "tstamp": 0.0,
        }
        for game, order in zip(("g1", "g2"), ORDERS, strict=True):
            judgment = made[(turn.id, order)]
            row[f"{game}_winner"] = _WINNER[judgment.verdict]
            row[f"{game}_user_prompt"] = render_pair(graders[turn.judged_by], turn.pair, order)
            row[f"{game}_judgment"] = judgment.text
        rows.append(row)
    write_fastchat(path, rows)
