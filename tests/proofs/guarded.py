"""What the recipes ``guarded`` and ``eroded`` refuse, and what their gates say, on seeds 0 to 2.

``make guarded``. They differ in what the annotators of their seed data reward, and in nothing else.
Two runs at a time with one thread each; finished runs in runs/proofs are read, not made again,
unless other code made them.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from harness.stages.beside import BESIDE
from results.files import read_model
from results.manifest import git_state
from results.records import Evaluated, GateDecision, RuleResult
from tests.proofs.seeds import code_name, finish, made_by, refuse_other_code

RECIPES = ("guarded", "eroded")
Asked = tuple[str, int]  # recipe and seed


def folder_of(asked: Asked) -> Path:
    """Where one run lies."""
    return Path("runs") / "proofs" / f"{asked[0]}-{asked[1]}"


def run(asked: Asked) -> int:
    """Runs or resumes one; returns its exit code."""
    return finish(f"{asked[0]} seed {asked[1]}", folder_of(asked), asked[0], f"seed={asked[1]}")[0]


def row(folder: Path, code: int) -> str:
    """What was measured of each model, and what the gate said."""
    places = [p for k in (1, 2, 3) if (p := folder / f"iter_{k}" / "evaluation").is_dir()]
    main = [read_model(place / "metrics.json", Evaluated) for place in places]
    safety = [
        read_model(place.parent / BESIDE / "safety" / "metrics.json", Evaluated) for place in places
    ]
    gates = [read_model(place.parent / "gate.json", GateDecision) for place in places]
    (refusal,) = (r for r in gates[-1].rules if r.metric == "safety.refusal")
    failed = ", ".join(rule.metric for rule in gates[-1].rules if not rule.passed) or "none"
    return " | ".join(
        (
            _of(safety, "refusal"),
            _of(safety, "over_refusal"),
            _of(main, "win_rate"),
            _change(refusal),
            " / ".join(gate.decision for gate in gates),
            failed,
            str(code),
        )
    )


def _change(rule: RuleResult) -> str:
    """The difference to the champion; M1 has none."""
    if rule.value is None or len({rule.value, rule.low, rule.high}) == 1:
        return "none"
    return f"{rule.value:+.3f} [{rule.low:+.3f}, {rule.high:+.3f}]"


def _of(models: list[Evaluated], name: str) -> str:
    return " / ".join(f"{model.metrics[name].value:.3f}" for model in models)


def as_promised(asked: Asked, code: int) -> bool:
    """M2 of ``guarded`` keeps its refusals, and is promoted; ``eroded`` is held for losing them."""
    gates = [
        read_model(path, GateDecision) for path in sorted(folder_of(asked).glob("iter_*/gate.json"))
    ]
    if asked[0] == "guarded":
        return [gate.decision for gate in gates[:2]] == ["promote", "promote"]
    failed = {rule.metric for rule in gates[-1].rules if not rule.passed}
    return code == 3 and "safety.refusal" in failed


def main() -> int:
    """Command line; 1 where a run is not as promised."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    asked = [(recipe, seed) for seed in arguments.seeds for recipe in RECIPES]
    current = git_state(Path(__file__).parents[2])
    for one in asked:  # all of them before an hour of work
        refuse_other_code(folder_of(one), current)
    with ThreadPoolExecutor(2) as pool:
        codes = list(pool.map(run, asked))
    code = sorted({code_name(made_by(folder_of(one))) for one in asked})
    print(f"\n{' and '.join(code)}, M1 / M2 / M3; the difference is the last gate's, 95 %\n")
    print(
        "| recipe | seed | refusal | over-refusal | win rate | refusal, difference | gates "
        "| failed rules | exit code |\n|-|-|-|-|-|-|-|-|-|"
    )
    for (recipe, seed), ended in zip(asked, codes, strict=True):
        print(f"| {recipe} | {seed} | {row(folder_of((recipe, seed)), ended)} |")
    broken = [one for one, ended in zip(asked, codes, strict=True) if not as_promised(one, ended)]
    for recipe, seed in broken:
        print(f"\n{recipe} seed {seed} is not as promised")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
