"""srlm export on the command line."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

TO = ("alpaca_eval", "fastchat")


def add(commands: Any) -> None:
    """Adds ``export`` to the command line."""
    command = commands.add_parser(
        "export",
        help="answers and judgments in the field's own formats",
        description="Writes files that alpaca-eval or FastChat read, for every evaluated model of "
        "runs, or for single evaluations. Calls nothing.",
        epilog="exit codes: 0 done, 1 error, 2 usage",
    )
    command.add_argument(
        "folders", nargs="+", type=Path, metavar="DIR", help="run and evaluation folders"
    )
    command.add_argument("--to", required=True, choices=TO)
    command.add_argument("--out", type=Path, help="folder (default: FIRST_DIR/export/FORMAT)")
    command.set_defaults(do=_do)


def _do(arguments: argparse.Namespace) -> int:
    from harness.export import export

    out: Path = arguments.out or arguments.folders[0] / "export" / arguments.to
    for path, n in export(arguments.folders, arguments.to, out):
        print(f"{path}: {n} rows")
    print(f"written to {out}", file=sys.stderr)
    return 0
