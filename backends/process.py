"""Worker processes that die with their parent, however it dies.

A worker holds the reading end of a pipe whose writing end only the parent has. The system closes
it when the parent ends, SIGKILL included, and the worker then ends itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from results.errors import SrlmError


def run_worker(module: str, arguments: list[str], log: Path, environment: Mapping[str, str],
               on_event: Callable[[dict[str, Any]], None],
               silence_seconds: float) -> None:  # fmt: skip
    """Runs ``python -m module arguments`` to its end in a process group of its own.

    Args:
        module: dotted name; the worker calls ``become_worker()`` first.
        arguments: of its command line.
        log: file that takes the worker's stderr.
        environment: variables added to ours.
        on_event: called with every object that the worker emits.
        silence_seconds: a worker that emits nothing and does not end for so long is killed.

    Raises:
        SrlmError: the worker ended with another code than 0, or was killed for its silence; names
            the log (and its last line).
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as errors:
        before = errors.tell()
        worker = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, "PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1", **environment},
            start_new_session=True,
        )
        try:
            assert worker.stdout is not None
            for line in _lines(worker.stdout, silence_seconds):
                on_event(json.loads(line))
            code = worker.wait(silence_seconds)
        except subprocess.TimeoutExpired as error:
            _kill_group(worker)
            raise SrlmError(
                f"{module} gave no sign of life for {silence_seconds:g} seconds and was killed "
                f"(log: {log})"
            ) from error
        except BaseException:
            _kill_group(worker)
            raise
        finally:
            for pipe in (worker.stdin, worker.stdout):
                if pipe is not None:
                    pipe.close()
    if code != 0:
        said = _last_line(log, before)
        ended = f"code {code}" if code > 0 else f"signal {-code} (out of memory, or killed)"
        mend = "; free space" if "No space left" in said else ""
        raise SrlmError(
            f"{module} ended with {ended}: {said} (whole log: {log}){mend}; "
            "the same command goes on"
        )


def become_worker() -> Callable[[dict[str, Any]], None]:
    """In a worker, before anything else: ties its life to the parent's and returns ``emit``.

    What libraries print goes to the log; ``emit`` alone writes to the parent, one JSON a line.
    """
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def wait_for_the_end() -> None:
        while os.read(0, 4096):
            pass
        os.killpg(os.getpgrp(), signal.SIGKILL)

    def emit(event: dict[str, Any]) -> None:
        events.write(json.dumps(event) + "\n")
        events.flush()

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    return emit


def _lines(pipe: IO[bytes], silence_seconds: float) -> Iterator[bytes]:
    """The whole lines that come through ``pipe``, until it is closed."""
    rest = b""
    with selectors.DefaultSelector() as ready:
        ready.register(pipe, selectors.EVENT_READ)
        while ready.select(silence_seconds):
            found = os.read(pipe.fileno(), 1 << 16)
            if not found:
                return
            *lines, rest = (rest + found).split(b"\n")
            yield from lines
    raise subprocess.TimeoutExpired("worker", silence_seconds)


def _kill_group(worker: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()


def _last_line(log: Path, start: int) -> str:
    """The last line after byte ``start``: what stands before it is of an earlier worker."""
    lines = log.read_bytes()[start:].decode(errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else "it said nothing"
