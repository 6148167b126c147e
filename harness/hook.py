"""``gate.on_gate``: a command that is told of every decision."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from harness.display import Display
from results.text import excerpt

LONGEST_S = 600.0
TOLD = 64 << 10  # bytes of its output, the last ones, that are passed on


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
    # A file, not a pipe: what the command leaves running may hold it as long as it likes.
    with tempfile.TemporaryFile() as said:
        try:
            with path.open("rb") as decision:
                process = subprocess.Popen(
                    shlex.split(command),
                    stdin=decision,
                    stdout=said,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, "SRLM_GATE": str(path)},
                    start_new_session=True,
                )
        except (OSError, ValueError) as error:
            return f"cannot be run ({error})"
        try:
            process.wait(timeout=LONGEST_S)
        except BaseException as error:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if isinstance(error, subprocess.TimeoutExpired):
                return f"killed after {LONGEST_S:.0f} s"
            raise
        said.seek(max(0, said.seek(0, os.SEEK_END) - TOLD))
        text = said.read().decode(errors="replace")
    if process.returncode:
        tail = text.strip().splitlines()[-1:]
        return f"exit code {process.returncode}" + (f" ({excerpt(tail[0])})" if tail else "")
    sys.stderr.write(text)
    return None
