"""srlm monitors: how healthy each iteration of one or several runs is."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.monitor_runs import RunMonitors


def add(commands: Any) -> None:
    """Adds ``monitors`` to the command line."""
    command = commands.add_parser(
        "monitors",
        help="how healthy each iteration is; several runs side by side",
        description="Self-scores, pairs, texts, the judge against the one before and the anchored "
        "figure, per iteration. Calls no model; an old run gets its monitors.json.",
    )
    command.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folders")
    command.add_argument("--json", action="store_true", help="one JSON document on stdout")
    command.add_argument("--plot", type=Path, metavar="FILE", help="a page: .png, .svg or .pdf")
    command.set_defaults(do=_monitors)


def _monitors(arguments: argparse.Namespace) -> int:
    from harness.monitor_runs import differences, names, read_run

    if arguments.plot is not None:
        from harness.monitor_plot import check

        check(arguments.plot)  # before minutes are spent
    called = names(arguments.runs)
    found = [read_run(path, name) for path, name in zip(arguments.runs, called, strict=True)]
    for run in found:
        for note in run.notes:
            print(f"{run.run}: {note}", file=sys.stderr)
    if arguments.plot is not None:
        from harness.monitor_plot import plot

        plot(found, arguments.plot)
        print(f"plotted in {arguments.plot}", file=sys.stderr)
    if arguments.json:
        import json

        document = {
            "runs": [run.model_dump() for run in found],
            "differences": [difference.model_dump() for difference in differences(found)],
        }
        print(json.dumps(document, ensure_ascii=False, indent=2))
        return 0
    _print(found)
    return 0


def _print(found: list[RunMonitors]) -> None:
    from rich.console import Console

    from harness.monitor_tables import page

    console = Console()
    console.print(page(found, console.width))
