"""Answers, verdicts and figures of one comparison, kept in its folder."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from backends.engines.caller import Caller
from backends.engines.engine import GenerateConfig, check_ready, check_served
from benchmarks.alpaca_eval2.outputs import generate
from benchmarks.head_to_head.disagreement import disagreement
from benchmarks.head_to_head.figures import contest_metrics
from benchmarks.head_to_head.sides import OUTPUTS, Match, Side, match_hash, matched
from benchmarks.head_to_head.verdicts import JUDGED, by_metric, judged
from harness.called import Called, callers
from harness.display import Display
from harness.failed_calls import failed_calls, reopen, reopen_failed
from harness.folder import claim
from harness.head_to_head.report import REPORT, Report, Said, refuse_other
from harness.head_to_head.task import FREE, Task
from judges.judging import Judge
from results.records import Candidate
from results.store import RecordFile, write_json
from results.tables import leaderboard_row

SIDES = ("a", "b")  # folders of the answers of sides that are models


def compare(task: Task, folder: Path, display: Display) -> Report:
    """Asks, judges, measures, and keeps all of it in ``folder``; goes on where it was.

    Returns:
        A row for each judge, and how far each two of them (those of earlier comparisons too) agree.
    """
    config = task.config
    new = not (folder / "config.yaml").exists()
    for called in task.models:
        check_ready(called.engine)
        if new:
            check_served(called.engine, display.note)
    claim(folder, config, task.hashes(), (*FREE, "others"))
    if again := _reopen(folder):
        display.note(f"{again} calls that failed are made again")
    with callers(folder, task.models, config.budget, display) as opened:
        by_model = dict(zip(map(id, task.models), opened, strict=True))
        sides = [
            _answered(side, by_model[id(side)], task, folder / word, display)
            if isinstance(side, Called)
            else side
            for word, side in zip(SIDES, task.sides, strict=True)
        ]
        first, second = sides
        matches = matched(first, second)
        data = match_hash(matches)
        for path, report in zip(task.asked.others, task.earlier, strict=True):
            refuse_other(path, report, data)
        said = [
            Said(f"by {metric}", False, by_metric(metric, first, second, matches))
            for metric in config.by
        ]
        if task.judge is not None:
            judge = by_model[id(task.judge)]
            said.append(_asked_judge(task, judge, sides, matches, folder, display))
    earlier = [one for report in task.earlier for one in report.verdicts()]
    table = [
        disagreement((x.judge, y.judge), matches, x.verdicts, y.verdicts, config.seed)
        for x, y in combinations([*earlier, *said], 2)
    ]
    rows = [_row(folder, one, first, second, matches, data, config.seed) for one in said]
    report = Report.of(data, said, rows, table)
    write_json(folder / REPORT, report.model_dump())
    return report


def _reopen(folder: Path) -> int:
    """Opens what has failed calls in it; returns how many they are. Where an answer is missing, its
    match was not judged, so the judgments are opened too, and first: a kill in between leaves the
    failed answers to be found again.
    """
    failed = any(failed_calls(folder / side) for side in SIDES)
    if failed or failed_calls(folder):
        (folder / REPORT).unlink(missing_ok=True)  # of answers that are asked for again
    if failed:
        for path in (folder / name for name in JUDGED):
            if path.exists():
                reopen(path, lambda line: True)
    return sum(reopen_failed(folder / side) for side in SIDES) + reopen_failed(folder)


def _answered(side: Called, caller: Caller, task: Task, folder: Path, display: Display) -> Side:
    """The model's answers, one user message each, kept in ``folder``."""
    items, config = task.items, task.config
    display.start(side.name, "answers", len(items))
    how = config.decoding
    decoding = GenerateConfig(how.temperature, how.top_p, how.max_tokens, (), config.seed)
    file = RecordFile(folder / OUTPUTS, Candidate)
    found = generate(caller, [(item.id, item.prompt) for item in items], file, decoding)
    if side is not task.judge:
        side.engine.close()  # two models at most hold their weights at a time
    display.finish(side.name, "answers", f"{len(items)}, {len(items) - len(found)} failed")
    answers = {item.id: found.get(item.id) for item in items}
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
