"""srlm head-to-head on the command line."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.formats import FORMATS

if TYPE_CHECKING:
    from rich.console import RenderableType

    from results.records import Unscored


def add(commands: Any) -> None:
    """Adds ``head-to-head`` to the command line."""
    command = commands.add_parser(
        "head-to-head",
        help="two models' answers to the same prompts: who wins",
        description="Win, tie and loss of A against B with intervals, by category, and length "
        "beside it; with several judges how far they agree. A side is an evaluation folder, a "
        "model_outputs.json, or a MODEL, which is asked. The same command again goes on.",
        epilog="settings: judge.spec, judge.draws, judge.options.OPTION, judge.max_unscored, "
        "a.OPTION and b.OPTION of the engines of sides that are MODELs, decoding.temperature, "
        "decoding.max_tokens, budget.max_calls, budget.max_cost; exit codes: 0 done, 1 error, 2 "
        "usage, 3 budget reached, 4 too many unscored judgments or prompts without a verdict",
    )
    command.add_argument("a", metavar="A", help="DIR, FILE or engine:name")
    command.add_argument("b", metavar="B", help="DIR, FILE or engine:name")
    command.add_argument("--judge", metavar="MODEL", help="who judges: engine:name")
    command.add_argument(
        "--by", action="append", default=[], metavar="METRIC",
        help="of two evaluations: the higher value of a prompt wins (oracle_score)",
    )  # fmt: skip
    command.add_argument(
        "--with", dest="others", type=Path, action="append", default=[], metavar="DIR",
        help="an earlier comparison of the same answers by another judge",
    )  # fmt: skip
    command.add_argument(
        "--prompts",
        type=Path,
        metavar="FILE",
        help="of sides that are MODELs (default: B's or A's)",
    )
    command.add_argument("--out", type=Path, help="folder (default: runs/head-to-head-HASH)")
    command.add_argument("--plan", action="store_true", help="calls and cost; calls nothing")
    command.add_argument("--seed", type=int, default=0, help="of calls and intervals (default: 0)")
    command.add_argument("--format", choices=FORMATS, default="table")
    command.add_argument("--json", action="store_true", help="the same as --format json")
    command.add_argument("overrides", nargs="*", metavar="key.sub=value")
    command.set_defaults(do=_do)


def _do(arguments: argparse.Namespace) -> int:
    from harness.display import Display
    from harness.exit_code import of_unscored
    from harness.head_to_head.compare import compare
    from harness.head_to_head.plan import plan
    from harness.head_to_head.task import Asked, Task
    from harness.plan_table import plan_as_json, show
    from harness.rows import print_rows
    from results.errors import UsageError
    from results.records import Unscored
    from results.store import RunLock

    if arguments.seed < 0:
        raise UsageError(f"--seed: found {arguments.seed}, expected 0 or more")
    asked = Asked(
        arguments.a,
        arguments.b,
        arguments.prompts,
        arguments.judge,
        tuple(arguments.by),
        tuple(dict.fromkeys(arguments.others)),
        arguments.seed,
    )
    task = Task(asked, arguments.overrides)
    if arguments.plan:
        show(plan(task), plan_as_json(arguments))
        return 0
    folder: Path = arguments.out or task.default_folder()
    with Display() as display, RunLock(folder):
        found = compare(task, folder, display)
    form = "json" if arguments.json else arguments.format
    if form == "json":
        document = {"rows": found.rows, "disagreements": found.disagreements}
        print(json.dumps(document, indent=2))
    elif form == "table":
        print_rows(found.rows, form)
        _print_disagreements(found.disagreements)
    else:
        print_rows([*found.rows, *map(as_row, found.disagreements)], form)
    print(f"kept in {folder}", file=sys.stderr)
    most = task.config.judge.max_unscored
    codes = [of_unscored(Unscored(**row["unscored"]), most) for row in found.rows]
    if not any(codes):
        codes = [of_unscored(_without_verdict(row), most, "prompts") for row in found.rows]
    return max(codes)


def _without_verdict(row: dict[str, Any]) -> Unscored:
    from results.records import Unscored

    share = row["metrics"]["win_rate"]
    return Unscored(n=share["of"] - share["n"], of=share["of"])


def as_row(found: dict[str, Any]) -> dict[str, Any]:
    """A disagreement as a row of a table of its own, for the formats that hold rows alone."""
    from results.tables import leaderboard_row

    counts = {
        f"{first}, {second}": found["table"][first][second]
        for first in found["table"]
        for second in found["table"]
    }
    return leaderboard_row(
        f"{found['second']}, against {found['first']}",
        "head_to_head, two judges",
        None,
        found["n"],
        {**found["metrics"], "verdicts": counts},
    )


def _print_disagreements(found: list[dict[str, Any]]) -> None:
    from rich.console import Console

    console = Console()
    for one in found:
        console.print(_table(one))


def _table(found: dict[str, Any]) -> RenderableType:
    """The verdicts of two judges, one down and one across, and the figures beneath."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from results.figures import cell, heading
    from results.text import one_line

    verdicts = list(found["table"])
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    table.add_column(Text("first judge \\ second judge"))
    for verdict in verdicts:
        table.add_column(Text(verdict), justify="right")
    for verdict in verdicts:
        table.add_row(Text(verdict), *(Text(str(found["table"][verdict][v])) for v in verdicts))
    lines = [
        Text(f"{heading(name)}: {cell(name, metric)}", style="dim")
        for name, metric in found["metrics"].items()
    ]
    return Group(
        Text(f"first judge: {one_line(found['first'])}", style="bold"),
        Text(f"second judge: {one_line(found['second'])}", style="bold"),
        Text(f"n = {found['n']} of {found['of']}"),
        table,
        *lines,
        Text(""),
    )
