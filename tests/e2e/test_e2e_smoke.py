"""``srlm run --smoke`` with real engine and trainer: the micro world, and a random model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SMALL = [
    "engine.batch_size=32", "sft.settings.batch_size=16", "dpo.settings.batch_size=8",
    "data.options={ift: 200, eft: 300}",
]  # fmt: skip


def smoke(folder: Path, *words: str) -> tuple[int, dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "harness.cli", "run", "quickstart", "--smoke", "--json", "--out",
         str(folder), *SMALL, *words],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_the_quick_start_goes_through_every_stage(tmp_path: Path) -> None:
    code, found = smoke(tmp_path / "smoke")
    status = {f"{s['model']} {s['stage']}": s["status"] for s in found["stages"]}
    assert len(status) == 16 and not {"failed", "not reached"} & set(status.values())
    for name in ("SFT baseline training", "M1 training", "M2 candidates", "M2 training", "M2 gate"):
        assert status[name] == "passed", found
    # Two steps of SFT make no judge: what M1 cannot do yet is unclear, and no failure.
    assert code == (3 if "would have failed" in status.values() else 0)
    full = found["full"]
    assert {row["what"] for row in full["lines"]} == {
        "evaluation", "prompts", "candidates", "judgments", "training, sft", "training, dpo",
        "start-up",
    }  # fmt: skip
    assert full["hours"] > 0 and all(row["hours"] > 0 for row in full["lines"])
    assert full["disk"]["checkpoints"] == 4 and full["disk"]["checkpoint_bytes"] > 3e6
    assert full["trainer"]["host"] > 1e8 and full["process"]["host"] > 1e8
    report = json.loads((tmp_path / "smoke/iter_2/checkpoint/training.json").read_text())
    assert (report["examples"], report["steps"]) == (8, 1)


@pytest.fixture(scope="module")
def random_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from backends.fresh_model import fresh_llama, train_tokenizer
    from benchmarks.registry import load_seed_data

    folder = tmp_path_factory.mktemp("random") / "llama"
    data = load_seed_data("micro_world", {"ift": 100, "eft": 20}, 0)
    tokenizer = train_tokenizer([str(e.prompt) for e in [*data.ift, *data.eft]], 400)
    fresh_llama(tokenizer, 32, 1, 2, 512, 0).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_a_random_model_goes_on_and_a_broken_trainer_ends_it(
    tmp_path: Path, random_model: Path
) -> None:
    code, found = smoke(
        tmp_path / "smoke", f"model.base={random_model}", "evaluation.baseline=none",
        "gate.file=null", "dpo.settings.max_length=8",
        "prompts.decoding.max_tokens=1",  # within more, noise may hold the end of a line
    )  # fmt: skip
    stages = {f"{s['model']} {s['stage']}": s for s in found["stages"]}
    assert stages["M2 prompts"]["status"] == "would have failed"
    assert "no prompt was kept of" in stages["M2 prompts"]["line"]
    assert stages["M2 judgments"]["status"] == "unclear"
    assert stages["M2 training"]["status"] == "failed" and code == 1
    assert "no example fits max_length 8" in stages["M2 training"]["line"]
    assert stages["M2 evaluation"]["status"] == stages["M2 gate"]["status"] == "not reached"
