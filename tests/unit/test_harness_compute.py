"""Hours and disk of a plan: figures worked out by hand, and what is said where parts are absent."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from backends.models import model_here
from backends.parameters import Weights, weights_of
from harness.cli import main
from harness.compute import DPO, FORWARD, SFT, device_hours
from harness.config import Hardware
from harness.plan_table import bytes_text, hours_text

SMALL = [
    "evaluation.options={items: 7, rankings: 2}", "prompts.count=[8]", "iterations=2",
    "pairs.min_pairs=1",
]  # fmt: skip


def planned(capsys, recipe: str, *words: str) -> dict:
    assert main(["plan", recipe, *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_hours_by_hand() -> None:
    card = Hardware(tflops=100)
    # 2 x 7e9 x 1e6 = 1.4e16 operations at 5e13 a second: 280 seconds.
    assert device_hours(FORWARD, 7e9, 1e6, card, 0.5) == pytest.approx(280 / 3600)
    assert device_hours(SFT, 7e9, 1e6, card, 0.5) == pytest.approx(3 * 280 / 3600)
    assert device_hours(DPO, 7e9, 1e6, card, 0.5) == pytest.approx(4 * 280 / 3600)
    assert device_hours(SFT, None, 1e6, card, 0.5) is None
    assert device_hours(SFT, 7e9, 1e6, Hardware(), 0.5) is None


def test_every_step_by_hand(capsys) -> None:
    words = [*SMALL, "hardware={tflops: 0.5, devices: 2, name: bench}"]
    found = planned(capsys, "quickstart", *words)
    steps = {(s["model"], s["stage"]): s for s in found["steps"]}
    folder = model_here("package:benchmarks.micro_world/m0")
    assert folder is not None
    weights = weights_of(folder)
    assert weights is not None
    n = weights.parameters
    judged = steps["M2", "judgments"]
    tokens = judged["prompt_tokens"] + judged["completion_tokens"]
    assert judged["device_hours"] == pytest.approx(2 * n * tokens / (0.5e12 * 0.15) / 3600)
    trained = steps["M2", "training"]
    # 8 pairs of two answers of 56 tokens at most, behind prompts of a few tokens, in one epoch.
    assert 2 * 8 * 56 < trained["trained_tokens"] < 2 * 8 * (56 + 20)
    hours = 8 * n * trained["trained_tokens"] / (0.5e12 * 0.35) / 3600
    assert trained["device_hours"] == pytest.approx(hours, rel=1e-3) and trained["calls"] == 0
    sft = steps["M1", "training"]
    assert sft["trained_tokens"] > 4 * steps["SFT baseline", "training"]["trained_tokens"]
    total = found["total"]
    assert total["device_hours"] == pytest.approx(sum(s["device_hours"] for s in found["steps"]))
    disk = found["disk"]
    assert disk["checkpoints"] == 3 and disk["checkpoint_bytes"] == weights.bytes
    assert disk["record_bytes"] == 600 * total["calls"] + 8 * total["completion_tokens"]
    assert disk["total"] == 3 * weights.bytes + disk["record_bytes"]
    assert any("on 2 x bench" in note for note in found["notes"])


def test_without_the_peak_there_are_no_hours(capsys) -> None:
    found = planned(capsys, "quickstart", *SMALL)
    assert found["total"]["device_hours"] is None
    assert {s["device_hours"] for s in found["steps"]} == {None}
    assert any("unknown: give hardware.tflops" in note for note in found["notes"])
    assert main(["plan", "quickstart", *SMALL]) == 0
    said = capsys.readouterr().out
    assert "unknown: give hardware.tflops" in said and "device h" not in said.splitlines()[0]


def absent(tmp_path: Path) -> list[str]:
    trees = tmp_path / "absent" / "trees.jsonl.gz"
    return [
        "model.base=nobody/absent-7b",
        f"data.options.path={trees}",
        f"evaluation.options.rankings={trees}",
    ]


def test_a_plan_without_model_and_data_says_what_it_assumes(
    capsys, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    words = ["evaluation.options.limit=5", "data.options.limit=50", "iterations=2"]
    words += ["prompts.count=[100]", *absent(tmp_path)]
    found = planned(capsys, "open_assistant", *words, "hardware.tflops=300")
    calls = {(s["model"], s["stage"]): s["calls"] for s in found["steps"]}
    assert calls["M2", "candidates"] == 400 and calls["M2", "judgments"] == 1200
    assert calls["M1", "evaluation, judge"] == 5 * 3 * 3
    assert found["prompts"] == {}  # none is the run's own
    assert found["total"]["device_hours"] is None and found["disk"]["total"] is None
    notes = "\n".join(found["notes"])
    assert "model.base nobody/absent-7b is not on this machine" in notes
    assert "50 IFT examples of 160 + 1135 characters are assumed" in notes
    assert "5 prompts with 3 replies of 880 characters are assumed" in notes
    assert "give model.parameters" in notes
    sft = next(s for s in found["steps"] if (s["model"], s["stage"]) == ("M1", "training"))
    assert sft["trained_tokens"] == round(50 * (160 + 1135) / 4 * 2)  # two epochs

    known = planned(capsys, "open_assistant", *words, "hardware.tflops=300",
                    "model.parameters=7e9")  # fmt: skip
    assert known["disk"]["checkpoint_bytes"] == 14e9 and known["disk"]["checkpoints"] == 2
    assert known["total"]["device_hours"] > 0
    sft = next(s for s in known["steps"] if s["stage"] == "training")
    assert sft["device_hours"] == pytest.approx(
        6 * 7e9 * sft["trained_tokens"] / (300e12 * 0.35) / 3600
    )


def test_a_benchmark_that_is_absent_without_a_limit_is_not_counted(
    capsys, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    found = planned(capsys, "open_assistant", *absent(tmp_path), "iterations=2")
    assert not [s for s in found["steps"] if s["stage"].startswith("evaluation")]
    # EFT that is to be judged: as many ranked prompts as IFT examples.
    judged = planned(capsys, "open_assistant", *absent(tmp_path), "data.eft=judged",
                     "data.options.ift=20", "data.options.eft=none")  # fmt: skip
    calls = {(s["model"], s["stage"]): s["calls"] for s in judged["steps"]}
    assert calls["SFT baseline", "seed, judge"] == 20 * 3 * 3
    assert any("20 ranked prompts of 3 replies" in note for note in judged["notes"])
    assert any("its calls are not counted" in note for note in found["notes"])


def test_a_judge_at_a_server_takes_no_device(capsys) -> None:
    words = [*SMALL, "judge.model=openai:gpt-4o", "hardware.tflops=1"]
    found = planned(capsys, "quickstart", *words)
    judged = [s for s in found["steps"] if "judg" in s["stage"]]
    assert judged and {s["device_hours"] for s in judged} == {0}
    assert found["total"]["device_hours"] > 0


def safetensors(path: Path, shapes: dict[str, list[int]], each: int) -> None:
    header = {"__metadata__": {"format": "pt"}} | {
        name: {"dtype": "BF16", "shape": shape, "data_offsets": [0, 0]}
        for name, shape in shapes.items()
    }
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"\0" * each)


def test_parameters_are_counted_in_all_shards(tmp_path: Path) -> None:
    shards = [tmp_path / "model-1.safetensors", tmp_path / "model-2.safetensors"]
    safetensors(shards[0], {"a": [3, 4], "b": [5]}, 34)
    safetensors(shards[1], {"c": [7], "scalar": []}, 16)
    size = sum(p.stat().st_size for p in shards)
    places = {"a": 0, "b": 0, "c": 1, "scalar": 1}
    index = {"weight_map": {name: shards[i].name for name, i in places.items()}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert weights_of(tmp_path) == Weights(12 + 5 + 7 + 1, size)
    # The same weights in another layout, and an adapter beside them.
    for name in ("consolidated.safetensors", "adapter_model.safetensors"):
        safetensors(tmp_path / name, {"a": [3, 4], "b": [5]}, 34)
    assert weights_of(tmp_path) == Weights(12 + 5 + 7 + 1, size)
    shards[1].unlink()  # half fetched
    assert weights_of(tmp_path) is None


def test_the_one_file_of_a_model_is_counted_alone(tmp_path: Path) -> None:
    safetensors(tmp_path / "adapter_model.safetensors", {"a": [2]}, 4)
    assert weights_of(tmp_path) is None
    safetensors(tmp_path / "model.safetensors", {"a": [3]}, 6)
    assert weights_of(tmp_path) == Weights(3, (tmp_path / "model.safetensors").stat().st_size)
    (tmp_path / "model.safetensors").unlink()
    (tmp_path / "model.safetensors.index.json").write_text("{}")
    assert weights_of(tmp_path) is None


def test_parameters_of_other_files(tmp_path: Path) -> None:
    assert weights_of(tmp_path) is None
    (tmp_path / "config.json").write_text('{"torch_dtype": "bfloat16"}')
    (tmp_path / "pytorch_model.bin").write_bytes(b"x" * 2000)
    assert weights_of(tmp_path) == Weights(1000, 2000)
    (tmp_path / "config.json").write_text('{"torch_dtype": "int3"}')
    assert weights_of(tmp_path) is None
    (tmp_path / "model.safetensors").write_bytes(b"\xff" * 20)
    assert weights_of(tmp_path) is None


def test_a_model_that_is_not_here_is_not_fetched(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    assert model_here("nobody/absent-7b") is None
    assert model_here(str(tmp_path / "absent")) is None


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (999, "999 B"), (3_432_904, "3.4 MB"), (1.4e11, "140 GB")]
)
def test_bytes_in_words(size: float, text: str) -> None:
    assert bytes_text(size) == text


@pytest.mark.parametrize(
    ("hours", "text"),
    [(0, "0.00"), (1e-4, "<0.01"), (1.234, "1.23"), (12.3, "12.3"), (1e4, "10,000")],
)
def test_hours_in_words(hours: float, text: str) -> None:
    assert hours_text(hours) == text
