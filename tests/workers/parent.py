"""Starts the sleeping worker and waits for it: what a test kills."""

from __future__ import annotations

import sys
from pathlib import Path

from backends.process import run_worker

if __name__ == "__main__":
    run_worker(
        "tests.workers.odd_worker",
        ["sleep", sys.argv[1]],
        Path(sys.argv[2]),
        {},
        on_event=lambda event: None,
        silence_seconds=60,
    )
