"""The quick start with seeds 0 to 4, or its control with shuffled self-scores: one table.

``make seeds`` and ``make control``. Two runs at a time with one thread each (two cores are used
better so); finished runs in runs/proofs are read, not made again, unless other code made them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from harness.gates import Measured
from results.errors import SrlmError
from results.files import read_json
from results.manifest import git_state
from results.records import Metric
from results.stats import paired_difference

SETTINGS = {
    "quickstart": [],
    # No rules: every iteration is promoted, so that the control reaches M3 at all.
    "control": ["judge.shuffle=true", "gate.file=null"],
    "hacked": [],
    "hacked-on": ["gate.file=null"],  # it games its judge on to M3
}


def folder_of(kind: str, seed: int) -> Path:
    """Where the run of one seed lies."""
    return Path("runs") / "proofs" / f"{kind}-{seed}"


def refuse_other_code(folder: Path, current: dict[str, Any] | None) -> None:
    """Ends with one line when ``folder`` holds a run of another commit than ``current``'s.

    Where either commit is unknown (no git checkout) there is nothing to compare.
    """
    if not (folder / "manifest.json").is_file():
        return
    made = made_by(folder)
    if made and current and made["commit"] != current["commit"]:
        raise SystemExit(
            f"{folder} was made by commit {made['commit'][:12]}, the checkout is at "
            f"{current['commit'][:12]}; remove {folder} and run this again"
        )


def made_by(folder: Path) -> dict[str, Any] | None:
    """Which code began the run in ``folder``, as ``git_state`` says it."""
    path = folder / "manifest.json"
    try:
        git: dict[str, Any] | None = read_json(path)["srlm"]["git"]
    except (SrlmError, KeyError, TypeError):
        raise SystemExit(f"{path}: not a run's manifest; remove {folder}") from None
    return git


def code_name(git: dict[str, Any] | None) -> str:
    """For the heading: the commit, and whether there were changes on top of it."""
    if git is None:
        return "commit unknown"
    return f"commit {git['commit'][:12]}" + (" with changes" if git["dirty"] else "")


def run(kind: str, seed: int) -> tuple[Path, int, dict[str, Any]]:
    """Runs or resumes one seed; returns its folder, exit code and leaderboard."""
    folder = folder_of(kind, seed)
    recipe = "hacked" if kind.startswith("hacked") else "quickstart"
    code, printed = finish(f"{kind} seed {seed}", folder, recipe, f"seed={seed}", *SETTINGS[kind])
    return folder, code, json.loads(printed)


def finish(title: str, folder: Path, recipe: str, *overrides: str) -> tuple[int, bytes]:
    """Runs or resumes a recipe in ``folder``; returns its exit code, 0 or 3, and its JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "harness.cli", "run", recipe, "--json", "--out", str(folder),
         *overrides],
        capture_output=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )  # fmt: skip
    if done.returncode not in (0, 3):
        raise SystemExit(f"{title} ended with {done.returncode}: {done.stderr.decode()}")
    print(f"{title} is done (exit code {done.returncode})", flush=True)
    return done.returncode, done.stdout


def difference(folder: Path, metric: str, later: str, earlier: str) -> Metric:
    """The paired difference of two iterations' values with its 95 % interval."""
    a, b = (Measured.read(folder / k / "evaluation").values[metric] for k in (later, earlier))
    return paired_difference(metric, a, b)


def shown(metric: Metric) -> str:
    """A difference in words."""
    return f"{metric.value:+.3f} [{metric.low:+.3f}, {metric.high:+.3f}]"


def line(kind: str, seed: int) -> str:
    """One row of the table."""
    folder, code, board = run(kind, seed)
    rows = {row["model"]: row for row in board["rows"]}
    models = [m for m in ("M1", "M2", "M3") if m in rows]

    def values(metric: str) -> str:
        return " / ".join(f"{rows[m]['metrics'][metric]['value']:.3f}" for m in models)

    last = f"iter_{len(models)}"
    gates = " / ".join(rows[m]["gate"] for m in models)
    return (
        f"| {seed} | {values('win_rate')} | {values('oracle_score')} "
        f"| {values('pairwise_accuracy')} "
        f"| {shown(difference(folder, 'win_rate', last, 'iter_1'))} "
        f"| {shown(difference(folder, 'correct', last, 'iter_1'))} | {gates} | {code} |"
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--control", action="store_true")
    parser.add_argument("--hacked", action="store_true")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    arguments = parser.parse_args()
    kind = "control" if arguments.control else "hacked" if arguments.hacked else "quickstart"
    current = git_state(Path(__file__).parents[2])
    for seed in arguments.seeds:  # all of them before hours of work
        refuse_other_code(folder_of(kind, seed), current)
    with ThreadPoolExecutor(2) as pool:
        lines = list(pool.map(lambda seed: line(kind, seed), arguments.seeds))
    code = sorted({code_name(made_by(folder_of(kind, seed))) for seed in arguments.seeds})
    print(
        f"\n{kind}, {' and '.join(code)}, M1 / M2 / M3; differences are last minus M1, paired by "
        "prompt, 95 %\n"
    )
    print(
        "| seed | win rate | oracle score | judge pairwise accuracy | win rate, difference "
        "| correct, difference | gates | exit code |\n|-|-|-|-|-|-|-|-|"
    )
    print("\n".join(lines))


if __name__ == "__main__":
    main()
