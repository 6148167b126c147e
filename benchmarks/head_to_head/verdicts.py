"""Who wins each match: by a judge that is asked, or by figures that an evaluation has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.head_to_head.sides import Match, Side
from judges.judging import Judge, Response, judge_pairs, judge_responses, unscored
from judges.pairwise import JudgedPair, Verdict, pair_verdicts
from judges.pointwise import mean_scores
from results.errors import SrlmError, UsageError, did_you_mean
from results.records import Judgment, PairJudgment, Unscored
from results.store import RecordFile
from results.text import excerpt

FIRST, SECOND = "first", "second"
JUDGED = ("judgments.jsonl", "pair_judgments.jsonl")  # of a judge that scores, that compares
NEAR = 1e-9  # figures that differ by less are equal
Verdicts = dict[str, Verdict | None]  # of the first side, by item id; null where there is none


def judged(
    judge: Judge, matches: Sequence[Match], folder: Path, seed: int
) -> tuple[Verdicts, Unscored]:
    """Asks the judge; a match without an answer has no verdict, identical answers are a tie, both
    without a call.

    A pairwise judge is shown each pair in the orders of its spec, and orders that disagree are a
    tie; a pointwise one scores each answer, and the higher mean score wins.

    Args:
        judge: who is asked.
        matches: what is judged.
        folder: for the records; a finalised file is read, not made again.
        seed: of the judge's decoding.
    """
    open_ = [m for m in matches if m.played]
    played = [m for m in open_ if m.first != m.second]
    if judge.spec.kind == "pairwise":
        found, missing = _by_pairs(judge, played, folder, seed)
    else:
        found, missing = _by_scores(judge, played, folder, seed)
    found |= {m.item.id: "tie" for m in open_ if m.first == m.second}
    return {m.item.id: found.get(m.item.id) for m in matches}, missing


def _by_pairs(
    judge: Judge, played: Sequence[Match], folder: Path, seed: int
) -> tuple[Verdicts, Unscored]:
    pairs = [JudgedPair(m.item.id, m.item.prompt, m.first or "", m.second or "") for m in played]
    file = RecordFile(folder / JUDGED[1], PairJudgment)
    judgments = judge_pairs(judge, pairs, file, seed)
    _refuse_others(file, judgments, played)
    return {i: v.verdict for i, v in pair_verdicts(judgments).items()}, unscored(judgments)


def _by_scores(
    judge: Judge, played: Sequence[Match], folder: Path, seed: int
) -> tuple[Verdicts, Unscored]:
    responses = [
        Response(m.item.id, m.item.prompt, side, text or "")
        for m in played
        for side, text in ((FIRST, m.first), (SECOND, m.second))
    ]
    file = RecordFile(folder / JUDGED[0], Judgment)
    judgments = judge_responses(judge, responses, file, seed)
    _refuse_others(file, judgments, played)
    means = {key: score.mean for key, score in mean_scores(judgments, judge.spec).items()}
    found = {
        m.item.id: _higher(means.get((m.item.id, FIRST)), means.get((m.item.id, SECOND)))
        for m in played
    }
    return found, unscored(judgments)


def _refuse_others(
    file: RecordFile[Any], judgments: Sequence[Judgment | PairJudgment], played: Sequence[Match]
) -> None:
    """A finalised file is read as it is: it must be about these matches."""
    if {judgment.prompt_id for judgment in judgments} != {match.item.id for match in played}:
        raise SrlmError(
            f"{file.path}: found judgments that are not of the {len(played)} pairs of these "
            "answers; use another folder, or remove the file"
        )


def by_metric(metric: str, first: Side, second: Side, matches: Sequence[Match]) -> Verdicts:
    """The side with the higher figure wins; a prompt that one of them has no answer to or no figure
    of has no verdict.

    Raises:
        UsageError: a side is no evaluation, or has no such figure by prompt; or the two were
            measured in ways that do not compare.
    """
    for side in (first, second):
        if metric not in side.values:
            meant = did_you_mean(metric, side.values)
            there = ", ".join(side.values) or "none: it is no evaluation folder"
            raise UsageError(
                f"--by {metric!r}: {side.name} has no such figure by prompt{meant} (it has {there})"
            )
    _refuse_other_measure(metric, first, second)
    ours, theirs = first.values[metric], second.values[metric]
    return {
        m.item.id: _higher(ours.get(m.item.id), theirs.get(m.item.id)) if m.played else None
        for m in matches
    }


def _refuse_other_measure(metric: str, first: Side, second: Side) -> None:
    """Figures of other judges, questions or opponents would make one answer win over itself."""
    ours, theirs = first.measured, second.measured
    keys = ["benchmark", "judge", "data"]
    if "win_rate" in metric or "loss_rate" in metric:
        keys.append("baseline")
    for key in keys:
        found = getattr(ours, key), getattr(theirs, key)
        if found[0] != found[1]:
            raise UsageError(
                f"--by {metric!r}: {first.name} and {second.name} were measured with another {key} "
                f"({excerpt(found[0])} and {excerpt(found[1])}), expected the same; evaluate both "
                "alike"
            )


def _higher(first: float | None, second: float | None) -> Verdict | None:
    if first is None or second is None:
        return None
    if abs(first - second) <= NEAR:
        return "tie"
    return "win" if first > second else "loss"
