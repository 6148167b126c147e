"""The loop on real input: Open Assistant trees, and a small Llama with random weights."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.oasst import read_trees
from tests.real_data import real_data

ROOT = Path(__file__).parents[2]


def python(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_open_assistant_trees_reach_the_leaderboard(tmp_path):
    trees = real_data("judge_validation", "oasst", "en_100_tree.jsonl.gz")
    texts = tmp_path / "texts.txt"
    texts.write_text(
        "".join(
            " ".join(text.split()) + "\n"
            for tree in read_trees(trees)
            for text in [tree.prompt, *(r.text for r in tree.responses)]
            if isinstance(text, str)
        )
    )
    model = tmp_path / "tiny"
    made = python(
        "backends.fresh_model", "--texts", str(texts), "--out", str(model), "--vocab", "1500",
        "--hidden", "32", "--layers", "1", "--heads", "2",
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    folder = tmp_path / "run"
    done = python(
        "harness.cli", "run", "open_assistant", "--json", "--out", str(folder),
        f"model.base={model}", f"data.options.path={trees}", f"evaluation.options.rankings={trees}",
        "data.options.limit=30", "evaluation.options.limit=6", "iterations=2", "gate.rules=[]",
        "sft.settings={learning_rate: 0.004, epochs: 6, batch_size: 16, max_length: 1024}",
        "dpo.settings={learning_rate: 0.0001, batch_size: 16, max_length: 1024}",
        "prompts.count=[12]", "prompts.decoding.max_tokens=40",
        "candidates.decoding.max_tokens=64", "pairs.min_pairs=2", "engine.options.batch_size=32",
    )  # fmt: skip
    # A model of this size may write nothing that can be judged: then the run says so and stops
    # before it trains on nothing. Either way every step was the real one and is accounted for.
    assert done.returncode in (0, 3, 4), done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert [row["model"] for row in rows][:2] == ["M0", "M1"]
    judged = rows[1]["metrics"]["unscored_rate"]
    assert judged["value"] is not None and judged["n"] == 6
    told = done.stderr
    assert "30 IFT" in told and "too long left out" in told
    if done.returncode == 0:
        assert (folder / "iter_2" / "checkpoint" / "model.safetensors").exists()
        for words in ("prompts", "candidates", "judgments", "unscored", "pairs"):
            assert words in told
    else:
        assert any(why in told for why in ("pairs.min_pairs", "judge.max_unscored", "candidates"))
        assert not (folder / "iter_2" / "checkpoint").exists()
    prompts = folder / "iter_2" / "prompts.jsonl"
    for line in prompts.read_text().splitlines():
        record = json.loads(line)
        assert (record["status"] == "dropped") == (record["reason"] is not None)
