"""Answers, verdicts and figures of one comparison, kept in its folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from typing import Any

from backends.collect import collect, to_candidate
from backends.engines.caller import Answer, Caller
from backends.engines.engine import GenerateConfig, Request, check_ready
from benchmarks.head_to_head.disagreement import Disagreement, disagreement
from benchmarks.head_to_head.figures import contest_metrics
from benchmarks.head_to_head.sides import Item, Match, Side, match_hash, matched
from benchmarks.head_to_head.verdicts import JUDGED, by_metric, judged
from harness.called import Called, callers
from harness.display import Display
from harness.failed_calls import reopen, reopen_failed
from harness.folder import claim
from harness.head_to_head.report import Said, refuse_other, write_report
from harness.head_to_head.task import FREE, HeadToHeadConfig, Task
from judges.judging import Judge
from results.records import Candidate, Message
from results.store import RecordFile
from results.tables import leaderboard_row

SIDES = ("a", "b")  # folders of the answers of sides that are models


def compare(task: Task, folder: Path, display: Display) -> dict[str, Any]:
    """Asks, judges, measures, and keeps all of it in ``folder``; goes on where it was.

    Returns:
        ``{"rows": [...], "disagreements": [...]}``: a row for each judge, and how far each two of
        them (those of earlier comparisons too) agree.
    """
    config = task.config
    for called in task.models:
        check_ready(called.engine)
    claim(folder, config, task.hashes(), (*FREE, "others"))
    if again := _reopen(folder):
        display.note(f"{again} calls that failed are made again")
    with callers(folder, task.models, config.budget, display) as opened:
        rest = list(opened)
        sides = [
            _answered(side, rest.pop(0), task.items, folder / word, config, display)
            if isinstance(side, Called)
            else side
            for word, side in zip(SIDES, task.sides, strict=True)
        ]
        first, second = sides
        matches = matched(first, second)
        said = [
            Said(f"by {metric}", False, by_metric(metric, first, second, matches))
            for metric in config.by
        ]
        if task.judge is not None:
            said.append(_asked_judge(task, rest[0], sides, matches, folder, display))
    data = match_hash(matches)
    rows = [_row(folder, one, first, second, matches, data, config.seed) for one in said]
    for path, report in zip(task.asked.others, task.earlier, strict=True):
        refuse_other(path, report, data)
    earlier = [one for report in task.earlier for one in report.verdicts()]
    table = [
        disagreement((x.judge, y.judge), matches, x.verdicts, y.verdicts, config.seed)
        for x, y in combinations([*earlier, *said], 2)
    ]
    write_report(folder, data, said)
    return {"rows": rows, "disagreements": [as_json(found) for found in table]}


def _reopen(folder: Path) -> int:
    """Opens what has failed calls in it; returns how many they are. Where an answer was missing,
    its match was not judged, so the judgments are opened too.
    """
    answers = sum(reopen_failed(folder / side) for side in SIDES)
    for path in (folder / name for name in JUDGED) if answers else ():
        if path.exists():
            reopen(path, lambda line: True)
    return answers + reopen_failed(folder)


def _answered(
    side: Called,
    caller: Caller,
    items: Sequence[Item],
    folder: Path,
    config: HeadToHeadConfig,
    display: Display,
) -> Side:
    """The model's answers, one user message each, kept in ``folder``."""
    display.start(side.name, "answers", len(items))
    file = RecordFile(folder / "outputs.jsonl", Candidate)

    def record(answer: Answer) -> Candidate:
        return to_candidate(answer, items[answer.index].id, "output")

    asked = [Request((Message(role="user", content=item.prompt),)) for item in items]
    how = config.decoding
    decoding = GenerateConfig(how.temperature, how.top_p, how.max_tokens, (), config.seed)
    records = collect(file, caller, asked, decoding, record)
    failed = sum(r.finish_reason == "error" for r in records)
    display.finish(side.name, "answers", f"{len(records)}, {failed} failed")
    answers = {r.prompt_id: None if r.finish_reason == "error" else r.text for r in records}
    return Side(side.name, list(items), answers, side.engine.identity)


def _asked_judge(
    task: Task,
    caller: Caller,
    sides: Sequence[Side],
    matches: Sequence[Match],
    folder: Path,
    display: Display,
) -> Said:
    assert task.judge is not None and task.spec is not None
    name = task.judge.name
    own = task.judge.engine.identity in {side.identity for side in sides}
    display.start(name, "judgments")
    judge = Judge(task.spec, caller, name, own)
    verdicts, unscored = judged(judge, matches, folder, task.config.seed)
    display.finish(name, "judgments", f"{unscored.of}, {unscored.n} unscored")
    return Said(f"{task.spec.name} on {name}", own, verdicts, unscored)


def _row(
    folder: Path,
    said: Said,
    first: Side,
    second: Side,
    matches: Sequence[Match],
    data: str,
    seed: int,
) -> dict[str, Any]:
    lacking = sum(match.first is None or match.second is None for match in matches)
    notes = [f"{lacking} prompts lack an answer of one side"] if lacking else []
    same = sum(match.first is not None and match.first == match.second for match in matches)
    notes += [f"{same} answers are the same on both sides: a tie without a call"] if same else []
    return leaderboard_row(
        first.name,
        "head_to_head",
        said.judge,
        len(matches),
        contest_metrics(matches, said.verdicts, seed),
        said.unscored,
        "; ".join(notes),
        run=folder.name,
        judge_is_judged=said.is_judged,
        baseline=second.name,
        data=data,
    )


def as_json(found: Disagreement) -> dict[str, Any]:
    """A disagreement as JSON data."""
    return {
        **asdict(found),
        "metrics": {name: metric.model_dump() for name, metric in found.metrics.items()},
    }
