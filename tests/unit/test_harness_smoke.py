"""A smoke run on a fake engine and trainer: what it walks past, what ends it, what it reckons."""

from __future__ import annotations

import hashlib
import json
import os
import random
from pathlib import Path
from typing import Any

import pytest

import harness.run
from backends.engines.engine import Completion, Request, Usage
from backends.trainers.trainer import TrainReport
from benchmarks.human_data import opening
from benchmarks.judge_agreement import JudgeAgreement
from benchmarks.micro_world.benchmark import MicroWorld
from benchmarks.micro_world.world import draw_instruction
from harness.cli import main
from harness.folder import claim
from harness.recipe import load_recipe
from harness.resolve import resolve
from harness.smoke.scale import smoke_config, spread
from results.errors import SrlmError
from results.records import Example
from tests.fakes import FakeEngine, Reply, prompt_of

SMALL = [
    "engine.batch_size=16", "dpo.settings.batch_size=4", "sft.settings.batch_size=10",
    "data.options={ift: 40, eft: 60}", "evaluation.options={items: 40, rankings: 10}",
]  # fmt: skip
STAGES = [
    "inputs", "training", "evaluation", "evaluation", "training", "evaluation", "gate", "judge",
    "prompts", "candidates", "judgments", "pairs", "training", "evaluation", "gate", "monitors",
]  # fmt: skip


def good(request: Request, seed: int) -> Completion | str:
    text = prompt_of(request)
    if isinstance(request.prompt, str):
        return draw_instruction(random.Random(seed), held=False).text
    if text.startswith("Mark the answer."):
        return f"Check.\nScore: {int(hashlib.sha256(text.encode()).hexdigest(), 16) % 6}"
    return f"answer {seed % 1000}"


def hopeless(request: Request, seed: int) -> Completion | str:
    """No answer ends and no judgment has a score."""
    if not isinstance(request.prompt, str) and prompt_of(request).startswith("Mark the answer."):
        return "hm"
    return Completion(f"endless {seed}", "length", Usage(3, 32))


class FakeTrainer:
    """Leaves a checkpoint of 1000 bytes; every example takes it half a second."""

    def __init__(self, steps: int = 2, fails: str = "") -> None:
        self.steps, self.fails = steps, fails
        self.jobs: list[Any] = []

    def check(self, kind: str, settings: dict[str, Any]) -> dict[str, Any]:
        return settings

    def train(self, job: Any, progress: Any) -> TrainReport:
        self.jobs.append(job)
        if job.kind == "dpo" and self.fails:
            raise SrlmError(self.fails)
        job.out.mkdir(parents=True)
        (job.out / "model.safetensors").write_bytes(b"x" * 1000)
        n = len(job.data.read_text().splitlines())
        return TrainReport(n, 0, self.steps, n / 2, 3.0, {}, peak_bytes=5 << 20)


@pytest.fixture
def smoke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(os, "fsync", lambda fd: None)
    monkeypatch.chdir(tmp_path)

    def do(reply: Reply, trainer: FakeTrainer, *words: str) -> tuple[int, dict[str, Any]]:
        def opened(name: str, model: str, options: dict[str, Any]) -> FakeEngine:
            # Seeds hang on the identity: what comes out must not hang on where the test runs.
            return FakeEngine(model.replace(str(tmp_path), "."), 16, reply)

        monkeypatch.setattr(harness.run, "open_engine", opened)
        monkeypatch.setattr(harness.run, "open_trainer", lambda name, options: trainer)
        code = main(["run", "quickstart", "--smoke", "--json", *SMALL, *words])
        return code, json.loads(capsys.readouterr().out)

    return do


def status(found: dict[str, Any]) -> dict[str, str]:
    return {f"{s['model']} {s['stage']}".strip(): s["status"] for s in found["stages"]}


def line(found: dict[str, Any], model: str, stage: str) -> str:
    return next(s["line"] for s in found["stages"] if (s["model"], s["stage"]) == (model, stage))


def test_a_good_model_passes_every_stage(smoke) -> None:
    trainer = FakeTrainer()
    code, found = smoke(good, trainer, "prompts.count=[40,80]", "pairs.min_pairs=5")
    assert code == found["exit_code"] == 0
    assert [s["stage"] for s in found["stages"]] == STAGES
    assert set(status(found).values()) == {"passed", "skipped"}
    assert status(found)["M1 judge"] == "skipped"
    assert [(j.kind, j.settings["epochs"]) for j in trainer.jobs] == [
        ("sft", 1), ("sft", 1), ("dpo", 1),
    ]  # fmt: skip
    # The reference of DPO is M1, as it is in the full run.
    assert trainer.jobs[2].reference == Path(found["folder"]) / "iter_1" / "checkpoint"
    assert "10 of 40 IFT, 10 of 60 EFT, 8 of 40 new prompts" in line(found, "", "inputs")
    assert "on so few prompts it says nothing" in line(found, "M2", "gate")


def test_the_full_run_is_reckoned_from_the_rates_here(smoke) -> None:
    words = ["prompts.count=[40,80]", "iterations=4", "pairs.min_pairs=5"]
    _, found = smoke(good, FakeTrainer(), *words)
    lines = {row["what"]: row for row in found["full"]["lines"]}
    # 40 + 80 + 80 prompts, four candidates, three judgments of each.
    assert lines["candidates"]["units"] == 800 and lines["candidates"]["here_units"] == 32
    assert lines["judgments"]["units"] == 2400
    here = lines["candidates"]
    assert here["hours"] == pytest.approx(here["here_seconds"] / 32 * 800 / 3600)
    assert here["completion_tokens"] == 4 * 800  # the fake engine writes four tokens
    # Six models: 40 items and 10 x 4 x 3 judgments of each.
    assert lines["evaluation"]["units"] == 6 * (40 + 120)
    # Half a second an example: IFT twice (baseline and M1) and EFT, in two epochs.
    assert lines["training, sft"]["hours"] == pytest.approx((2 * 40 + 60) * 2 / 2 / 3600)
    assert lines["training, dpo"]["hours"] == pytest.approx(200 / 2 / 3600)
    assert lines["start-up"]["here_units"] == 3 and lines["start-up"]["units"] == 5
    assert lines["start-up"]["hours"] == pytest.approx(5 * 3 / 3600, rel=0.5)
    total = found["full"]["hours"]
    assert total == pytest.approx(sum(row["hours"] for row in lines.values()))
    disk = found["full"]["disk"]
    assert (disk["checkpoints"], disk["checkpoint_bytes"]) == (5, 1000)
    assert disk["total"] == 5000 + disk["record_bytes"] and disk["record_bytes"] > 1e5
    assert found["full"]["trainer"]["host"] == 5 << 20
    assert found["full"]["cost"] == 0


def test_data_of_the_hub_are_counted_as_they_were_fetched(smoke, monkeypatch) -> None:
    rows = [(i, {"id": str(i), "prompt": f"Question {i}?", "responses": [
        {"id": "a", "text": "x", "rank": 0}, {"id": "b", "text": "y", "rank": 1}]})
        for i in range(1, 13)]  # fmt: skip
    monkeypatch.setattr(
        opening, "_open_hub",
        lambda name, *_: opening.Opened(Path(name), name, iter(rows), lambda: "0" * 64),
    )  # fmt: skip
    words = ["evaluation={benchmark: judge_agreement, baseline: none}", "gate.file=null",
             "evaluation.options={rankings: 'hub:some/rankings'}",
             "prompts.count=[40]"]  # fmt: skip
    code, found = smoke(good, FakeTrainer(), *words, "judge.adaptive={}", "pairs.min_pairs=1")
    assert code == 0, found["stages"]
    lines = {row["what"]: row for row in found["full"]["lines"]}
    # M0 to M3: three judgments of two answers to twelve prompts.
    assert lines["evaluation"]["units"] == 4 * 12 * 2 * 3
    assert any("adaptive draws are counted as if all were made" in n for n in found["notes"])


def test_a_full_run_has_no_more_prompts_than_its_file(smoke, tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text("".join(json.dumps({"prompt": f"Name {i} rivers."}) + "\n" for i in range(10)))
    words = ["prompts.source=file", f"prompts.path={path}", "iterations=2"]
    _, found = smoke(good, FakeTrainer(), *words, "pairs.min_pairs=10", "pairs.min_margin=4")
    assert "8 of 10 new prompts" in line(found, "", "inputs")
    assert "of 10 prompts would give a pair" in line(found, "M2", "pairs")


def test_what_would_stop_the_run_is_walked_past(smoke) -> None:
    code, found = smoke(hopeless, FakeTrainer())
    assert code == found["exit_code"] == 3
    # The prompts are by the fixed M0: no training will make them better.
    assert status(found)["M2 prompts"] == "would have failed"
    said = line(found, "M2", "prompts")
    assert "M2: no prompt was kept of" in said and "seed instructions stand in" in said
    # What M1 does may change once it is trained: 2 of 2 x 10 steps of 10 examples.
    for stage in ("judgments", "pairs", "evaluation"):
        assert status(found)[f"M2 {stage}"] == "unclear"
        assert "M1 has had 2 of 20 training steps here" in line(found, "M2", stage)
    judged = line(found, "M2", "judgments")
    assert "none of 32 candidates ended by itself" in judged
    assert "100.0% of 96 judgments are unscored" in judged
    assert "4 stand-ins beside them for a batch of DPO" in line(found, "M2", "pairs")
    assert status(found)["M2 training"] == status(found)["M2 gate"] == "passed"
    folder = Path(found["folder"])
    pairs = [json.loads(x) for x in (folder / "iter_2" / "pairs.jsonl").read_text().splitlines()]
    assert all(p["chosen_id"].startswith("stand-in") and p["chosen"] != p["rejected"]
               for p in pairs)  # fmt: skip


def test_with_all_of_its_training_nothing_is_unclear(smoke) -> None:
    code, found = smoke(hopeless, FakeTrainer(steps=20))
    assert code == 3 and "unclear" not in status(found).values()
    assert status(found)["M2 judgments"] == "would have failed"


def test_a_judge_from_outside_is_not_hardly_trained(smoke) -> None:
    _, found = smoke(hopeless, FakeTrainer(), "judge.model=hf:package:benchmarks.micro_world/m0")
    assert status(found)["M1 evaluation"] == "would have failed"


def test_the_pair_audit_is_tried_where_no_people_are_asked(smoke) -> None:
    words = ["prompts.count=[40,80]", "pairs.min_pairs=5"]
    _, found = smoke(good, FakeTrainer(), *words, "audit.by=verifier")
    assert status(found)["M2 audit"] == "passed"  # all of these pairs are ties: no result
    assert "pairs labelled; of so few it says nothing" in line(found, "M2", "audit")
    _, found = smoke(good, FakeTrainer(), *words, "audit.by=people")
    assert status(found)["M2 audit"] == "passed"
    assert "people are asked on the full run alone" in line(found, "M2", "audit")
    _, found = smoke(good, FakeTrainer(), *words, "audit.by=hf:package:benchmarks.micro_world/m0")
    assert status(found)["M2 audit"] == "would have failed"  # it gives no verdict, ever
    assert "too few labels: " in line(found, "M2", "audit")
    audited = [row for row in found["full"]["lines"] if row["what"] == "audit"]
    assert audited[0]["units"] == 2 * 40 + 2 * 80


def test_prompts_by_the_policy_may_become_better(smoke) -> None:
    _, found = smoke(hopeless, FakeTrainer(), "prompts.model=policy")
    assert status(found)["M2 prompts"] == "unclear"


def test_too_few_pairs_for_the_full_run_are_foreseen(smoke) -> None:
    words = ["prompts.count=[40]", "pairs.min_margin=4"]
    _, found = smoke(good, FakeTrainer(steps=20), *words, "pairs.min_pairs=40")
    said = line(found, "M2", "pairs")
    assert status(found)["M2 pairs"] == "would have failed"
    assert "of 40 prompts would give a pair, pairs.min_pairs needs 40" in said
    code, found = smoke(good, FakeTrainer(), *words, "pairs.min_pairs=41")
    assert code == 1 and status(found)["inputs"] == "failed"
    assert "give 40 pairs at most; pairs.min_pairs needs 41" in line(found, "", "inputs")


def test_eft_that_is_judged_is_a_stage_of_its_own(smoke) -> None:
    words = ["data.eft=judged", "data.options={ift: 40, eft: 0, ranked: 12}", "prompts.count=[40]",
             "evaluation.baseline=none", "gate.file=null"]  # fmt: skip
    code, found = smoke(hopeless, FakeTrainer(), *words)
    assert code == 3
    names = list(status(found))
    assert names[:5] == ["inputs", "SFT baseline training", "M0 evaluation", "SFT baseline EFT",
                         "M1 training"]  # fmt: skip
    assert status(found)["SFT baseline EFT"] == "unclear"
    said = line(found, "SFT baseline", "EFT")
    assert "SFT baseline has had 2 of 8 training steps here" in said
    assert "about 0 EFT examples would come out, data.judged.min_examples needs" in said
    assert "10 judgments stand in" in said
    assert line(found, "M1", "training").startswith("20 examples")
    lines = {row["what"]: row for row in found["full"]["lines"]}
    assert lines["EFT"]["units"] == 12 * 4 * 3 and lines["EFT"]["here_units"] == 8 * 4 * 3
    # Ten examples of eight ranked prompts here: fifteen of twelve, beside IFT twice.
    assert lines["training, sft"]["units"] == (2 * 40 + 15) * 2


def test_too_little_eft_for_the_full_run_is_foreseen(smoke, tmp_path: Path) -> None:
    words = ["data.eft=bootstrap", "data.options={ift: 40, eft: 0}", "evaluation.baseline=none",
             "gate.file=null", "iterations=1", "--out", str(tmp_path / "same")]  # fmt: skip
    _, found = smoke(good, FakeTrainer(steps=99), *words, "data.judged.min_examples=1")
    assert status(found)["SFT baseline EFT"] == "passed"
    said = line(found, "SFT baseline", "EFT")
    expected = int(said.removesuffix(" examples")) * 40 // 8  # of 40 prompts, 8 here
    enough = f"data.judged.min_examples={expected}"
    _, found = smoke(good, FakeTrainer(steps=99), *words, enough)
    assert status(found)["SFT baseline EFT"] == "passed"
    too_many = f"data.judged.min_examples={expected + 1}"
    code, found = smoke(good, FakeTrainer(steps=99), *words, too_many)
    assert code == 3 and status(found)["SFT baseline EFT"] == "would have failed"
    assert f"about {expected} EFT examples would come out" in line(found, "SFT baseline", "EFT")
    _, found = smoke(good, FakeTrainer(), *words, too_many)
    assert status(found)["SFT baseline EFT"] == "unclear"


@pytest.mark.parametrize(
    ("words", "checkpoints"),  # of M2 and M3; the SFT baseline's steps are none of M1's
    [(["evaluation.baseline=m0"], 2), (["evaluation.baseline=sft"], 3)],
)
def test_a_chat_model_is_m1_and_nothing_about_it_is_unclear(smoke, words, checkpoints) -> None:
    words = ["start=chat", "prompts.count=[40]", *words]
    code, found = smoke(hopeless, FakeTrainer(), *words)
    assert code == 3 and "unclear" not in status(found).values()
    assert "M1 training" not in status(found)
    assert status(found)["M2 judgments"] == "would have failed"
    assert found["full"]["disk"]["checkpoints"] == checkpoints


def test_what_breaks_ends_it(smoke) -> None:
    code, found = smoke(good, FakeTrainer(fails="the worker ended: CUDA out of memory"))
    assert code == found["exit_code"] == 1
    assert status(found)["M2 training"] == "failed"
    said = line(found, "M2", "training")
    assert "CUDA out of memory; lower dpo.settings.batch_size or max_length" in said
    assert status(found)["M2 evaluation"] == status(found)["M2 gate"] == "not reached"
    lines = {row["what"]: row for row in found["full"]["lines"]}
    assert lines["training, dpo"]["hours"] is None and found["full"]["hours"] is None
    assert lines["judgments"]["hours"] is not None


def test_inputs_that_are_wrong_are_the_first_stage(smoke) -> None:
    code, found = smoke(good, FakeTrainer(), "gate.rules=[{metric: x, rule: improves}]",
                        "gate.file=null")  # fmt: skip
    assert code == 1 and found["full"] is None
    assert status(found)["inputs"] == "failed"
    assert "metric 'x' is not one of benchmark" in line(found, "", "inputs")
    assert set(list(status(found).values())[1:]) == {"not reached"}


def test_a_smoke_folder_begins_anew_and_no_other_folder_is_taken(
    smoke, tmp_path: Path, capsys
) -> None:
    words = ["--out", str(tmp_path / "try"), "iterations=1"]
    for _ in range(2):
        code, found = smoke(good, FakeTrainer(), *words)
        assert code == 0 and found["stages"][-1]["stage"] == "gate"
        assert sum(s["took"]["calls"] for s in found["stages"]) > 0
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("mine")
    assert main(["run", "quickstart", "--smoke", "--out", str(other)]) == 2
    assert "holds 'thesis.txt' and is not the folder of a smoke run" in capsys.readouterr().err
    assert (other / "thesis.txt").read_text() == "mine"


def test_a_real_run_is_never_emptied(smoke, tmp_path: Path, capsys) -> None:
    folder = tmp_path / "a"
    wrong = ["gate.rules=[{metric: x, rule: improves}]", "gate.file=null"]
    code, _ = smoke(good, FakeTrainer(), "--out", str(folder), *wrong)
    assert code == 1 and [p.name for p in folder.iterdir() if p.name != ".lock"] == [".smoke"]
    claim(folder, resolve(load_recipe("quickstart", []).config), {})  # as the real run does
    assert not (folder / ".smoke").exists()
    for mark in (False, True):  # with the mark: as older versions left it
        if mark:
            (folder / ".smoke").touch()
        assert main(["run", "quickstart", "--smoke", "--out", str(folder)]) == 2
        assert "is not the folder of a smoke run" in capsys.readouterr().err
        assert (folder / "config.yaml").is_file()


def test_the_table_says_it_all(smoke, capsys, monkeypatch) -> None:
    smoke(hopeless, FakeTrainer(), "iterations=2")
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["run", "quickstart", "--smoke", *SMALL]) == 3
    said = capsys.readouterr().out
    assert "would have failed" in said and "M1 has had 2 of 20 training steps" in said
    assert "peak memory here" in said and "4 checkpoints of 1.0 kB" in said
    assert said.splitlines()[-1].startswith("smoke of quickstart: 16 stages: ")


def test_only_the_scale_is_another() -> None:
    full = resolve(load_recipe("quickstart", []).config)
    small = smoke_config(full)
    assert small.iterations == 2 and small.prompts.count == [48]  # 48 x 4 rows are a batch of 192
    assert small.sft.settings["epochs"] == small.dpo.settings["epochs"] == 1
    assert small.sft.settings["batch_size"] == full.sft.settings["batch_size"]
    for section in ("model", "data", "engine", "trainer", "candidates", "judge", "evaluation",
                    "gate", "budget", "seed"):  # fmt: skip
        assert getattr(small, section) == getattr(full, section), section
    few = resolve(load_recipe("quickstart", ["prompts.count=[5]"]).config)
    assert smoke_config(few).prompts.count == [5]


def test_examples_are_spread_over_the_lengths_with_the_longest() -> None:
    all_of = [
        Example(id=str(n), prompt="p", completion="x" * n, kind="ift") for n in (3, 1, 9, 7, 5, 2)
    ]
    assert [e.id for e in spread(all_of, 3)] == ["9", "5", "2"]
    assert [e.id for e in spread(all_of, 99)] == ["9", "7", "5", "3", "2", "1"]


def test_smaller_benchmarks_hold_out_the_same(tmp_path: Path) -> None:
    path = tmp_path / "ranked.jsonl"
    rows = [
        {"id": str(i), "prompt": f"Question {i}?", "responses": [
            {"id": "a", "text": "x", "rank": 0}, {"id": "b", "text": "y", "rank": 1}]}
        for i in range(12)
    ]  # fmt: skip
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    whole = JudgeAgreement(str(path))
    few = whole.smaller(3)
    assert (len(few.rankings), len(whole.rankings)) == (3, 12)
    assert few.held_out("Question 11?") and few.rankings == whole.rankings[:3]
    world = MicroWorld(items=40, rankings=10)
    tiny = world.smaller(8)
    assert (len(tiny.instructions), len(tiny.rankings)) == (8, 2)
    assert (len(world.instructions), len(world.rankings)) == (40, 10)
