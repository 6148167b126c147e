"""The exit code of a command that asked a judge outside of a run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from results.records import Unscored

TOO_MANY_UNSCORED = 4


def of_unscored(
    unscored: Unscored, most: float, what: str = "judgments", folder: Path | None = None
) -> int:
    """4, and a line that says so, where a larger share than ``most`` is unscored; else 0. The line
    names the error that most calls failed with in ``folder``.
    """
    if not unscored.of or unscored.n / unscored.of <= most:
        return 0
    from harness.failed_calls import commonest_error

    why = commonest_error([] if folder is None else sorted(folder.glob("*judgments*.jsonl")))
    print(
        f"srlm: {unscored.n} of {unscored.of} {what} are unscored, at most {most:.0%} may be "
        f"(judge.max_unscored){why}",
        file=sys.stderr,
    )
    return TOO_MANY_UNSCORED
