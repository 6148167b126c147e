"""The loop's check of M1's judge: before any candidate, with a way on that has a name."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import harness.loop
import harness.run
from backends.engines.engine import Completion, Request
from benchmarks.registry import SeedData, open_benchmark
from harness.cli import main
from harness.display import Display
from harness.loop import loop
from harness.recipe import load_recipe
from harness.run import Run, StopRun
from harness.stages.fitness import check_human_data, fitness
from harness.stages.gate import stop
from judges.spec import load_spec
from results.errors import UsageError
from results.records import Example, GateDecision
from tests.fakes import FakeEngine, failed, prompt_of

SEED = SeedData([Example(id="i", prompt="Say hello.", completion="Hello.", kind="ift")], [])
WAIVED = "judge.fit.waived_by=Ada"


def fair(request: Request, seed: int) -> Completion | str:
    return f"Fine.\nScore: {quality(request)}"


def unfair(request: Request, seed: int) -> Completion | str:
    return f"Fine.\nScore: {5 - quality(request)}"


def quality(request: Request) -> int:
    return int(re.findall(r"quality (\d)", prompt_of(request))[0])


class House:
    """A run whose judge answers by ``reply``; one engine for each model that is opened."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder, self.reply = folder / "run", fair
        self.data = folder / "people.jsonl"
        self.data.write_text("".join(
            json.dumps({"id": f"p{i}", "prompt": f"Question {i}?", "responses": [
                {"id": "good", "text": "of quality 4", "rank": 0},
                {"id": "bad", "text": "of quality 2", "rank": 1},
            ]}) + "\n" for i in range(40)
        ))  # fmt: skip
        self.engines: list[FakeEngine] = []
        self.said = io.StringIO()
        patch.setattr(harness.run, "open_engine", self._open)

    def _open(self, name: str, model: str, options: object) -> FakeEngine:
        self.engines.append(FakeEngine(model, 16, lambda r, s: self.reply(r, s)))
        return self.engines[-1]

    @property
    def calls(self) -> int:
        return sum(len(engine.calls) for engine in self.engines)

    def run(self, *overrides: str, data: bool = True) -> Run:
        own = [f"judge.fit.data={self.data}"] if data else []
        small = ["judge.draws=1", "evaluation.options={items: 4, rankings: 2}"]
        config = load_recipe("quickstart", [*small, *own, *overrides]).config
        self.folder.mkdir(exist_ok=True)
        display = Display(Console(file=self.said, width=200))
        benchmark = open_benchmark(config.evaluation.benchmark, config.evaluation.options)
        spec = harness.run.run_spec(config)
        return Run(
            config, self.folder, display, spec, benchmark, None, Path("m0")
        )  # type: ignore[arg-type]  # fmt: skip

    def kept(self) -> dict[str, Any]:
        path = self.folder / "iter_1" / "judge_fitness" / "judge_fitness.json"
        found: dict[str, Any] = json.loads(path.read_text())
        return found


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setattr(os, "fsync", lambda fd: None)
    return House(tmp_path, monkeypatch)


def test_a_fit_judge_goes_on_and_is_asked_once(house: House) -> None:
    found = fitness(house.run())
    assert found.fitness is not None and found.fitness.fit and found.waived_by is None
    assert house.calls == 80 and house.engines[-1].identity.endswith("iter_1/checkpoint")
    assert house.kept()["data"] == str(house.data)
    assert "fit to judge, pairwise accuracy 1.000" in house.said.getvalue()
    assert fitness(house.run()) == found and house.calls == 80


def test_one_that_is_not_stops_with_3_and_what_could_be_tried(house: House) -> None:
    house.reply = unfair
    for _ in range(2):  # a restarted run does not slip through
        with pytest.raises(StopRun) as caught:
            fitness(house.run())
    end = caught.value
    assert (end.exit_code, end.k) == (3, 2) and house.calls == 80
    said = str(end)
    assert "the judge of M1 is not fit to judge: " in said and "; try: " in said
    assert "srlm judge validate" in said and f"--out {house.folder} judge.fit.waived_by" in said
    result = end.result
    # Not "max 0.5": the bound that was broken is the lowest that may be.
    assert (result.metric, result.rule, result.value) == ("judge fitness, level", "min", 0.0)
    assert result.threshold == 0.5 and not result.passed


def test_what_decides_is_the_check_that_failed(house: House) -> None:
    house.reply = lambda r, s: "Hm" if "Question 1" in prompt_of(r) else fair(r, s)
    with pytest.raises(StopRun) as caught:
        fitness(house.run())
    result = caught.value.result
    assert (result.metric, result.rule, result.threshold) == ("judge fitness, unscored", "max", 0.2)
    assert result.value == pytest.approx(22 / 80)


def test_waived_by_name_it_goes_on_in_the_same_folder(house: House) -> None:
    house.reply = unfair
    run = house.run()
    with pytest.raises(StopRun) as caught:
        fitness(run)
    stop(run, caught.value.k, caught.value.result)
    gate = house.folder / "iter_2" / "gate.json"
    assert gate.exists()
    found = fitness(house.run(WAIVED))
    assert found.waived_by == house.kept()["waived_by"] == "Ada"
    assert found.fitness is not None and not found.fitness.fit
    assert not gate.exists() and house.calls == 80
    assert "waived by Ada" in house.said.getvalue()
    with pytest.raises(StopRun):  # the waiver is of the one who gives it, each time
        fitness(house.run())


def test_another_criterion_is_another_verdict_on_the_same_judgments(house: House) -> None:
    with pytest.raises(StopRun, match="at least 50 needed"):
        fitness(house.run("judge.fit.criterion.min_prompts=50"))
    found = fitness(house.run())
    assert found.fitness is not None and found.fitness.fit and house.calls == 80


def test_failed_calls_are_made_again_where_they_stopped_the_run(house: House) -> None:
    house.reply = lambda r, s: failed() if "Question 1" in prompt_of(r) else fair(r, s)
    with pytest.raises(StopRun, match="run the same command again"):
        fitness(house.run())
    assert house.calls == 80
    house.reply = fair
    found = fitness(house.run())
    assert found.fitness is not None and found.fitness.fit
    assert house.calls == 80 + 22


def test_a_waiver_without_data_asks_nothing(house: House) -> None:
    class Bare:
        name = "bare"

    run = house.run(WAIVED, data=False)
    run.benchmark = Bare()  # type: ignore[assignment]
    check_human_data(run, SEED)
    found = fitness(run)
    assert (found.data, found.waived_by, found.fitness) == (None, "Ada", None)
    assert house.calls == 0 and "not checked, waived by Ada" in house.said.getvalue()
    assert fitness(run) == found
    run = house.run(data=False)
    run.benchmark = Bare()  # type: ignore[assignment]
    with pytest.raises(UsageError, match=r"'bare' has no human rankings .* judge.fit.data=FILE"):
        check_human_data(run, SEED)


def test_the_benchmarks_own_rankings_cost_no_call(house: House) -> None:
    house.reply = lambda r, s: "Marks.\nScore: 3" if "Mark the answer" in prompt_of(r) else "hello"
    run = house.run(data=False)
    weights = run.checkpoint(1)
    run.benchmark.evaluate(run.caller(weights), run.judge(weights), None, house.folder / "e", 0)
    before = house.calls
    with pytest.raises(StopRun, match=r"for want of data|not fit"):
        fitness(run)
    assert house.calls == before and house.kept()["data"] == "micro_world"


def test_what_was_trained_on_is_not_held_out(house: House) -> None:
    run = house.run()
    check_human_data(run, SEED)
    leak = SEED.ift[0].model_copy(update={"prompt": "Question  3?\n"})
    with pytest.raises(UsageError, match=r"1 of 40 prompts are in the seed data too .* 'p3'"):
        check_human_data(run, SeedData([leak], []))
    check_human_data(house.run("iterations=1"), SeedData([leak], []))  # nothing trains on scores
    with pytest.raises(UsageError, match="seed data too"):
        check_human_data(house.run(WAIVED), SeedData([leak], []))


def test_pairwise_labels_and_references(house: House) -> None:
    rows = [
        {"id": f"p{i}", "prompt": f"Q {i}?", "first": "quality 2", "second": "quality 4",
         "label": "second"} for i in range(40)
    ]  # fmt: skip
    house.data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = fitness(house.run())
    assert found.fitness is not None and found.fitness.accuracy.value == 1.0
    run = house.run()
    run.spec = load_spec("reference5")
    with pytest.raises(UsageError, match="40 of 40 prompts have none"):
        check_human_data(run, SEED)


def test_a_missing_file_is_refused_before_anything(house: House) -> None:
    run = house.run("judge.fit.data=none.jsonl", data=False)
    with pytest.raises(UsageError, match=r"none\.jsonl: no such file"):
        check_human_data(run, SEED)
    assert house.calls == 0


@pytest.fixture
def short(house: House, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """The loop with its trainings and evaluations left out, up to the first prompts."""
    begun: list[str] = []

    def prompts(run: Run, k: int, ift: object) -> None:
        begun.append(f"prompts of M{k}")
        raise StopRun(k, "prompts", 0, 1, "no prompt was kept")

    monkeypatch.setattr(harness.loop, "prompts", prompts)
    monkeypatch.setattr(harness.loop, "read_seed", lambda run: SEED)
    monkeypatch.setattr(harness.loop, "check_shots", lambda *_: None)
    monkeypatch.setattr(harness.loop, "input_hashes", lambda *_: {})
    monkeypatch.setattr(harness.loop, "_evaluate_baselines", lambda *_: None)
    monkeypatch.setattr(harness.loop, "enough_scored", lambda *_: None)
    monkeypatch.setattr(harness.loop, "run_rows", lambda *_: [])
    for name in ("sft", "evaluation"):
        monkeypatch.setattr(harness.loop, name, lambda *_: None)

    promoted = GateDecision(decision="promote", rules=[])
    monkeypatch.setattr(harness.loop, "settle", lambda *_: promoted)

    def go(*overrides: str) -> tuple[int, str, list[str]]:
        begun.clear()
        run = house.run(*overrides)
        try:
            outcome = loop(run)
        finally:
            run.close()
        return outcome.exit_code, outcome.message, list(begun)

    yield go


def test_no_candidate_before_the_judge_is_fit(house: House, short: Callable[..., Any]) -> None:
    house.reply = unfair
    code, message, begun = short()
    assert (code, begun) == (3, []) and "try: " in message
    decision = json.loads((house.folder / "iter_2" / "gate.json").read_text())
    assert decision["decision"] == "stop"
    assert decision["rules"][0]["metric"] == "judge fitness, level"
    code, message, begun = short(WAIVED)  # the same folder: the waiver is no other run
    assert begun == ["prompts of M2"] and "no prompt was kept" in message
    assert house.kept()["waived_by"] == "Ada" and house.calls == 80
    with pytest.raises(UsageError, match=r"judge\.fit\.data"):
        short("judge.fit.data=" + str(other_data(house)))


def test_a_fit_judge_comes_to_the_prompts(house: House, short: Callable[..., Any]) -> None:
    assert short()[2] == ["prompts of M2"]
    decision = json.loads((house.folder / "iter_2" / "gate.json").read_text())
    assert decision["rules"][0]["metric"] == "prompts"
    short()  # a stop for another reason stays
    assert json.loads((house.folder / "iter_2" / "gate.json").read_text()) == decision


def test_without_iterations_that_train_on_scores_nobody_asks(
    house: House, short: Callable[..., Any]
) -> None:
    assert short("iterations=1")[0] == 0 and house.calls == 0
    assert not (house.folder / "iter_1" / "judge_fitness").exists()


def test_nothing_is_taken_where_the_judge_cannot_be_checked(
    house: House, short: Callable[..., Any]
) -> None:
    with pytest.raises(UsageError):
        short("judge.fit.data=none.jsonl")
    assert list(house.folder.iterdir()) == []


def test_the_plan_counts_the_check(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["plan", "quickstart", "evaluation.options={items: 7, rankings: 2}", "--json"]
    assert main([*words, f"judge.fit.data={house.data}"]) == 0
    steps = json.loads(capsys.readouterr().out)["steps"]
    check = [step for step in steps if step["stage"] == "judge check"]
    assert [(step["model"], step["calls"]) for step in check] == [("M1", 80 * 3)]
    assert main(words) == 0
    assert "judge check" not in capsys.readouterr().out


def other_data(house: House) -> Path:
    path = house.data.with_name("other.jsonl")
    path.write_text(house.data.read_text())
    return path
