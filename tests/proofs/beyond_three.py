"""Eight iterations instead of three, five seeds, two sizes of model: ``make beyond-three``.

What the gate would have stopped is worked out afterwards from the rules of the quick start, which
is why the runs themselves have none. Finished runs in runs/proofs are read, not made again.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from benchmarks.micro_world.oracle import mark
from benchmarks.micro_world.world import parse
from harness.gate_config import Rule
from harness.gates import Measured, decide
from harness.recipe import load_recipe
from results.files import read_model
from results.manifest import git_state
from results.records import Evaluated, GateDecision, Pair
from results.store import RecordFile
from tests.proofs.seeds import code_name, made_by, refuse_other_code

ITERATIONS = 8
SMALL = Path("runs/proofs/m0-small")
SIZES = {"0.9 M parameters": None, "0.4 M parameters": SMALL}  # null: the shipped M0
CURVES = {
    "oracle_score": "oracle score, 0 to 5",
    "win_rate": "win rate against the SFT baseline",
    "pairwise_accuracy": "judge pairwise accuracy",
    "pairs_right": "pairs right by the oracle",
    "mean_length": "mean length, characters",
}


@dataclass(frozen=True)
class Ran:
    """One run: a figure an iteration (null where there is none) for each of ``CURVES``, and where
    the gate would have ended it (null: nowhere).
    """

    seed: int
    curves: dict[str, list[float | None]]
    held: tuple[int, GateDecision] | None


def build_small() -> None:
    """The smaller base model, once: the shipped one's text, half its tokens, 96 wide and 3 deep."""
    if SMALL.is_dir():
        return
    unfinished = SMALL.with_name(f"{SMALL.name}-unfinished")  # it saves itself on the way
    subprocess.run(
        [sys.executable, "-m", "benchmarks.micro_world.build_m0", "--out", str(unfinished),
         "--tokens", "10_000_000", "--hidden", "96", "--layers", "3"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=True,
    )  # fmt: skip
    unfinished.rename(SMALL)


def folder_of(model: Path | None, seed: int) -> Path:
    """Where the run of one size and seed lies."""
    return Path("runs/proofs") / f"beyond-{'m0' if model is None else model.name}-{seed}"


def run(model: Path | None, seed: int, small: Future[None]) -> Ran:
    """Makes or reads one run; ``small`` is done when the smaller base model is there."""
    folder = folder_of(model, seed)
    if model is not None:
        small.result()
    base = [] if model is None else [f"model.base={model}"]
    done = subprocess.run(
        [sys.executable, "-m", "harness.cli", "run", "quickstart", "--json", "--out", str(folder),
         f"seed={seed}", f"iterations={ITERATIONS}", "gate.file=null", *base],
        capture_output=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )  # fmt: skip
    if done.returncode not in (0, 3, 4):
        raise SystemExit(f"{folder} ended with {done.returncode}: {done.stderr.decode()}")
    print(f"{folder} is done: {done.stderr.decode().splitlines()[-3]}", flush=True)
    there = [
        k for k in range(1, ITERATIONS + 1) if (_evaluation(folder, k) / "metrics.json").exists()
    ]
    curves: dict[str, list[float | None]] = {name: [] for name in CURVES}
    for k in there:
        metrics = read_model(_evaluation(folder, k) / "metrics.json", Evaluated).metrics
        for name in CURVES:
            curves[name].append(
                pairs_right(folder, k) if name == "pairs_right" else metrics[name].value
            )
    return Ran(seed, curves, first_hold(folder, there, seed))


def _evaluation(folder: Path, k: int) -> Path:
    return folder / f"iter_{k}" / "evaluation"


def pairs_right(folder: Path, k: int) -> float | None:
    """Share of the pairs of iteration ``k`` whose chosen answer has the higher oracle total, equal
    totals counting half. Pairs about something that is no instruction of this world are left out.
    """
    if k == 1:
        return None
    found = []
    for pair in RecordFile(folder / f"iter_{k}" / "pairs.jsonl", Pair).read():
        instruction = parse(str(pair.prompt))
        if instruction is not None:
            gap = mark(instruction, pair.chosen).total - mark(instruction, pair.rejected).total
            found.append(0.5 if gap == 0 else float(gap > 0))
    return fmean(found) if found else None


def first_hold(folder: Path, there: Sequence[int], seed: int) -> tuple[int, GateDecision] | None:
    """The first iteration that the quick start's gate would have held, as the loop asks it."""
    rules: list[Rule] = load_recipe("quickstart", []).config.gate.rules
    champion: Measured | None = None
    for k in there:
        measured = Measured.read(_evaluation(folder, k))
        decision = decide(rules, measured, champion, seed)
        if decision.decision != "promote":
            return k, decision
        champion = measured
    return None


def cell(values: Sequence[float | None]) -> str:
    """Mean of the runs, and the lowest and highest in brackets."""
    known = [v for v in values if v is not None]
    if not known:
        return "-"
    form = "{:.1f}" if max(known) > 5 else "{:.3f}"
    mean, low, high = (form.format(v) for v in (fmean(known), min(known), max(known)))
    return f"{mean} [{low}, {high}]"


def tables(size: str, ran: Sequence[Ran]) -> None:
    """The curves of one size as a table, then what the gate would have stopped."""
    longest = max(len(r.curves["win_rate"]) for r in ran)
    print(f"\n## {size}, {len(ran)} seeds: mean [lowest, highest]\n")
    print("| | " + " | ".join(f"M{k}" for k in range(1, longest + 1)) + " |")
    print("|-" * (longest + 1) + "|")
    for name, words in CURVES.items():
        columns = [
            [r.curves[name][k] for r in ran if len(r.curves[name]) > k] for k in range(longest)
        ]
        print(f"| {words} | " + " | ".join(map(cell, columns)) + " |")
    print(
        "\n| seed | the gate would have held | win rate there, at the champion, at the end | by |"
    )
    print("|-|-|-|-|")
    for r in ran:
        rates = [v for v in r.curves["win_rate"] if v is not None]
        if r.held is None:
            print(f"| {r.seed} | nothing | {rates[-1]:.3f} | |")
            continue
        k, decision = r.held
        rules = "; ".join(
            f"{rule.metric} {rule.rule} {rule.value:+.3f} [{rule.low:+.3f}, {rule.high:+.3f}]"
            for rule in decision.rules
            if not rule.passed and rule.value is not None
            and rule.low is not None and rule.high is not None
        )  # fmt: skip
        before = f"{rates[k - 2]:.3f}" if k > 1 else "none"
        print(f"| {r.seed} | M{k} | {rates[k - 1]:.3f}, {before}, {rates[-1]:.3f} | {rules} |")


def plot(found: dict[str, list[Ran]], path: Path) -> None:
    """One panel a figure, a line a seed, a colour a size; a ring where the gate would have held."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "beyond-three"  # the same file from the same figures
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(2, 3, figsize=(12, 6.5), constrained_layout=True)
    for panel, (name, words) in zip(panels.flat, CURVES.items(), strict=False):
        for colour, (size, ran) in zip(("tab:blue", "tab:orange"), found.items(), strict=False):
            for r in ran:
                values = [float("nan") if v is None else v for v in r.curves[name]]
                label = size if r is ran[0] else None
                at = range(1, len(values) + 1)
                panel.plot(at, values, color=colour, alpha=0.7, linewidth=1.2, label=label)
                if r.held is not None:
                    k = r.held[0]
                    panel.plot([k], [values[k - 1]], "o", color=colour, fillstyle="none")
        panel.set_title(words, fontsize=10)
        panel.set_xlabel("iteration", fontsize=8)
        panel.grid(alpha=0.3)
    legend = panels.flat[-1]
    legend.axis("off")
    handles, labels = panels.flat[0].get_legend_handles_labels()
    legend.legend(handles, labels, loc="center", title="ring: the gate would have held")
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--plot", type=Path, default=Path("docs/beyond-three.svg"))
    arguments = parser.parse_args()
    current = git_state(Path(__file__).parents[2])
    todo = [(size, model, seed) for size, model in SIZES.items() for seed in arguments.seeds]
    for _, model, seed in todo:  # all of them before hours of work
        refuse_other_code(folder_of(model, seed), current)
    with ThreadPoolExecutor(2) as pool:
        small = pool.submit(build_small)  # beside the first runs of the shipped one
        ran = list(pool.map(lambda it: run(it[1], it[2], small), todo))
    found: dict[str, list[Ran]] = {size: [] for size in SIZES}
    for (size, _, _), one in zip(todo, ran, strict=True):
        found[size].append(one)
    codes = sorted({code_name(made_by(folder_of(m, s))) for _, m, s in todo})
    print(f"\n{' and '.join(codes)}; {ITERATIONS} iterations of the quick start without gate rules")
    for size, runs in found.items():
        tables(size, runs)
    plot(found, arguments.plot)
    print(json.dumps({"plot": str(arguments.plot)}), file=sys.stderr)


if __name__ == "__main__":
    main()
