"""Runs in which no model is better than the one before: how many promote one all the same?

``python -m tests.proofs.null_runs [--runs 10000]``. Ten self-reward steps of four attempts each, on
100 prompts with a yes or a no; every decision is that of ``harness.gates.decide`` under the run's
error budget; once more with each rule at its own alpha of 0.05, as before there were budgets; and
the budget once more with bootstrap intervals. Equal counts give equal decisions, so each is
computed once. Half right is where a bootstrap is at its best; where few prompts tell two models
apart, or nearly all are right, its tail says little.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import cache

import numpy as np

from harness.config import RunConfig
from harness.error_budget import ErrorBudget, error_budget
from harness.gate_config import Rule
from harness.gates import Measured, decide
from harness.recipe import load_recipe
from results.records import Value

PROMPTS, STEPS, RETRIES, ALPHA = 100, 10, 3, 0.05
IMPROVES = Rule(metric="m", rule="improves")
Counts = tuple[int, int]  # prompts won, prompts lost
Draw = Callable[[np.random.Generator, int], "np.ndarray[tuple[int, ...], np.dtype[np.int64]]"]


def measured(numbers: list[int]) -> Measured:
    """A model with these values, prompt by prompt."""
    values = [
        Value(prompt_id=str(i), metric="m", num=n, cluster=str(i)) for i, n in enumerate(numbers)
    ]
    return Measured({"m": values})


def at_least(threshold: float) -> Rule:
    """The rule that a share alone is at least this."""
    return Rule(metric="m", rule="min", threshold=threshold)


@cache
def promotes(rules: tuple[Rule, ...], base: int, won: int, lost: int, proven: bool) -> bool:
    """The gate's decision where the champion is right on ``base`` prompts, and the candidate wins
    and loses so many of them: it is right on ``base + won - lost``.
    """
    if won <= lost:  # no interval of a share lies above what it is an interval of
        return False
    both = base - lost
    neither = PROMPTS - won - lost - both
    theirs = [0] * won + [1] * lost + [1] * both + [0] * neither
    ours = [1] * won + [0] * lost + [1] * both + [0] * neither
    return decide(rules, measured(ours), measured(theirs), 0, proven).decision == "promote"


def fresh(apart: float) -> Draw:
    """Both models of each comparison answer anew and differ on this share of prompts: nothing hangs
    together.
    """

    def draw(rng: np.random.Generator, runs: int) -> np.ndarray:
        sides = [apart / 2, apart / 2, 1 - apart]
        return rng.multinomial(PROMPTS, sides, (runs, STEPS, RETRIES + 1))[..., :2]

    return draw


def one_champion(rng: np.random.Generator, runs: int) -> np.ndarray:
    """The champion's answers stay as they are, as in a run: all its attempts meet the same luck."""
    right = rng.binomial(PROMPTS, 0.5, (runs, 1, 1))
    shape = (runs, STEPS, RETRIES + 1)
    lost = rng.binomial(np.broadcast_to(right, shape), 0.5)
    won = rng.binomial(np.broadcast_to(PROMPTS - right, shape), 0.5)
    return np.stack([won, lost], axis=-1)


def alone(base: int) -> Draw:
    """Against a threshold that is the true value: what is above ``base`` counts as won."""

    def draw(rng: np.random.Generator, runs: int) -> np.ndarray:
        right = rng.binomial(PROMPTS, base / PROMPTS, (runs, STEPS, RETRIES + 1))
        return np.stack([np.maximum(right - base, 0), np.maximum(base - right, 0)], axis=-1)

    return draw


def config(rules: list[Rule]) -> RunConfig:
    """The quick start with ten steps of four attempts and an error rate of its own."""
    tree = load_recipe("quickstart", []).config.model_dump()
    change = [{"dpo.settings.learning_rate": {"times": 0.5}}]
    tree["gate"] |= {"rules": [r.model_dump() for r in rules], "alpha": ALPHA, "retries": RETRIES,
                     "on_hold": "retry", "changes": change}  # fmt: skip
    return RunConfig.model_validate({**tree, "iterations": STEPS + 1})


def any_promotion(
    rules: list[Rule], base: int, draw: Draw, runs: int, budget: ErrorBudget | None, proven: bool
) -> float:
    """The share of runs with at least one promotion, all of which are wrong."""
    counts = draw(np.random.default_rng(1), runs)
    applied = tuple(rules if budget is None else budget.rules(rules, 2))
    kinds, where = np.unique(counts.reshape(-1, 2), axis=0, return_inverse=True)
    wrong = np.array([promotes(applied, base, int(w), int(n), proven) for w, n in kinds])
    return float(wrong[where.reshape(counts.shape[:-1])].any(axis=(1, 2)).mean())


def main() -> int:
    """Prints the table; exit code 1 where a budget is not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    runs = parser.parse_args().runs
    half = PROMPTS // 2
    cases: list[tuple[str, list[Rule], int, Draw]] = [
        ("improves, all answers anew, half differ", [IMPROVES], half, fresh(0.5)),
        ("improves, all answers anew, 8 % differ", [IMPROVES], half, fresh(0.08)),
        ("improves, one champion", [IMPROVES], half, one_champion),
        *((f"min at the threshold of {base / PROMPTS:g}", [at_least(base / PROMPTS)], base,
           alone(base)) for base in (half, 90, 97)),
    ]  # fmt: skip
    print(f"{runs} null runs: {STEPS} steps, {RETRIES} retries each, {PROMPTS} prompts")
    print("| rules | share of an attempt | with gate.alpha 0.05 | by bootstrap | without |\n"
          "|-|-|-|-|-|")  # fmt: skip
    kept = True
    for name, rules, base, draw in cases:
        budget = error_budget(config(rules))
        with_it, by_bootstrap, without = (
            any_promotion(rules, base, draw, runs, of, proven)
            for of, proven in ((budget, True), (budget, False), (None, False))
        )
        share = budget.share(2) if budget else 0.0
        print(
            f"| {name} | {share:.5f} | {with_it:.4f} | {by_bootstrap:.3f} | {without:.3f} |",
            flush=True,
        )
        kept = kept and with_it <= ALPHA
    return 0 if kept else 1


if __name__ == "__main__":
    raise SystemExit(main())
