"""The performance table: ``make bench``. Figures of this machine, now; none is asserted."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil

FOLDER = Path("runs/proofs/bench")


def seconds(*words: str) -> float:
    """Wall seconds of one command."""
    begun = time.monotonic()
    subprocess.run(words, check=True, capture_output=True)
    return time.monotonic() - begun


def memory(root: psutil.Process, done: threading.Event, peak: list[int]) -> None:
    """Keeps in ``peak[0]`` the largest resident size of the process and all under it, in bytes."""
    while not done.wait(0.2):
        total = 0
        for process in [root, *root.children(recursive=True)]:
            try:
                total += process.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        peak[0] = max(peak[0], total)


def main() -> None:
    """Runs the quick start once and prints the table."""
    srlm = [sys.executable, "-m", "harness.cli"]
    starts = [seconds(*srlm, "--help") for _ in range(5)]
    shutil.rmtree(FOLDER, ignore_errors=True)
    command = [*srlm, "run", "quickstart", "--json", "--out", str(FOLDER)]
    begun = time.monotonic()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    done, peak = threading.Event(), [0]
    watcher = threading.Thread(target=memory, args=(psutil.Process(process.pid), done, peak))
    watcher.start()
    assert process.stderr is not None
    said = process.stderr.read()
    code = process.wait()
    wall = time.monotonic() - begun
    done.set()
    watcher.join()
    if code != 0:
        raise SystemExit(f"the quick start ended with code {code}:\n{said}")
    split = [line for line in said.splitlines() if line.startswith("time: ")][-1]
    again = seconds(*command)
    print("| what | figure |\n|-|-|")
    print(f"| `srlm --help`, median of 5 | {sorted(starts)[2]:.2f} s |")
    print(f"| quick start, M0 to leaderboard | {wall:.0f} s |")
    print(f"| the same command again | {again:.1f} s |")
    print(f"| peak memory, all processes | {peak[0] / 2**30:.2f} GiB |")
    print(f"| {split.replace(': ', ' | ', 1)} |")


if __name__ == "__main__":
    main()
