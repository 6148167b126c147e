"""The real loop, small: a real transformer is trained, samples, judges itself and is measured."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SMALL = [
    "iterations=2", "prompts.count=[30]", "evaluation.options.items=60",
    "evaluation.options.rankings=15", "judge.fit.criterion.min_prompts=10",
    "data.options.ift=150", "data.options.eft=300",
    "pairs.min_pairs=4", "gate.file=null", "engine.name=tests.proofs.counting:CountingHf",
]  # fmt: skip


def srlm(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness.cli", *words],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "COLUMNS": "200"},
    )  # fmt: skip


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A finished run: its folder, the words of its command, and what it printed."""
    base = tmp_path_factory.mktemp("small")
    words = ["run", "quickstart", "--json", "--out", str(base / "run"), *SMALL,
             f"engine.counter={base}"]  # fmt: skip
    done = srlm(*words)
    assert done.returncode == 0, done.stderr
    return base / "run", words, done


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_leaderboard_has_every_model_and_metric(small):
    rows = json.loads(small[2].stdout)["rows"]
    assert [row["model"] for row in rows] == ["M0", "SFT baseline", "M1", "M2"]
    assert [row["gate"] for row in rows] == [None, None, "promote", "promote"]
    judged = {"pairwise_accuracy", "five_best", "exact_match", "spearman", "kendall_tau"}
    shares = {"relevant", "substantial", "correct", "clear", "concise"}
    for row in rows[2:]:
        assert row["benchmark"] == "micro_world" and row["n"] == 60
        assert judged | shares <= set(row["metrics"])
        for name, metric in row["metrics"].items():
            assert set(metric) == {
                "name", "value", "low", "high", "confidence", "n", "of", "convention", "reason",
            }  # fmt: skip
            whole = metric["value"] is not None and metric["low"] is not None
            assert whole == (metric["reason"] is None), name
            if whole:
                assert metric["low"] <= metric["value"] <= metric["high"], name


def test_every_count_adds_up(small):
    step = small[0] / "iter_2"
    kept = [p for p in lines(step / "prompts.jsonl") if p["status"] == "kept"]
    candidates = lines(step / "candidates.jsonl")
    assert len(candidates) == 4 * len(kept)
    judged = [c for c in candidates if c["finish_reason"] == "stop" and c["text"].strip()]
    judgments = lines(step / "judgments.jsonl")
    assert len(judgments) == 3 * len(judged)
    scored = {}
    for j in judgments:
        assert (j["score"] is None) == (j["status"] == "unscored")
        scored.setdefault(j["response_id"], []).append(j["score"])
    for pair in lines(step / "pairs.jsonl"):
        for side in ("chosen", "rejected"):
            found = [s for s in scored[pair[f"{side}_id"]] if s is not None]
            assert pair[f"{side}_score"] == pytest.approx(sum(found) / len(found))
        assert pair["margin"] == pytest.approx(pair["chosen_score"] - pair["rejected_score"])
        assert pair["margin"] > 0


def test_training_changed_the_weights_and_dpo_started_from_m1(small):
    def weights(k: int) -> bytes:
        return (small[0] / f"iter_{k}" / "checkpoint" / "model.safetensors").read_bytes()

    assert weights(1) != weights(2)
    report = json.loads((small[0] / "iter_2" / "checkpoint" / "training.json").read_text())
    assert report["examples"] == len(lines(small[0] / "iter_2" / "pairs.jsonl"))


def test_a_finished_run_does_nothing_again(small):
    folder, words, first = small
    files = [p for p in folder.rglob("*") if p.is_file() and p.name != ".lock"]
    before = {p: p.stat().st_mtime_ns for p in files}
    calls = (folder.parent / "calls.txt").read_bytes()
    again = srlm(*words)
    assert again.returncode == 0, again.stderr
    assert again.stdout == first.stdout
    assert {p: p.stat().st_mtime_ns for p in before} == before
    assert (folder.parent / "calls.txt").read_bytes() == calls


def test_a_run_that_starts_from_m1_of_another_makes_the_same_m2(small, tmp_path):
    folder = small[0]
    done = srlm("run", "quickstart", "--json", "--out", str(tmp_path / "run"), *SMALL,
                f"engine.counter={tmp_path}", f"start={folder / 'iter_1'}",
                "evaluation.baseline=none")  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert [row["model"] for row in rows] == ["M0", "M1", "M2"]
    assert "not trained in this run" in rows[1]["note"] and "note" not in rows[2]
    ours, theirs = tmp_path / "run" / "iter_2", folder / "iter_2"
    for name in ("pairs.jsonl", "checkpoint/model.safetensors"):
        assert (ours / name).read_bytes() == (theirs / name).read_bytes()
    assert not (tmp_path / "run" / "iter_1" / "checkpoint").exists()


def test_a_chat_model_is_m1_itself(small, tmp_path):
    done = srlm("run", "quickstart", "--json", "--out", str(tmp_path / "run"), *SMALL,
                f"engine.counter={tmp_path}", "start=chat", "iterations=1",
                f"model.base={small[0] / 'iter_1' / 'checkpoint'}",
                "evaluation.baseline=m0")  # fmt: skip
    assert done.returncode == 0, done.stderr
    m0, m1 = json.loads(done.stdout)["rows"]
    first = json.loads(small[2].stdout)["rows"][2]
    assert m1["metrics"]["oracle_score"] == m0["metrics"]["oracle_score"]
    assert m1["metrics"]["oracle_score"] == first["metrics"]["oracle_score"]
    assert m1["metrics"]["win_rate"]["value"] == 0.5  # against itself
    assert m1["metrics"]["pairwise_accuracy"] == first["metrics"]["pairwise_accuracy"]


def test_another_configuration_in_the_same_folder_is_refused(small):
    folder, words, _ = small
    done = srlm(*words, "candidates.n=5")
    assert done.returncode == 2
    assert "candidates.n: 4 -> 5" in done.stderr and "Traceback" not in done.stderr
    assert not list(folder.rglob("*.part"))


def test_a_second_process_on_one_run_folder_is_refused(small):
    folder, words, _ = small
    from results.store import RunLock

    with RunLock(folder):
        done = srlm(*words)
    assert done.returncode == 1
    assert str(folder) in done.stderr


def test_a_corrupt_record_is_named_and_nothing_is_changed(small, tmp_path):
    import shutil

    folder, words, _ = small
    copy = tmp_path / "run"
    shutil.copytree(folder, copy)
    records = copy / "iter_2" / "candidates.jsonl"
    text = records.read_text().splitlines()
    records.write_text("\n".join([*text[:2], '{"broken": ', *text[3:]]) + "\n")
    done = srlm(*[w if w != str(folder) else str(copy) for w in words])
    assert done.returncode == 1
    assert f"{records}:3" in done.stderr and done.stderr.count("\n") < 8


def test_leaderboard_formats(small):
    folder = str(small[0])
    assert re.search(r"^\| M2 +\|", srlm("leaderboard", folder, "--format", "md").stdout, re.M)
    assert "\\begin{tabular}" in srlm("leaderboard", folder, "--format", "latex").stdout
    assert srlm("leaderboard", folder, "--format", "csv").stdout.count("\n") == 5
    board = srlm("leaderboard", folder, "--format", "json").stdout
    assert json.loads(board) == json.loads(small[2].stdout)
    assert "SFT baseline" in srlm("leaderboard", folder).stdout


def test_manifest_says_what_was_run(small):
    manifest = json.loads((small[0] / "manifest.json").read_text())
    assert manifest["config"]["prompts"]["count"] == [30]
    assert set(manifest["hashes"]) == {"base_weights", "ift", "eft", "judge"}
    assert {"torch", "transformers", "trl"} <= set(manifest["packages"])


def test_killed_at_random_moments_it_ends_the_same(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tests.proofs.kills", "--kills", "4", "--folder",
         str(tmp_path / "kills"), *SMALL[:6]],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 differ []" in done.stdout and ", 0 made twice" in done.stdout
