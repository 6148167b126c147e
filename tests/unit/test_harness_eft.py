"""EFT that a run makes itself, on a fake engine: what is judged, kept, resumed and refused."""

from __future__ import annotations

import io
import json
import os
import random
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import harness.run
from backends.engines.engine import Completion, Request, Usage
from backends.trainers.trainer import TrainJob, TrainReport
from benchmarks.micro_world.world import held_out
from benchmarks.registry import open_benchmark
from harness.cli import main
from harness.display import Display
from harness.inputs import input_hashes
from harness.recipe import load_recipe
from harness.retry import retry
from harness.run import Run, StopRun
from harness.stages.eft import EftReport, check_eft, eft
from harness.stages.fitness import check_human_data
from harness.stages.gate import stop
from harness.stages.seed import keep_seed, read_seed
from judges.rankings import RankedPrompt
from judges.spec import load_spec
from results.errors import UsageError
from results.files import read_model
from results.records import Example, Judgment
from results.store import RecordFile
from tests.fakes import FakeEngine, Killed, failed, mortal, prompt_of

FREE = [text for i in range(90) if not held_out(text := f"Tell me of thing {i} please.")]


def quality(text: str) -> int:
    return int(re.findall(r"quality (\d)", text)[-1])


def judge(request: Request, seed: int) -> Completion | str:
    """Answers of some quality are scored by it, now and then wrongly or in another form."""
    text = prompt_of(request)
    rng = random.Random(seed)
    if "Mark the answer." not in text:
        return "quality 0 of mine"
    if rng.random() < 0.1:
        return "hm"
    found = quality(text) if "quality" in text.partition("Answer:")[2] else 0
    return f"Seen.\nScore: {found if rng.random() < 0.8 else rng.randrange(6)}"


class Trainer:
    """Leaves a folder; what it was given is kept."""

    def __init__(self) -> None:
        self.jobs: list[TrainJob] = []

    def train(self, job: TrainJob, progress: object) -> TrainReport:
        self.jobs.append(job)
        job.out.mkdir(parents=True)
        return TrainReport(1, 0, 1, 0.0, 0.0, {})


class House:
    """Runs on one folder, with the seed data in files."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder, self.reply = folder / "run", judge
        self.trainer, self.engines = Trainer(), list[FakeEngine]()
        self.said = io.StringIO()
        self.ift, self.ranked = folder / "ift.jsonl", folder / "ranked.jsonl"
        self.write(self.ift, [
            {"prompt": text, "completion": "Good words of quality 5"} for text in FREE[:12]
        ])  # fmt: skip
        self.write(self.ranked, [
            {"id": f"p{i}", "prompt": text, "responses": [
                {"id": "c", "text": "of quality 1", "rank": 2},
                {"id": "a", "text": "of quality 4", "rank": 0},
                {"id": "b", "text": "of quality 3", "rank": 1},
                {"id": "x", "text": "of quality 2", "rank": None},
            ]}
            for i, text in enumerate(FREE[20:40])
        ])  # fmt: skip
        patch.setattr(harness.run, "open_engine", self._open)

    def write(self, path: Path, rows: list[dict[str, Any]]) -> None:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def _open(self, name: str, model: str, options: object) -> FakeEngine:
        model = model.removeprefix(f"{self.folder}/")  # the same in every folder
        self.engines.append(FakeEngine(model, 7, lambda r, s: self.reply(r, s)))
        return self.engines[-1]

    @property
    def calls(self) -> list[Request]:
        return [call for engine in self.engines for call in engine.calls]

    def run(self, kind: str = "judged", *overrides: str) -> Run:
        options = f"{{ift: {self.ift}, ranked: {self.ranked}}}"
        own = ["data={source: jsonl}", f"data.options={options}", f"data.eft={kind}",
               "evaluation.options={items: 4, rankings: 2}"]  # fmt: skip
        config = load_recipe("quickstart", [*own, *overrides]).config
        self.folder.mkdir(exist_ok=True)
        display = Display(Console(file=self.said, width=500))
        benchmark = open_benchmark(config.evaluation.benchmark, config.evaluation.options)
        spec = load_spec(config.judge.spec)
        return Run(
            config, self.folder, display, spec, benchmark, self.trainer, Path("m0")
        )  # type: ignore[arg-type]  # fmt: skip

    def made(self, kind: str = "judged", *overrides: str) -> list[Example]:
        run = self.run(kind, *overrides)
        try:
            data = read_seed(run)
            check_eft(run, data)
            keep_seed(run, data)
            return eft(run, data)
        finally:
            run.close()

    def files(self) -> dict[str, bytes]:
        return {p.name: p.read_bytes() for p in sorted((self.folder / "seed").iterdir())}

    def report(self) -> EftReport:
        return read_model(self.folder / "seed" / "eft_report.json", EftReport)


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.setattr(os, "fsync", lambda fd: None)
    yield House(tmp_path, monkeypatch)


def test_judgments_in_the_human_order_become_examples(house: House) -> None:
    found = house.made("judged", "data.judged.max_share=1")
    report, spec = house.report(), load_spec("additive5_short")
    # The baseline is trained on IFT alone, and asked alone.
    (job,) = house.trainer.jobs
    assert job.out == house.folder / "sft_baseline" / "checkpoint"
    assert {e.kind for e in RecordFile(job.data, Example).read()} == {"ift"}
    assert {e.identity for e in house.engines if e.calls} == {"fake:sft_baseline/checkpoint"}
    assert len(house.calls) == report.judgments == 20 * 3 * 3  # the unranked answer is not judged
    assert (report.prompts, report.replies, report.sets.of) == (20, 60, 60)
    assert report.unscored.n == sum(report.unscored.reasons.values()) > 0
    assert report.sets.kept == len({e.id.split("-")[1] for e in found}) > 5
    assert len(found) == 3 * report.sets.kept == report.examples == sum(report.before.values())
    by_prompt: dict[str, dict[str, float]] = {}
    for e in found:
        _, name, answer, _ = e.id.split("-")
        by_prompt.setdefault(name, {})[answer] = e.meta["score"]
        assert spec.read(e.completion).score == e.meta["score"] and e.kind == "eft"
        assert str(e.prompt).startswith("Mark the answer.") and "Tell me of thing" in str(e.prompt)
    assert all(s["a"] > s["b"] > s["c"] for s in by_prompt.values())
    said = house.said.getvalue()
    assert f"{report.sets.agree} agree with the ranks" in said and "by score" in said


def test_over_represented_scores_are_fewer_afterwards(house: House) -> None:
    rows = [json.loads(line) for line in house.ranked.read_text().splitlines()]
    for row in rows[4:]:
        row["responses"] = row["responses"][:2]  # mostly 4 and 1
    house.write(house.ranked, rows)
    found = house.made("judged", "data.judged.max_share=0.35")
    report = house.report()
    assert sum(report.before.values()) > len(found) == sum(report.after.values())
    assert report.largest_share is not None and report.largest_share <= 0.35
    assert Counter(f"{e.meta['score']:g}" for e in found) == report.after
    assert set(report.after) == set(report.before)


def test_a_system_message_is_part_of_what_is_learned(house: House) -> None:
    run = house.run("judged", "data.judged.max_share=1")
    run.spec = run.spec.model_copy(update={"system": "You mark."})
    data = read_seed(run)
    keep_seed(run, data)
    found = eft(run, data)
    assert [m.role for m in found[0].prompt] == ["system", "user"]  # type: ignore[union-attr]
    run.close()


def test_bootstrap_ranks_the_human_answer_over_worse_ones(house: House) -> None:
    found = house.made("bootstrap", "data.judged.max_share=1")
    report = house.report()
    pool = RecordFile(house.folder / "seed" / "ranked.jsonl", RankedPrompt).read()
    assert len(pool) == 12 == report.prompts and report.replies == 36
    for prompt in pool:
        human, *worse = prompt.responses
        assert (human.id, human.rank, human.text) == ("human", 0, "Good words of quality 5")
        assert {r.rank for r in worse} == {1} and worse[0].text == "quality 0 of mine"
        assert [r.id for r in worse] in (["other", "cut"], ["other", "appended"])
    kinds = Counter(r.id for p in pool for r in p.responses)
    assert report.worsened == {k: n for k, n in kinds.items() if k != "human"}
    assert report.judgments == 36 * 8 and report.sets.of == 12 * 8
    assert found and {e.kind for e in found} == {"eft"}
    answers = [c for c in house.calls if not prompt_of(c).startswith("Mark the answer.")]
    asked = {prompt_of(c) for c in answers}
    assert len(answers) == len(asked) and asked <= set(FREE[:12])


def test_bootstrap_counts_what_it_leaves_out(house: House) -> None:
    house.write(house.ift, [
        {"prompt": FREE[0], "completion": "Yes"}, {"prompt": FREE[1], "completion": "Yes"},
        {"prompt": FREE[2], "completion": "quality 0 of mine"},
    ])  # fmt: skip
    cut = Completion("never ending", "length", Usage(1, 56))
    house.reply = lambda r, s: cut if prompt_of(r) in FREE[:2] else judge(r, s)
    with pytest.raises(StopRun):
        house.made("bootstrap", "data.judged.min_examples=1000")
    worsened = house.report().worsened
    assert sum(n for kind, n in worsened.items() if kind in ("other", "left out: same text",
               "left out: answer ended by length")) == 3  # fmt: skip
    assert sum(n for kind, n in worsened.items() if kind in ("cut", "appended",
               "left out: one word")) == 3  # fmt: skip
    assert worsened["left out: answer ended by length"] >= 1


def test_a_number_of_prompts_is_drawn_by_the_seed(house: House) -> None:
    house.made("bootstrap", "data.bootstrap.prompts=5", "data.bootstrap.draws=2")
    pool = RecordFile(house.folder / "seed" / "ranked.jsonl", RankedPrompt).read()
    assert len(pool) == 5 and house.report().sets.of == 10


@pytest.mark.parametrize("kind", ["judged", "bootstrap"])
def test_killed_anywhere_it_ends_with_the_same_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(os, "fsync", lambda fd: None)
    small = "data.bootstrap.draws=2"

    def place(name: str) -> House:
        (tmp_path / name).mkdir()
        found = House(tmp_path / name, monkeypatch)
        found.ranked.write_text("".join(found.ranked.read_text().splitlines(True)[:6]))
        found.ift.write_text("".join(found.ift.read_text().splitlines(True)[:6]))
        return found

    whole = place("whole")
    # Before there are two: what the seed data is does not depend on EFT that comes later.
    run = whole.run(kind, small)
    monkeypatch.setattr("harness.inputs.weights_hash", lambda path: "w")
    before = input_hashes(run, read_seed(run))
    whole.made(kind, small)
    assert input_hashes(run, read_seed(run)) == before
    assert ("ranked" in before) == (kind == "judged")
    expected, total = whole.files(), len(whole.calls)
    for survive in (10, total - 1):
        cut = place(f"cut{survive}")
        cut.reply = mortal(judge, survive)
        with pytest.raises(Killed):
            cut.made(kind, small)
        cut.reply = judge
        again = len(cut.calls)
        cut.made(kind, small)
        assert cut.files() == expected, survive
        assert len(cut.calls) - again <= total - 7 * (survive // 7) + 7
        done = len(cut.calls)
        cut.made(kind, small)
        assert len(cut.calls) == done and len(cut.trainer.jobs) == 1


def test_too_few_examples_stop_the_run_each_time(house: House) -> None:
    house.reply = lambda r, s: "Seen.\nScore: 4"
    for _ in range(2):
        with pytest.raises(
            StopRun,
            match=r"0 EFT examples .* raise data\.judged\.draws.*; "
            r"changes need a new --out; see ",
        ) as caught:
            house.made()
    assert caught.value.exit_code == 3 and "\n" not in str(caught.value)
    assert house.report().sets.tied == 60 and len(house.trainer.jobs) == 1


def test_retry_makes_failed_and_unscored_judgments_again(house: House) -> None:
    def broken(request: Request, seed: int) -> Completion | str:
        text = prompt_of(request)
        if text.startswith("Mark"):
            return failed() if "thing 2" in text else "hm"
        return failed() if "thing 3" in text else judge(request, seed)

    house.reply = broken
    run = house.run("bootstrap")
    keep_seed(run, read_seed(run))
    with pytest.raises(StopRun) as caught:
        eft(run, read_seed(run))
    stop(run, 1, caught.value.result)
    judgments = RecordFile(house.folder / "seed" / "judgments.jsonl", Judgment)
    assert {j.status for j in judgments.read()} == {"unscored"}
    house.reply = judge
    calls = len(house.calls)
    found = retry(run)
    assert found.where == "seed judgments" and found.of >= 12 * 3 * 8 - 8 * 3
    assert len(house.calls) - calls >= found.of - 5
    again = judgments.read()
    assert found.left == sum(j.status == "unscored" for j in again) < len(again) / 5
    assert not (house.folder / "iter_1" / "gate.json").exists()
    assert len(eft(run, read_seed(run))) > 5
    assert retry(run).of == found.left
    run.close()


def test_data_without_an_order_are_refused(house: House) -> None:
    house.write(house.ranked, [{"id": "p", "prompt": FREE[0], "responses": [
        {"id": "a", "text": "x", "rank": 0}, {"id": "b", "text": "y", "rank": 0}]}])  # fmt: skip
    with pytest.raises(UsageError, match="found 1 ranked training prompts, none with two answers"):
        house.made()
    with pytest.raises(UsageError, match=r"data\.options\.ranked"):
        house.made("judged", f"data.options={{ift: {house.ift}}}")
    house.made("bootstrap", f"data.options={{ift: {house.ift}}}")


def test_held_out_ranked_prompts_are_refused(house: House) -> None:
    leak = next(t for i in range(99) if held_out(t := f"Say {i}."))
    rows = [json.loads(line) for line in house.ranked.read_text().splitlines()]
    house.write(house.ranked, [*rows, {**rows[0], "id": "leak", "prompt": leak}])
    with pytest.raises(UsageError, match=r"1 ranked prompts are held out .*first is leak"):
        house.made()
    assert not (house.folder / "seed").exists() and house.calls == []


def test_prompts_of_the_judges_check_are_in_no_pool(house: House) -> None:
    run = house.run("judged", f"judge.fit.data={house.ranked}")
    with pytest.raises(UsageError, match="20 of 20 prompts are in the seed data"):
        check_human_data(run, read_seed(run))


def test_a_judge_that_shows_a_reference_is_refused_at_once(house: House) -> None:
    for kind in ("judged", "bootstrap"):
        run = house.run(kind)
        run.spec = load_spec("reference5")
        with pytest.raises(UsageError, match="shows a reference answer"):
            check_eft(run, read_seed(run))
    assert house.calls == [] and house.trainer.jobs == []


def test_seed_settings_are_those_of_the_seed_data() -> None:
    loaded = load_recipe("quickstart", ["seed.eft=bootstrap", "seed=3"])
    assert (loaded.config.data.eft, loaded.config.seed) == ("bootstrap", 3)
    assert loaded.origins["data.eft"] == "override"
    spelt = load_recipe("quickstart", ["data.eft=bootstrap", "seed=3"])
    assert spelt.default_folder == loaded.default_folder
    with pytest.raises(UsageError, match=r"unknown key 'data\.etf'; did you mean 'eft'"):
        load_recipe("quickstart", ["seed.etf=judged"])
    assert load_recipe("quickstart", []).config.data.eft == "source"


def test_the_plan_counts_the_judging(capsys: pytest.CaptureFixture[str]) -> None:
    def steps(*words: str) -> dict[str, Any]:
        small = "evaluation.options={items: 4, rankings: 2}"
        assert main(["plan", "quickstart", small, *words, "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert not any("seed" in s["stage"] for s in found["steps"]) or (
            "Answer: " in found["prompts"]["seed, judge"]
        )
        return {s["stage"]: s for s in found["steps"] if s["model"] == "SFT baseline"}

    judged = steps("data.eft=judged", "data.options.ranked=5", "data.judged.draws=2")
    assert (judged["seed, judge"]["calls"], judged["seed, judge"]["about"]) == (5 * 4 * 2, False)
    own = steps("data.eft=bootstrap", "data.bootstrap.prompts=10")
    assert (own["seed, answers"]["calls"], own["seed, judge"]["calls"]) == (10, 10 * 3 * 8)
    assert "seed, judge" not in steps()
