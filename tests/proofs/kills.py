"""SIGKILL at random moments: the run must end as if nothing had happened, and pay nothing twice.

``make kills``. A smaller quick start is run once undisturbed and once killed again and again;
all records, decisions, metrics and the leaderboard must be the same bytes, and the engine's counter
(outside the run folder) must hold no call twice whose answer was stored. (Between an answer and its
storing lies a moment; a kill in it costs the batch that was in flight, at most one a kill, which is
counted and shown.) Every other kill waits for a training or for a
stage with model calls, whichever was struck less: without one of each nothing is proven.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

SMALL = [
    "prompts.count=[80, 120]", "evaluation.options.items=120", "evaluation.options.rankings=30",
    "judge.fit.criterion.min_prompts=20",
    "data.options.ift=300", "data.options.eft=600", "pairs.min_pairs=8", "engine.batch_size=32",
    # Real rules that such a run passes: deciding is part of what is resumed.
    "gate.rules=[{metric: oracle_score, rule: min, threshold: 0.5}, "
    "{metric: oracle_score, rule: no_regression, threshold: 1.0}]",
    "engine.name=tests.proofs.counting:CountingHf",
]  # fmt: skip
COMPARED = ("*.jsonl", "gate.json", "metrics.json")
# The line that a stage ends with: model, stage, facts and seconds.
FINISHED = re.compile(
    r"(\S.*?) +(seed|prompts|candidates|judgments|pairs|training|evaluation|gate)\b.* s\)$"
)
POLL_S = 0.005
MORE = 6  # kills beyond those asked for, while a kind has not been struck
Kind = Literal["training", "calls", "other"]
Marks = dict[Path, tuple[int, int]]


@dataclass(frozen=True)
class Moment:
    """When to kill: after ``wait`` seconds at once, or from then on ``lag`` seconds after ``aim``
    was seen in progress, if it still is.
    """

    wait: float
    aim: Kind | None
    lag: float


@dataclass(frozen=True)
class Side:
    """One of the two runs: what it writes where. Both run folders have the same name, so that the
    tables can be the same.
    """

    home: Path
    overrides: list[str]

    @property
    def run(self) -> Path:
        return self.home / "run"

    @property
    def counter(self) -> Path:
        return self.home / "calls.txt"

    @property
    def log(self) -> Path:
        return self.home / "log"

    @property
    def board(self) -> Path:
        """What the last start printed."""
        return self.home / "leaderboard.json"

    def start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "harness.cli", "run", "quickstart", "--json", "--out",
                   str(self.run), *SMALL, *self.overrides,
                   f"engine.counter={self.home}"]  # fmt: skip
        with self.log.open("ab") as log, self.board.open("wb") as board:
            return subprocess.Popen(command, stdout=board, stderr=log)

    def contents(self) -> dict[str, bytes]:
        """Every record, decision and metric by its path in the run folder, and the leaderboard."""
        paths = sorted(p for pattern in COMPARED for p in self.run.rglob(pattern))
        found = {str(p.relative_to(self.run)): p.read_bytes() for p in paths}
        return {**found, "the leaderboard": self.board.read_bytes()}

    def calls(self) -> Counter[str]:
        """How often each call was finished by the engine."""
        return Counter(line for line in self.counter.read_text().splitlines() if line)

    def in_flight(self, since: int) -> set[str]:
        """The calls of the engine's last batch whose answers are not in the cache; ``since`` is the
        size that the counter had at the start.
        """
        batches = self.counter.read_text()[since:].split("\n\n")
        last = batches[-2].splitlines() if len(batches) > 1 else []
        stored: set[int] = set()
        if last:
            with closing(sqlite3.connect(self.run / "calls.sqlite")) as cache:
                keys = cache.execute("SELECT key FROM calls").fetchall()
            stored = {int(key[:15], 16) for (key,) in keys}  # a call's seed begins its key
        return {call for call in last if int(call.split()[-1]) not in stored}

    def marks(self) -> Marks:
        """The files that stand for work begun, and when each was last written."""
        found: Marks = {}
        for pattern in ("*.job.json", "*.jsonl.part"):
            for path in self.run.rglob(pattern):
                try:
                    state = path.stat()
                except FileNotFoundError:  # finalised just now
                    continue
                found[path] = (state.st_ino, state.st_mtime_ns)
        return found

    def in_progress(self, before: Marks) -> tuple[Kind, str]:
        """What the folder says is being done now. What an earlier start left behind, ``before``,
        says nothing: this start has not come to it yet.
        """
        fresh = [p for p, state in self.marks().items() if before.get(p) != state]
        kinds: tuple[tuple[Kind, str], ...] = (("training", ".job.json"), ("calls", ".part"))
        for kind, end in kinds:
            for path in fresh:
                if path.name.endswith(end):
                    return kind, f"{kind}: {str(path.relative_to(self.run)).removesuffix(end)}"
        lines = self.log.read_text(errors="replace").splitlines()
        stages = [" ".join(m.groups()) for x in lines if (m := FINISHED.match(x))]
        return "other", f"starting or between stages, after {stages[-1] if stages else 'nothing'}"


def strike(side: Side, moment: Moment) -> tuple[Kind, str] | int:
    """Starts the run and kills it at ``moment``.

    Returns what was struck, or the exit code of a run that ended before.
    """
    before = side.marks()
    process = side.start()
    begun = time.monotonic()
    while True:
        code = process.poll()
        if code is not None:
            return code
        if time.monotonic() - begun >= moment.wait:
            if moment.aim is None:
                break
            if side.in_progress(before)[0] == moment.aim:
                time.sleep(moment.lag)
                if side.in_progress(before)[0] == moment.aim:
                    break
        time.sleep(POLL_S)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    return side.in_progress(before)


def draw(rng: random.Random, length: float, struck: Counter[Kind]) -> Moment:
    """The next kill: in turn at any moment from 0.05 s on, and at the kind that is struck less.

    Args:
        rng: of the moments.
        length: of the undisturbed run in seconds.
        struck: kills so far by kind.
    """
    if struck.total() % 2 == 0:
        # Log-uniform or uniform: many early moments, and enough late ones for some progress.
        early = rng.random() < 0.5
        wait = 0.05 * (length * 5) ** rng.random() if early else rng.uniform(0, length / 3)
        return Moment(wait, None, 0)
    aim: Kind = "training" if struck["training"] <= struck["calls"] else "calls"
    # A training of seconds is struck from its worker's start on, a batch of calls is short.
    lag = rng.uniform(0, length / 20) if aim == "training" else rng.uniform(0, 0.2)
    return Moment(rng.uniform(0, length / 3), aim, lag)


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
    undisturbed, killed = (
        Side(arguments.folder / name, arguments.overrides) for name in ("undisturbed", "killed")
    )
    for side in (undisturbed, killed):
        side.home.mkdir(parents=True)
        side.counter.touch()
    begun = time.monotonic()
    if undisturbed.start().wait() != 0:
        raise SystemExit(f"the undisturbed run failed: {undisturbed.log}")
    length = time.monotonic() - begun

    struck: Counter[Kind] = Counter()
    lost: Counter[str] = Counter()
    while struck.total() < arguments.kills + (0 if proven(struck) else MORE):
        begun, since = time.monotonic(), killed.counter.stat().st_size
        hit = strike(killed, draw(rng, length, struck))
        if isinstance(hit, int):
            # It got through before all kills were spent: the next round begins from nothing.
            finished(killed, hit)
            check(undisturbed, killed, lost)
            lost.clear()
            print("finished before the last kill; a new round", flush=True)
            shutil.rmtree(killed.run)
            killed.counter.write_text("")
            killed.log.write_text("")
            continue
        struck[hit[0]] += 1
        lost.update(killed.in_flight(since))
        after = time.monotonic() - begun
        print(f"kill {struck.total()} after {after:.2f} s, {hit[1]}", flush=True)
    finished(killed, killed.start().wait())
    check(undisturbed, killed, lost)
    print(
        f"{struck.total()} kills: {struck['training']} in training, {struck['calls']} in a stage "
        f"with model calls, {struck['other']} while starting or between stages"
    )
    if not proven(struck):
        raise SystemExit("not proven: no kill struck a training, or none a stage with model calls")


def proven(struck: Counter[Kind]) -> bool:
    """Whether training and a stage with model calls were struck."""
    return struck["training"] > 0 and struck["calls"] > 0


def finished(side: Side, code: int) -> None:
    """Ends the proof when the run did not end well."""
    if code != 0:
        raise SystemExit(f"the killed run failed with code {code}: {side.log}")


def check(undisturbed: Side, killed: Side, lost: Counter[str]) -> None:
    """Compares the two runs and counts repeated calls; ``lost``: those in flight at a kill."""
    first, second = undisturbed.contents(), killed.contents()
    different = sorted(k for k in first.keys() | second.keys() if first.get(k) != second.get(k))
    rows = len(json.loads(first["the leaderboard"])["rows"])
    once, again = undisturbed.calls(), killed.calls()
    repeated = sum(max(0, n - 1 - lost[call]) for call, n in again.items())
    print(
        f"{len(first)} files compared (a leaderboard of {rows} rows among them), {len(different)} "
        f"differ {different}; {len(again)} calls (undisturbed {len(once)}), {repeated} made twice, "
        f"{lost.total()} in flight at a kill and made again",
        flush=True,
    )
    if different or repeated or not rows or set(again) != set(once):
        raise SystemExit("FAILED")


if __name__ == "__main__":
    main()
