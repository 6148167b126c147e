"""What adaptive draws would have spared in a finished run.

``python -m tests.proofs.adaptive RUN``. The run has all draws, so every prompt is looked at: the
pair by the draws that the rule asks for, against the pair by all of them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.recipe import load_recipe
from harness.run import run_spec
from judges.adaptive import Adaptive, Replay, replay
from judges.stopping import Rule
from results.records import Judgment
from results.store import RecordFile

HOW = (Adaptive("certain", 0.95, 0.0), Adaptive("likely", 0.95, 0.0), Adaptive("likely", 0.9, 0.0))


def main() -> None:
    """One line an iteration and a rule."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    folder = parser.parse_args().run
    config = load_recipe(str(folder / "config.yaml"), []).config
    spec = run_spec(config)
    rule = Rule(spec.draws, spec.min_scored, spec.scale, config.pairs.min_margin)
    print("| iteration | until | confidence | calls spared | same pair |\n|-|-|-|-|-|")
    for path in sorted(folder.glob("iter_*/judgments.jsonl")):
        judgments = RecordFile(path, Judgment).read()
        for how in HOW:
            found: Replay = replay(judgments, rule, how, config.seed)
            print(
                f"| {path.parent.name} | {how.until} | {how.confidence:g} | "
                f"{1 - found.asked / found.of:.1%} of {found.of} | "
                f"{found.same} of {found.prompts} |"
            )


if __name__ == "__main__":
    main()
