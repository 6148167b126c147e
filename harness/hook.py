"""``gate.on_gate``: a command that is told of every decision."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from harness.display import Display
from results.text import excerpt

LONGEST_S = 600.0


def tell(command: str | None, path: Path, display: Display) -> None:
    """Runs ``command`` with the decision in ``path``: its absolute path in ``SRLM_GATE``, its JSON
    on standard input. What it prints goes to stderr: stdout is for the run's table. A command that
    fails or hangs is said in a line and changes nothing.
    """
    if command is None:
        return
    problem = _run(command, path.resolve())
    if problem is not None:
        display.note(f"gate.on_gate {command!r}: {problem}; the run goes on")


def _run(command: str, path: Path) -> str | None:
    sys.stderr.flush()
    try:
        words = shlex.split(command)
        with path.open("rb") as decision:
            process = subprocess.Popen(
                words,
                stdin=decision,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**os.environ, "SRLM_GATE": str(path)},
                start_new_session=True,
            )
    except (OSError, ValueError) as error:
        return f"cannot be run ({error})"
    try:
        said, _ = process.communicate(timeout=LONGEST_S)
    except BaseException as error:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if isinstance(error, subprocess.TimeoutExpired):
            return f"killed after {LONGEST_S:.0f} s"
        raise
    text = said.decode(errors="replace")
    if process.returncode:
        tail = text.strip().splitlines()[-1:]
        return f"exit code {process.returncode}" + (f" ({excerpt(tail[0])})" if tail else "")
    sys.stderr.write(text)
    return None
