"""SIGKILL at random moments: the run must end as if nothing had happened, and pay nothing twice.

``make kills``. A smaller quick start is run once undisturbed and once killed again and again;
all records, decisions and metrics must be the same bytes, and the engine's counter (outside the
run folder) must hold no call twice.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

SMALL = [
    "prompts.count=[80, 120]", "evaluation.options.items=120", "evaluation.options.rankings=30",
    "data.options.ift=300", "data.options.eft=600", "pairs.min_pairs=8", "gate.file=null",
    "engine.name=tests.proofs.counting:CountingHf",
]  # fmt: skip
COMPARED = ("*.jsonl", "gate.json", "metrics.json")


def start(folder: Path, counter: Path, log: Path, overrides: list[str]) -> subprocess.Popen[bytes]:
    """The run in a process group of its own."""
    command = [sys.executable, "-m", "harness.cli", "run", "quickstart", "--json", "--out",
               str(folder), *SMALL, *overrides, f"engine.options.counter={counter}"]  # fmt: skip
    with log.open("ab") as out:
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=out)


def contents(folder: Path) -> dict[str, bytes]:
    """Every record, decision and metric by its path in the run folder."""
    paths = sorted(p for pattern in COMPARED for p in folder.rglob(pattern))
    return {str(p.relative_to(folder)): p.read_bytes() for p in paths}


def stage_of(log: Path) -> str:
    """The last stage that the log says was finished."""
    lines = [x for x in log.read_text(errors="replace").splitlines() if x.endswith(" s)")]
    return " ".join(lines[-1].split()[:2]) if lines else "start"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("overrides", nargs="*", help="more settings of the run")
    parser.add_argument("--folder", type=Path, default=Path("runs/proofs/kills"))
    arguments = parser.parse_args()
    shutil.rmtree(arguments.folder, ignore_errors=True)
    rng = random.Random(arguments.seed)
    # One run folder name and one counter path, so that configuration and table are the same too.
    folders = {name: arguments.folder / name / "run" for name in ("undisturbed", "killed")}
    counters = {name: arguments.folder / name / "calls.txt" for name in folders}
    for name in folders:
        folders[name].parent.mkdir(parents=True)
        counters[name].touch()
    begun = time.monotonic()
    log = arguments.folder / "undisturbed" / "log"
    if start(folders["undisturbed"], counters["undisturbed"], log, arguments.overrides).wait() != 0:
        raise SystemExit(f"the undisturbed run failed: {log}")
    length = time.monotonic() - begun

    log, struck = arguments.folder / "killed" / "log", Counter[str]()
    kills = 0
    while True:
        process = start(folders["killed"], counters["killed"], log, arguments.overrides)
        # Long enough for some progress on average, short enough to need many starts.
        wait = rng.uniform(0.5, length / 4) if kills < arguments.kills else None
        try:
            code = process.wait(wait)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            kills += 1
            struck[stage_of(log)] += 1
            print(
                f"kill {kills} after {wait:.1f} s, last finished stage: {stage_of(log)}", flush=True
            )
            continue
        if code != 0:
            raise SystemExit(f"the killed run failed with code {code}: {log}")
        if kills >= arguments.kills:
            break
        # It got through before all kills were spent: the next round begins from nothing.
        print("finished before the last kill; a new round")
        check(folders, counters)
        shutil.rmtree(folders["killed"])
        counters["killed"].write_text("")
    check(folders, counters)
    print(f"{kills} kills; where they struck (after which stage): {dict(struck)}")


def check(folders: dict[str, Path], counters: dict[str, Path]) -> None:
    """Compares the two runs and counts repeated calls."""
    first, second = (contents(folders[name]) for name in ("undisturbed", "killed"))
    different = sorted(k for k in first.keys() | second.keys() if first.get(k) != second.get(k))
    calls = {name: Counter(path.read_text().splitlines()) for name, path in counters.items()}
    repeated = sum(n - 1 for n in calls["killed"].values())
    print(
        f"{len(first)} files compared, {len(different)} differ {different}; "
        f"{len(calls['killed'])} calls (undisturbed {len(calls['undisturbed'])}), "
        f"{repeated} made twice"
    )
    if different or repeated or set(calls["killed"]) != set(calls["undisturbed"]):
        raise SystemExit("FAILED")


if __name__ == "__main__":
    main()
