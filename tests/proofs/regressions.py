"""Does the gate hold what lost, and only that? Two synthetic models on nine tasks, many times.

``python -m tests.proofs.regressions [--runs 1000]``. Both models answer right or wrong, sample by
sample, and differ on a tenth of the samples; the rules are those of a suite, ``no_regression`` of
each task as one family. How often does the gate hold a model that lost nothing, or no more than the
margin that its rules accept (at most alpha)? How often one that lost on one task exactly the drop
that the gate says it would have seen (at least 80 %)? The suite ``fast`` is decided on values, as
``harness.gates.decide`` does it but for the intervals that it shows (at times it is asked, too); of
the whole suite the counts are drawn, and go through the same tests and the same step-down: equal
counts give equal p-values. Exit code 1 where a rate is surely (at 1 %) on the wrong side.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.stats import binomtest

from harness.families import losses, tested_together
from harness.gate_config import Rule
from harness.gates import Measured, decide
from results.paired_counts import POWER, least_drop
from results.paired_tests import counted
from results.records import Value

ALPHA, APART = 0.05, 0.1
# The public test sets, and the same cut to what a gate between iterations can pay.
WHOLE = {"arc_easy": 2376, "arc_challenge": 1172, "hellaswag": 10042, "siqa": 1954, "piqa": 1838,
         "gsm8k": 1319, "mmlu": 14042, "obqa": 500, "nq": 3610}  # fmt: skip
FAST = dict.fromkeys(WHOLE, 200)
RIGHT = 0.6  # what the incumbent has right of every task


@dataclass(frozen=True)
class Case:
    """``lost``: the true loss of each task, a share; ``held``: whether a hold is right."""

    name: str
    sizes: Mapping[str, int]
    margin: float
    lost: Mapping[str, float]
    held: bool
    on_values: bool = False

    def repetitions(self, runs: int) -> int:
        """Ten times as many where one costs nothing: a rate of .8 on 1,000 is good to .025."""
        return runs if self.on_values or self.margin else 10 * runs


def rules(sizes: Mapping[str, int], margin: float) -> list[Rule]:
    """One family of rules."""
    return [
        Rule(metric=name, rule="no_regression", threshold=margin, alpha=ALPHA, family="nlp")
        for name in sizes
    ]


def detectable(sizes: Mapping[str, int], task: str, margin: float) -> float:
    """The drop of one task that a gate on all of them says it would have seen."""
    n = sizes[task]
    found = least_drop(n, round(n * APART), ALPHA / len(sizes), margin)
    assert found is not None
    return found


def won_and_lost(rng: np.random.Generator, n: int, loss: float) -> tuple[int, int]:
    """How many of ``n`` samples the candidate wins and loses, by chance."""
    apart = max(APART, loss)
    won, lost, _ = rng.multinomial(n, [(apart - loss) / 2, (apart + loss) / 2, 1 - apart])
    return int(won), int(lost)


@lru_cache(maxsize=5000)
def measured(name: str, won: int, lost: int, n: int) -> tuple[list[Value], list[Value]]:
    """Values of the candidate and of the incumbent with these counts."""
    both = round(RIGHT * (n - won - lost))
    neither = n - won - lost - both
    sides = [1] * won + [0] * lost + [1] * both + [0] * neither, [0] * won + [1] * (lost + both)
    ours, theirs = sides[0], sides[1] + [0] * neither
    return tuple(  # type: ignore[return-value]
        [Value(prompt_id=f"{name}/{i}", metric=name, num=x, cluster=f"{name}/{i}")
         for i, x in enumerate(side)]
        for side in (ours, theirs)
    )  # fmt: skip


def holds_by_values(
    case: Case, counts: Mapping[str, tuple[int, int]], in_full: bool = True
) -> bool:
    """The gate's decision on values; ``in_full``: by the whole of its code, too."""
    sides: tuple[dict[str, list[Value]], dict[str, list[Value]]] = ({}, {})
    for name, (won, lost) in counts.items():
        sides[0][name], sides[1][name] = measured(name, won, lost, case.sizes[name])
    asked = rules(case.sizes, case.margin)
    found = losses(asked, *sides, seed=0)
    held = any(loss.outcome(ALPHA) == "failed" for loss in found.values())
    if in_full:
        full = decide(asked, Measured(sides[0]), Measured(sides[1]), 0)
        assert (full.decision == "hold") == held
    return held


def holds_by_counts(case: Case, counts: Mapping[str, tuple[int, int]]) -> bool:
    """The same from counts, without an interval to show."""
    tests = {
        place: counted(case.sizes[name], won, lost, case.margin)
        for place, (name, (won, lost)) in enumerate(counts.items())
    }
    found = tested_together(rules(case.sizes, case.margin), tests)
    return any(loss.outcome(ALPHA) == "failed" for loss in found.values())


def held(case: Case, runs: int, seed: int = 1) -> int:
    """How many of so many repetitions the gate holds."""
    rng, found = np.random.default_rng(seed), 0
    for run in range(runs):
        counts = {
            name: won_and_lost(rng, n, case.lost.get(name, 0.0)) for name, n in case.sizes.items()
        }
        found += (
            holds_by_values(case, counts, run % 100 == 0)
            if case.on_values
            else holds_by_counts(case, counts)
        )
    return found


def keeps(case: Case, count: int, runs: int) -> bool:
    """Whether the rate is not surely on the wrong side."""
    if case.held:
        return bool(binomtest(count, runs, POWER, alternative="less").pvalue > 0.01)
    return bool(binomtest(count, runs, ALPHA, alternative="greater").pvalue > 0.01)


def cases() -> list[Case]:
    """All that is tried."""
    found = []
    for suite, sizes, by_values in (("fast", FAST, True), ("whole", WHOLE, False)):
        found.append(Case(f"{suite}: nothing lost", sizes, 0, {}, False, by_values))
        for task in ("obqa",) if by_values else ("obqa", "gsm8k", "mmlu"):
            drop = detectable(sizes, task, 0)
            name = f"{suite}: {task} ({sizes[task]}) lost {drop:.4f}"
            found.append(Case(name, sizes, 0, {task: drop}, True, by_values))
    for margin in (0.01, 0.03):
        small = {name: n for name, n in WHOLE.items() if n < 2000}
        lost = dict.fromkeys(small, margin)
        name = f"five tasks: each lost the margin of {margin:g}"
        found.append(Case(name, small, margin, lost, False))
        drop = detectable(small, "gsm8k", margin)
        name = f"five tasks, margin {margin:g}: gsm8k lost {drop:.4f}"
        found.append(Case(name, small, margin, {"gsm8k": drop}, True))
    return found


def main() -> int:
    """Prints the table; exit code 1 where a rate is not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    runs = parser.parse_args().runs
    print(f"alpha {ALPHA:g} of the family, the models differ on {APART:.0%} of the samples")
    print("| suite and truth | decided on | repetitions | held | must be | |\n|-|-|-|-|-|-|")
    kept = True
    for case in cases():
        n = case.repetitions(runs)
        count = held(case, n)
        good = keeps(case, count, n)
        kept = kept and good
        must = f">= {POWER:g}" if case.held else f"<= {ALPHA:g}"
        by = "values" if case.on_values else "counts"
        print(f"| {case.name} | {by} | {n} | {count / n:.4f} | {must} | {'' if good else 'NO'} |",
              flush=True)  # fmt: skip
    return 0 if kept else 1


if __name__ == "__main__":
    raise SystemExit(main())
