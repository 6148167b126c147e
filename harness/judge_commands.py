"""srlm judge validate | agreement | compare | estimate."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import judge_arguments

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType

    from benchmarks.human_data import HumanData
    from benchmarks.judge_validation import Conventions, Validation


def add(commands: Any) -> None:
    """Adds ``judge`` and what belongs to it to the command line."""
    actions = {
        "validate": _validate,
        "agreement": _agreement,
        "compare": _compare,
        "estimate": _estimate,
    }
    judge_arguments.add(commands, actions)


def _read(arguments: argparse.Namespace) -> HumanData:
    from benchmarks.human_data import read_human_data

    return read_human_data(
        arguments.data,
        arguments.format,
        language=_language(arguments),
        first_turn=not arguments.all_turns,
        limit=None,
    )


def _language(arguments: argparse.Namespace) -> str | None:
    return None if arguments.language == "all" else arguments.language


def _by(arguments: argparse.Namespace) -> Conventions:
    from benchmarks.judge_validation import Conventions

    return Conventions(
        unscored=arguments.unscored,
        annotators=arguments.annotators,
        epsilon=arguments.epsilon,
        own=arguments.own,
        seed=arguments.seed,
    )


def _validate(arguments: argparse.Namespace) -> int:
    from harness.display import Display
    from harness.exit_code import of_unscored
    from harness.rows import spent_by
    from harness.validation import Asked, Task, plan, validate
    from results.files import read_json
    from results.store import RunLock
    from results.tables import spent_text

    task = Task(
        arguments.judge,
        arguments.model,
        _read(arguments),
        arguments.overrides,
        Asked(_language(arguments), not arguments.all_turns, arguments.held_out, arguments.limit),
        arguments.seed,
    )
    if arguments.plan:
        from harness.plan_table import show

        show(plan(task), arguments.json)
        return 0
    folder: Path = arguments.out or task.default_folder()
    with Display() as display, RunLock(folder):
        found = validate(task, folder, display, _by(arguments), arguments.other)
    _print_validation(found, arguments.json)
    if sums := spent_by(read_json(folder / "manifest.json")):
        print(f"over all starts: {spent_text(sums)}", file=sys.stderr)
    print(f"kept in {folder}", file=sys.stderr)
    if code := of_unscored(found.unscored, task.config.judge.max_unscored, folder=folder):
        return code
    return 0 if found.fitness is None or found.fitness.fit else 3


def _agreement(arguments: argparse.Namespace) -> int:
    from benchmarks.human_data.notes import Notes
    from benchmarks.judge_validation import (
        Validation,
        for_judge,
        measure_pairs,
        measure_ranked,
    )
    from benchmarks.stored_judgments import is_pointwise, pair_judgments, pointwise_judgments
    from harness.validation import described
    from judges.fitness_checks import Criterion

    scale = _scale(arguments.scale)
    data, path, by = _read(arguments), arguments.judgments, _by(arguments)
    notes = Notes(str(path))
    pointwise = is_pointwise(path)
    held = for_judge(data, "pointwise" if pointwise else "pairwise", limit=arguments.limit)
    criterion = Criterion()
    if pointwise:
        known = {(item.id, r.id) for item in held.ranked for r in item.responses}
        judgments = pointwise_judgments(path, known, scale, notes)
        figures, _ = measure_ranked(held.ranked, judgments, scale, 1, by, criterion)
    else:
        verdicts = pair_judgments(path, {pair.id for pair in held.pairs}, notes)
        figures, _ = measure_pairs(held.pairs, verdicts, by, criterion)
    more = figures.pop("notes", [])
    found = Validation(
        judge=path.name,
        judge_spec=None,
        model=None,
        **described(data, held),
        scale=scale if pointwise else None,
        **figures,
        notes=[*held.notes, *notes.lines(), *more],
    )
    _print_validation(found, arguments.json)
    return 0


def _scale(text: str) -> tuple[int, int]:
    from results.errors import UsageError

    try:
        low, high = (int(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--scale {text!r}: expected LOW,HIGH, such as 0,5") from None
    if low >= high:
        raise UsageError(f"--scale {text!r}: expected LOW below HIGH")
    return low, high


def _print(as_json: bool, document: dict[str, Any], table: Callable[[], RenderableType]) -> None:
    """One JSON document, or the table that is then made."""
    if as_json:
        print(json.dumps(document, indent=2))
        return
    from rich.console import Console

    Console(highlight=False).print(table())


def _print_validation(found: Validation, as_json: bool) -> None:
    from harness import judge_tables

    _print(as_json, found.model_dump(mode="json"), lambda: judge_tables.validation(found))


def _compare(arguments: argparse.Namespace) -> int:
    from harness import judge_tables
    from harness.comparison import compare_folders

    found, names = compare_folders(arguments.a, arguments.b)
    document = {"a": names[0], "b": names[1], **found.model_dump(mode="json")}
    _print(arguments.json, document, lambda: judge_tables.comparison(found, names))
    return 0


def _estimate(arguments: argparse.Namespace) -> int:
    from harness import judge_tables
    from harness.comparison import as_judged, read_values
    from results.errors import UsageError
    from results.prediction_powered import differences, prediction_powered_mean

    name = arguments.metric
    judged = read_values(arguments.values, name)
    people = as_judged(read_values(arguments.human, name), judged)
    if not {v.prompt_id for v in people} & {v.prompt_id for v in judged}:
        raise UsageError(
            f"{arguments.human}: none of its {len(people)} prompts is among the {len(judged)} of "
            f"{arguments.values}; label prompts by the ids that stand there"
        )
    bounds = (0.0, 1.0)
    if (arguments.against is None) != (arguments.human_against is None):
        raise UsageError("--against and --human-against go together; give both or neither")
    if arguments.against is not None:
        theirs = as_judged(read_values(arguments.against, name), judged)
        others = [theirs, as_judged(read_values(arguments.human_against, name), judged)]
        judged, people = differences(name, judged, others[0]), differences(name, people, others[1])
        bounds = (-1.0, 1.0)
    found = prediction_powered_mean(name, judged, people, arguments.target, bounds, arguments.seed)
    document = found.model_dump(mode="json")
    _print(arguments.json, document, lambda: judge_tables.estimate(found))
    return 0
