"""srlm monitors: how healthy each iteration of one or several runs is."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.monitor_runs import RunMonitors
    from results.alarms import Alarms


def add(commands: Any) -> None:
    """Adds ``monitors`` to the command line."""
    command = commands.add_parser(
        "monitors",
        help="how healthy each iteration is; several runs side by side",
        description="Self-scores, pairs, texts, the judge against the one before and the anchored "
        "figure, per iteration, and which alarms they raise. Calls no model; an old run gets its "
        "monitors.json.",
    )
    command.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folders")
    command.add_argument("--json", action="store_true", help="one JSON document on stdout")
    command.add_argument("--plot", type=Path, metavar="FILE", help="a page: .png, .svg or .pdf")
    command.set_defaults(do=_monitors)


def _monitors(arguments: argparse.Namespace) -> int:
    from harness.alarms.measuring import run_alarms
    from harness.monitor_runs import differences, names, read_run

    if arguments.plot is not None:
        from harness.monitor_plot import check

        check(arguments.plot)  # before minutes are spent
    called = names(arguments.runs)
    found = [read_run(path, name) for path, name in zip(arguments.runs, called, strict=True)]
    for run in found:
        for note in run.notes:
            print(f"{run.run}: {note}", file=sys.stderr)
    alarms = {run.run: run_alarms(path) for run, path in zip(found, arguments.runs, strict=True)}
    if arguments.plot is not None:
        from harness.monitor_plot import plot

        plot(found, arguments.plot)
        print(f"plotted in {arguments.plot}", file=sys.stderr)
    if arguments.json:
        import json

        document = {
            "runs": [
                {**run.model_dump(), "alarms": [one.model_dump() for one in alarms[run.run]]}
                for run in found
            ],
            "differences": [difference.model_dump() for difference in differences(found)],
        }
        print(json.dumps(document, ensure_ascii=False, indent=2))
        return 0
    _print(found, alarms)
    return 0


def _print(found: list[RunMonitors], alarms: dict[str, list[Alarms]]) -> None:
    from rich.console import Console
    from rich.text import Text

    from harness.alarms.measuring import lines
    from harness.monitor_tables import page
    from results.text import one_line

    console = Console()
    console.print(page(found, console.width))
    for run, raised in alarms.items():
        console.print(Text(f"\nalarms, {one_line(run)}", style="bold"))
        for line in lines(raised):
            console.print(Text(line))
