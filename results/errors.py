"""The errors that a user sees: one line, no traceback."""

from __future__ import annotations


class SrlmError(Exception):
    """Something the user can mend. Its text is one line: where, what was found, what to do.

    The command line prints it as it stands and ends with ``exit_code``.
    """

    exit_code: int = 1


class UsageError(SrlmError):
    """The command itself was wrong: an unknown name, a missing or contradictory option."""

    exit_code = 2
