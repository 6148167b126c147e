"""Does a judge agree with people: every figure on one set of human data, and the verdict."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from benchmarks.human_data import HumanData
from benchmarks.human_data.convert import pairs_of, rankings_of
from benchmarks.human_data.split import split_prompts
from judges.agreement import Unscored as UnscoredRule
from judges.agreement import judge_metrics
from judges.alt_test import alt_test, annotator_answers
from judges.diagnosis import Diagnosis, diagnose
from judges.fitness import Fitness, pairwise_fitness, ranked_fitness
from judges.fitness_checks import Criterion
from judges.human_agreement import human_agreement
from judges.judging import (
    Judge,
    judge_pairs,
    judge_responses,
    ranked_responses,
    unscored,
)
from judges.labels import Choice, LabelledPair
from judges.pair_agreement import pair_metrics
from judges.pair_counts import Annotators, pair_notes
from judges.pairwise import Verdict, pair_verdicts, to_judged
from judges.pointwise import Key
from judges.rankings import RankedPrompt
from judges.score_table import score_table
from judges.spec import JudgeSpec
from judges.turns import refuse_data
from results.errors import UsageError
from results.records import Judgment, Metric, PairJudgment, Unscored, Value
from results.store import RecordFile

CHOICES: dict[Verdict, Choice] = {"win": "first", "tie": "tie", "loss": "second"}
THREE = 3  # annotators from which on the alternative annotator test is made


@dataclass(frozen=True)
class HeldAgainst:
    """Human data as one kind of judge needs them: exactly one of the lists is filled."""

    ranked: list[RankedPrompt] = field(default_factory=list)
    pairs: list[LabelledPair] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Conventions:
    """What published figures differ in, and the seeds and sizes of intervals.

    Args:
        unscored: ``drop``, ``wrong`` or ``tie``; null: drop for ranked data, wrong for pairwise.
        annotators: ``each`` label is a comparison, or their ``majority`` is.
        epsilon: the advantage over the judge that the alternative annotator test grants a person.
        own: the judge's own model, as response ids name theirs; null: self-preference is not looked
            at.
        seed, rounds, confidence: see ``results.stats``.
    """

    unscored: UnscoredRule | None = None
    annotators: Annotators = "each"
    epsilon: float = 0.2
    own: str | None = None
    seed: int = 0
    rounds: int = 2000
    confidence: float = 0.95


class Validation(BaseModel):
    """One judge on one set of human data; the contents of metrics.json.

    ``n`` of ``of`` prompts (or pairs) of the data were used; ``prompts`` is a hash of which.
    ``scale`` and ``diagnosis`` are those of ranked data. ``judge_spec`` says how scores come about,
    null for stored judgments.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    judge: str
    judge_spec: str | None
    model: str | None
    data: str
    data_format: str
    data_sha256: str
    kind: Literal["ranked", "pairwise"]
    n: int
    of: int
    prompts: str
    scale: tuple[float, float] | None
    min_scored: int = 1
    metrics: dict[str, Metric]
    unscored: Unscored
    diagnosis: Diagnosis | None = None
    human_agreement: dict[str, Metric] | None = None
    annotator_test: dict[str, Any] | None = None
    fitness: Fitness | None = None
    notes: list[str]


def for_judge(
    data: HumanData, kind: str, held_out: float = 1.0, limit: int | None = None
) -> HeldAgainst:
    """The data as a judge of ``kind`` needs them.

    Args:
        data: as read.
        kind: ``pointwise`` or ``pairwise``.
        held_out: share of the prompts, by a hash of their text, that is used.
        limit: prompts or pairs at most.

    Raises:
        UsageError: nothing is left.
    """
    notes = []
    if data.kind == "ranked":
        ranked = split_prompts(data.ranked, held_out)[1]
        found = HeldAgainst(ranked=ranked[:limit])
        if kind == "pairwise":
            found = HeldAgainst(pairs=pairs_of(ranked)[:limit])
            notes.append(f"{data.name}: ranked data for a pairwise judge: every two ranked "
                         "responses of a prompt are a pair")  # fmt: skip
    else:
        pairs = split_prompts(data.pairs, held_out)[1]
        found = HeldAgainst(pairs=pairs[:limit])
        if kind == "pointwise":
            found = HeldAgainst(ranked=rankings_of(pairs)[:limit])
            notes.append(f"{data.name}: labelled pairs for a pointwise judge: the majority's label "
                         "ranks the two, pairs without a majority are left out")  # fmt: skip
    if not found.ranked and not found.pairs:
        raise UsageError(f"{data.name}: no prompt is left of {data.of}; raise --held-out")
    return HeldAgainst(found.ranked, found.pairs, [*data.notes, *notes])


def refuse_held(spec: JudgeSpec, held: HeldAgainst) -> None:
    """Raises UsageError when the judge shows what some of the prompts do not have."""
    refuse_data(
        spec,
        [
            *((r.prompt, {"response": r.text}, r.reference) for r in ranked_responses(held.ranked)),
            *((p.prompt, {"first": p.first, "second": p.second}, p.reference) for p in held.pairs),
        ],
    )  # fmt: skip


def judge_ranked(judge: Judge, ranked: Sequence[RankedPrompt], folder: Path,
                 seed: int) -> list[Judgment]:  # fmt: skip
    """Asks a pointwise judge; its judgments are kept in ``folder``."""
    file = RecordFile(folder / "judgments.jsonl", Judgment)
    return judge_responses(judge, ranked_responses(ranked), file, seed)


def judge_labelled(judge: Judge, pairs: Sequence[LabelledPair], folder: Path,
                   seed: int) -> list[PairJudgment]:  # fmt: skip
    """Asks a pairwise judge; its judgments are kept in ``folder``."""
    file = RecordFile(folder / "judgments.jsonl", PairJudgment)
    return judge_pairs(judge, [to_judged(pair) for pair in pairs], file, seed)


def measure_ranked(
    ranked: Sequence[RankedPrompt],
    judgments: Iterable[Judgment],
    scale: tuple[int, int],
    min_scored: int = 1,
    by: Conventions = Conventions(),
    criterion: Criterion | None = None,
    other: tuple[str, Mapping[Key, float | None]] | None = None,
) -> tuple[dict[str, Any], list[Value]]:
    """The figures of a ``Validation`` by name, and the values behind the metrics.

    Args:
        ranked: human rankings.
        judgments: of their responses.
        scale: lowest and highest score.
        min_scored: scored draws that a response needs.
        by: the conventions.
        criterion: of the verdict; null: none is given.
        other: name and mean scores of another judge, which must not be surely better.
    """
    table = score_table(judgments)
    means = table.means(min_scored)
    rule = by.unscored or "drop"
    metrics, values = judge_metrics(ranked, means, scale, rule, by.seed, by.rounds, by.confidence)
    own = by.own
    found: dict[str, Any] = {
        "metrics": metrics,
        "unscored": table.unscored(),
        "diagnosis": diagnose(
            ranked,
            table,
            scale,
            None if own is None else lambda key: _is_own(key[1], own),
            min_scored,
            seed=by.seed,
            rounds=by.rounds,
            confidence=by.confidence,
        ),
    }
    if criterion is not None:
        found["fitness"] = ranked_fitness(
            criterion, ranked, means, found["unscored"], other, seed=by.seed, rounds=by.rounds
        )
    return found, values


def measure_pairs(
    pairs: Sequence[LabelledPair],
    judgments: Sequence[PairJudgment],
    by: Conventions = Conventions(),
    criterion: Criterion | None = None,
    other: tuple[str, Sequence[PairJudgment]] | None = None,
) -> tuple[dict[str, Any], list[Value]]:
    """As ``measure_ranked``, on labelled pairs."""
    measure = partial(
        pair_metrics,
        pairs,
        unscored=by.unscored or "wrong",
        annotators=by.annotators,
        seed=by.seed,
        rounds=by.rounds,
    )
    metrics, values = measure(judgments, confidence=by.confidence)
    found: dict[str, Any] = {
        "metrics": metrics,
        "unscored": unscored(judgments),
        "notes": pair_notes(pairs, judgments),
    }
    annotators = annotator_answers(pairs)
    if len(annotators) > 1:
        found["human_agreement"] = human_agreement(pairs, by.seed, by.rounds, by.confidence)[0]
    alt = None
    if len(annotators) >= THREE:
        alt = alt_test(_choices(judgments), annotators, by.epsilon)
        found["annotator_test"] = asdict(alt)
        if alt.omega is None:  # nobody labelled enough for it: the accuracy decides
            alt = None
    if criterion is not None:
        at = partial(measure, confidence=1 - criterion.alpha)
        found["fitness"] = pairwise_fitness(
            criterion, pairs, judgments, at, found["unscored"], other, alt, seed=by.seed,
            rounds=by.rounds,
        )  # fmt: skip
    return found, values


def _choices(judgments: Sequence[PairJudgment]) -> dict[str, Choice | None]:
    """What the judge says of each pair over all orders and draws; null where it is unscored."""
    return {
        pair_id: None if found.verdict is None else CHOICES[found.verdict]
        for pair_id, found in pair_verdicts(judgments).items()
    }


def _is_own(response_id: str, own: str) -> bool:
    """Whether a response is by the model ``own``: its id is that name, or the name and a number."""
    return re.fullmatch(rf"{re.escape(own)}(-\d+)?", response_id) is not None
