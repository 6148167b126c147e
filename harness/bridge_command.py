"""srlm eval --bridge: two judges of the same pairs, from two files or one of them asked now."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

LIVE = ("out", "plan", "overrides")  # where the other judge is asked


def bridge(arguments: argparse.Namespace, models: list[str]) -> int:
    """Prints how far the judges agree; returns the exit code."""
    from harness.called import MODEL
    from results.errors import UsageError

    if arguments.benchmark != "alpaca_eval2" or arguments.annotations is None:
        raise UsageError(
            "eval --bridge FILE|MODEL needs --benchmark alpaca_eval2 and --annotations FILE"
        )
    if models:
        raise UsageError(
            f"eval --bridge takes the pairs of --annotations, found MODEL {models[0]}; leave it out"
        )
    live = not Path(arguments.bridge).exists() and MODEL.fullmatch(arguments.bridge) is not None
    for option in ("outputs", "baseline_outputs", "judgments", "judge", "baseline", "name", *LIVE):
        if getattr(arguments, option) and not (live and option in LIVE):
            shown = arguments.overrides[0] if option == "overrides" else option.replace("_", "-")
            why = "" if live or option not in LIVE else " where --bridge is a file"
            raise UsageError(f"eval --bridge takes no {shown}{why}; leave it out")
    return _asked(arguments) if live else _print(arguments, _stored(arguments))


def _stored(arguments: argparse.Namespace) -> dict[str, Any]:
    from benchmarks.alpaca_eval2.bridge import bridge as between

    return between(arguments.annotations, Path(arguments.bridge), arguments.seed)


def _asked(arguments: argparse.Namespace) -> int:
    from harness.bridging import Task, build, plan
    from harness.display import Display
    from harness.exit_code import of_unscored
    from harness.plan_table import plan_as_json, show
    from results.store import RunLock

    task = Task(arguments.annotations, arguments.bridge, arguments.overrides, arguments.seed)
    if arguments.plan:
        show(plan(task), plan_as_json(arguments))
        return 0
    folder: Path = arguments.out or task.default_folder()
    with Display() as display, RunLock(folder):
        made = build(task, folder, display)
    _print(arguments, {**made.found, "unscored": made.unscored.model_dump()})
    print(f"kept in {folder}", file=sys.stderr)
    return of_unscored(made.unscored, task.config.judge.max_unscored)


def _print(arguments: argparse.Namespace, found: dict[str, Any]) -> int:
    import json

    from harness.rows import print_rows
    from results.leaderboard import as_json

    if arguments.json or arguments.format == "json":
        print(json.dumps(found, indent=2, default=as_json))
        return 0
    row = {**found, "model": ", ".join(found["models"]), "judge": f"{found['bridge']} for "
           f"{found['judge']}"}  # fmt: skip
    print_rows([row], arguments.format)
    return 0
