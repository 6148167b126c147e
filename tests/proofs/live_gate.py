"""A gate through the real annotation path: which calls it takes, and that no others are made.

``python -m tests.proofs.live_gate`` (needs the real data and alpaca-eval). Models of the AlpacaEval
leaderboard answer from a local server as they answered, and its judge gives the preferences that
GPT-4 gave: ``srlm eval MODEL --rules`` asks both, a few prompts at a time, for each threshold. The
decision is compared with the full 805, and the server counts what it was asked.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import os
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from benchmarks.alpaca_eval2.annotations import Annotation, read_annotations
from benchmarks.alpaca_eval2.annotator import _Asked, load_annotator
from benchmarks.alpaca_eval2.benchmark import LEADERBOARD
from benchmarks.alpaca_eval2.outputs import Item
from harness.cli import main as srlm
from judges.pairwise import pair_request
from judges.pointwise import cluster_of
from tests.alpaca_files import annotations_name
from tests.fake_server import FakeServer
from tests.real_data import real_data_path

NAMES = ("claude-2.1", "vicuna-7b-v1.5", "FuseChat-Gemma-2-9B-Instruct")
THRESHOLDS = (0.1, 0.2, 0.3, 0.5)
STEP = 8
LEAST = 1e-30  # of a probability that is written as a logarithm


class Leaderboard(FakeServer):
    """The stored answers and preferences of one model, behind the protocol.

    The judge's one token is named by the row, because its log-probabilities are looked up by it.
    """

    def of(self, rows: list[Annotation]) -> None:
        """Serves these rows."""
        annotator = load_annotator(LEADERBOARD)
        items = [Item(cluster_of(r.instruction), r.instruction, None, r.output_1) for r in rows]
        texts = {item.id: row.output_2 for item, row in zip(items, rows, strict=True)}
        asked = _Asked(annotator, items, texts)
        by_id = {item.id: row for item, row in zip(items, rows, strict=True)}
        self.outputs = {row.instruction: row.output_2 for row in rows}
        self.tops: dict[str, dict[str, float]] = {}
        self.tokens: dict[str, str] = {}
        options = annotator.spec.parser.options
        for pair, shown in asked.pairs:
            preference = by_id[pair.id].preference or 1.5
            first = 2 - preference if shown == "AB" else preference - 1
            name = f"t{pair.id}"
            self.tops[name] = {
                options["first"]: math.log(max(first, LEAST)),
                options["second"]: math.log(max(1 - first, LEAST)),
            }
            messages = pair_request(annotator.spec, pair, shown, 0).prompt
            assert not isinstance(messages, str)
            self.tokens[messages[-1].content] = name
        self.reply = self.answer
        self.logprobs = lambda word: self.tops.get(word, {})

    def answer(self, body: dict[str, Any]) -> str:
        """An output, or the token of a row."""
        text = body["messages"][-1]["content"]
        return self.tokens[text] if body["model"] == "judge" else self.outputs[text]


def decide(url: str, base: Path, rules: Path, out: Path, seed: int) -> dict[str, Any]:
    """``srlm eval --rules``, as JSON."""
    words = ["eval", "openai:writer", "--benchmark", "alpaca_eval2", "--judge", "openai:judge",
             f"engine.base_url={url}", f"judge.options.base_url={url}", "--json",
             f"options.baseline_outputs={base}", "--out", str(out), "--rules", str(rules),
             "--step", str(STEP), "--seed", str(seed)]  # fmt: skip
    printed, said = io.StringIO(), io.StringIO()
    with redirect_stdout(printed), redirect_stderr(said):
        code = srlm(words)
    if code not in (0, 3):
        raise SystemExit(f"srlm eval ended with {code}: {said.getvalue()[-500:]}")
    found: dict[str, Any] = json.loads(printed.getvalue())["rules"][0]
    return found


def main() -> None:
    """Prints a row for each model and threshold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1)
    seeds = range(parser.parse_args().seeds)
    os.environ.setdefault("OPENAI_API_KEY", "sk-of-no-server")
    print("| model | threshold | full 805 | decision | prompts read | judge calls | of | right |")
    print("|-|-|-|-|-|-|-|-|")
    wrong = total = 0
    for name in NAMES:
        path = real_data_path("alpaca_eval", "annotations", annotations_name(name))
        rows = [r for r in read_annotations(path)[0].rows if r.preference is not None]
        rate = sum((r.preference or 1.5) - 1 for r in rows) / len(rows)
        for threshold in THRESHOLDS:
            for seed in seeds:
                with tempfile.TemporaryDirectory() as folder, Leaderboard(
                    ("writer", "judge")
                ) as server:  # fmt: skip
                    server.of(rows)
                    base, rules = Path(folder) / "base.json", Path(folder) / "rules.yaml"
                    base.write_text(json.dumps([
                        {"instruction": r.instruction, "output": r.output_1, "generator": "base",
                         "dataset": None} for r in rows
                    ]))  # fmt: skip
                    rules.write_text(
                        f"rules: [{{metric: win_rate, rule: min, threshold: {threshold}}}]"
                    )
                    found = decide(server.url, base, rules, Path(folder) / "out", seed)
                    calls = sum(body["model"] == "judge" for body in server.bodies)
                right = (found["outcome"] == "passed") == (rate >= threshold)
                wrong, total = wrong + (not right), total + 1
                print(
                    f"| {name} | {threshold:.0%} | {rate:.1%} | {found['outcome']} | "
                    f"{found['n_used']} | {calls} | {len(rows)} | {'yes' if right else 'NO'} |",
                    flush=True,
                )
                if calls > found["n_used"] + STEP:
                    raise SystemExit(f"{calls} judge calls for {found['n_used']} prompts")
    print(f"\n{wrong} of {total} decisions are other than those of the full set")


if __name__ == "__main__":
    main()
