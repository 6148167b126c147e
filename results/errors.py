"""The errors that a user sees: one line, no traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SrlmError(Exception):
    """Something the user can mend. Its text is one line: where, what was found, what to do.

    The command line prints it as it stands and ends with ``exit_code``.
    """

    exit_code: int = 1


class UsageError(SrlmError):
    """The command itself was wrong: an unknown name, a missing or contradictory option."""

    exit_code = 2


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``; did you mean 'X'?`` with the nearest of ``known``, for a message; empty without one."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
