"""The loop on real input: Open Assistant trees and prompts, and a small Llama with random weights.

It learns from people's rankings to write "Score: k", so that every stage up to DPO has real work.
The scores mean nothing: what is shown is that the loop runs and that every count is explained.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchmarks.oasst import read_trees
from tests.real_data import real_data

ROOT = Path(__file__).parents[2]
PROMPTS, DRAWS, N = 24, 3, 4


def python(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )


@dataclass(frozen=True)
class Input:
    """The real files as the loop takes them, and the model that starts from nothing."""

    trees: Path
    prompts: Path
    model: Path

    def run(self, folder: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
        return python(
            "harness.cli", "run", "open_assistant", "--json", "--out", str(folder),
            f"model.base={self.model}", "iterations=2", "gate.rules=[]", "engine.batch_size=32",
            f"data.options.path={self.trees}", "data.options.limit=25",
            f"evaluation.options.rankings={self.trees}", "evaluation.options.limit=4",
            "judge.fit.waived_by=the tests",
            # The short rubric in the judge's prompt: half of what there is to learn and to read.
            "data.options.judge=additive5_short", "judge.spec=additive5_short",
            "judge.max_unscored=1.0",
            "sft.settings={learning_rate: 0.006, epochs: 16, batch_size: 8, max_length: 400}",
            "dpo.settings={learning_rate: 0.0005, batch_size: 8, max_length: 400}",
            "prompts.source=file", f"prompts.path={self.prompts}", f"prompts.count=[{PROMPTS}]",
            "candidates.decoding.max_tokens=48", *overrides,
        )  # fmt: skip


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Input:
    trees = real_data("judge_validation", "oasst", "en_100_tree.jsonl.gz")
    lottery = real_data("instruction_seeds", "open_assistant_prompt_lottery_en_250_text.jsonl")
    base = tmp_path_factory.mktemp("real")
    ranked = read_trees(trees)
    texts = base / "texts.txt"
    texts.write_text(
        "".join(
            " ".join(text.split()) + "\n"
            for tree in ranked
            for text in [str(tree.prompt), *(r.text for r in tree.responses)]
        )
    )
    asked = [json.loads(line) for line in lottery.read_text().splitlines()][: PROMPTS - 1]
    asked.insert(5, asked[0])  # real files repeat themselves: this one is dropped
    path = base / "prompts.jsonl"
    path.write_text("".join(json.dumps({"prompt": text}) + "\n" for text in asked))
    made = python(
        "backends.fresh_model", "--texts", str(texts), "--out", str(base / "tiny"), "--vocab",
        "1500", "--hidden", "48", "--layers", "1", "--heads", "2",
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    return Input(trees, path, base / "tiny")


@pytest.fixture(scope="module")
def done(real: Input, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, list[Any]]:
    """The finished run: its folder, what it said, and the rows of its leaderboard."""
    folder = tmp_path_factory.mktemp("done") / "run"
    ran = real.run(folder, "pairs.min_pairs=1")
    assert ran.returncode == 0, ran.stderr
    return folder, ran.stderr, json.loads(ran.stdout)["rows"]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def said(told: str, pattern: str) -> re.Match[str]:
    """The line that a stage ends with, from its name on."""
    found = re.search(rf"^M2 +{pattern}", told, re.MULTILINE)
    assert found is not None, f"{pattern} not in:\n{told}"
    return found


def named(listed: str) -> dict[str, int]:
    """``"3 tied, 1 too_few_scored"`` as counts."""
    return {reason: int(n) for n, reason in re.findall(r"(\d+) (\w+)", listed)}


def test_real_input_reaches_the_leaderboard_with_m2(done):
    folder, told, rows = done
    assert [row["model"] for row in rows] == ["M0", "M1", "M2"]
    assert [row["gate"] for row in rows] == [None, "promote", "promote"]
    for row in rows:
        assert (row["benchmark"], row["n"]) == ("judge_agreement", 4)
        assert row["metrics"]["unscored_rate"]["n"] == 4
    # The random M0 gives no score; having learnt from people's rankings, M1 does.
    assert rows[0]["metrics"]["unscored_rate"]["value"] == 1.0
    assert rows[1]["metrics"]["unscored_rate"]["value"] < 1.0
    assert "25 IFT" in told and str(folder / "iter_2" / "checkpoint") in told


def test_every_prompt_candidate_judgment_and_pair_is_accounted_for(done):
    folder, told, _ = done
    step = folder / "iter_2"

    prompts = lines(step / "prompts.jsonl")
    kept = [p["id"] for p in prompts if p["status"] == "kept"]
    dropped = Counter(p["reason"] for p in prompts if p["status"] == "dropped")
    assert dropped == {"duplicate": 1} and len(kept) + 1 == len(prompts) == PROMPTS
    assert all((p["status"] == "kept") == (p["reason"] is None) for p in prompts)
    said(told, rf"prompts +{len(kept)} kept of {PROMPTS}: 1 duplicate; 0 each: empty, held_out, ")

    candidates = lines(step / "candidates.jsonl")
    assert Counter(c["prompt_id"] for c in candidates) == dict.fromkeys(kept, N)
    ends = Counter(c["finish_reason"] for c in candidates if c["finish_reason"] != "stop")
    unfinished = "".join(f", {n} ended by {reason}" for reason, n in sorted(ends.items()))
    said(told, rf"candidates +{len(candidates)} of {N * len(kept)}{unfinished} ")

    usable = [c for c in candidates if c["finish_reason"] == "stop" and c["text"].strip()]
    judgments = lines(step / "judgments.jsonl")
    calls = Counter((j["response_id"], j["draw"]) for j in judgments)
    assert calls == {(c["response_id"], d): 1 for c in usable for d in range(DRAWS)}
    for j in judgments:
        assert (j["score"] is None) == (j["status"] == "unscored") == (j["reason"] is not None)
    reasons = Counter(j["reason"] for j in judgments if j["reason"] is not None)
    line = said(
        told,
        rf"judgments +{len(judgments)} judgments of {len(usable)} candidates "
        rf"\({len(candidates) - len(usable)} unterminated or blank left out\), "
        rf"{reasons.total()} unscored(.*) \(",
    )
    assert named(line[1]) == reasons

    pairs = lines(step / "pairs.jsonl")
    line = said(told, rf"pairs +{len(pairs)} from {len(kept)} prompts(.*) \(")
    assert len(pairs) + sum(named(line[1]).values()) == len(kept)
    assert pairs and {p["prompt_id"] for p in pairs} <= set(kept)
    scores: dict[str, list[float]] = {}
    for j in judgments:
        if j["score"] is not None:
            scores.setdefault(j["response_id"], []).append(j["score"])
    for pair in pairs:
        for side in ("chosen", "rejected"):
            found = scores[pair[f"{side}_id"]]
            assert len(found) >= 2  # additive5_short needs two of three
            assert pair[f"{side}_score"] == pytest.approx(sum(found) / len(found))
        assert pair["margin"] == pytest.approx(pair["chosen_score"] - pair["rejected_score"])
        assert pair["margin"] > 0


def test_sft_and_dpo_really_trained(done):
    folder, told, _ = done

    def report(k: int) -> dict[str, Any]:
        return json.loads((folder / f"iter_{k}" / "checkpoint" / "training.json").read_text())

    sft, dpo = report(1), report(2)
    assert sft["examples"] + sft["left_out"] == len(lines(folder / "iter_1" / "sft.jsonl"))
    assert sft["left_out"] > 0 and f"{sft['left_out']} too long left out" in told
    assert dpo["examples"] + dpo["left_out"] == len(lines(folder / "iter_2" / "pairs.jsonl"))
    assert dpo["examples"] > 0 and dpo["steps"] > 0
    said(told, rf"training +dpo, {dpo['examples']} examples.*, {dpo['steps']} steps")
    weights = [
        (folder / f"iter_{k}" / "checkpoint" / "model.safetensors").read_bytes() for k in (1, 2)
    ]
    assert weights[0] != weights[1]


def test_fewer_pairs_than_asked_for_stop_before_training(real, done, tmp_path):
    # It starts from the M1 of the other run, which can score already: half a minute less.
    folder = tmp_path / "run"
    ran = real.run(
        folder, f"pairs.min_pairs={PROMPTS}", f"model.base={done[0] / 'iter_1' / 'checkpoint'}",
        "sft.settings={learning_rate: 1.0e-6, epochs: 1, batch_size: 8, max_length: 400}",
    )  # fmt: skip
    assert ran.returncode == 3, ran.stderr
    rows = json.loads(ran.stdout)["rows"]
    assert [(row["model"], row["gate"]) for row in rows] == [
        ("M0", None), ("M1", "promote"), ("M2", "stop"),
    ]  # fmt: skip
    assert rows[2]["metrics"] == {}
    found = len(lines(folder / "iter_2" / "pairs.jsonl"))
    assert found > 0
    assert f"{found} preference pairs, pairs.min_pairs needs {PROMPTS}" in ran.stderr
    decision = json.loads((folder / "iter_2" / "gate.json").read_text())
    assert decision["decision"] == "stop"
    assert not list((folder / "iter_2").glob("checkpoint*"))
    assert not list((folder / "iter_2").rglob("*.job.json"))
