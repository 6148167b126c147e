"""The alarms within the loop: before training, before the gate, resumed, and what they bring."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

import harness.loop
import harness.stages.alarms as stage
from benchmarks.registry import open_benchmark
from harness.alarms.measuring import kept_alarms
from harness.cli import main
from harness.display import Display
from harness.loop import loop
from harness.recipe import load_recipe
from harness.run import Run, StopRun, run_spec
from harness.stages.alarms import alarms_after, alarms_before, check_alarms
from harness.stages.gate import gate, stop
from results.errors import UsageError
from results.files import read_json
from results.gate_records import Policy
from tests.alarm_cases import HACKED, HEALTHY
from tests.alarm_runs import Small
from tests.fake_run import FakeRun, fake_runs


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda fd: None)  # durability is tested with the store


def opened(folder: Path) -> tuple[Run, io.StringIO]:
    """A run that has all that the stages of alarms and gate ask for, and what it says."""
    config, said = load_recipe(str(folder / "config.yaml"), []).config, io.StringIO()
    run = SimpleNamespace(
        folder=folder, config=config, spec=run_spec(config),
        display=Display(Console(file=said, width=400)),
        iteration=lambda k: folder / f"iter_{k}",
        benchmark=open_benchmark(config.evaluation.benchmark, config.evaluation.options), beside={},
    )  # fmt: skip
    return run, said  # type: ignore[return-value]


def make(folder: Path, run: Small, alarms: str = "") -> tuple[Run, io.StringIO]:
    return opened(run.but(config=f"alarms: {{{alarms}}}\n" if alarms else "").make(folder))


def without_evaluation(run: Run, k: int = 3) -> Path:
    """Takes the evaluation of M_k away: it is not trained yet."""
    place = run.iteration(k) / "evaluation"
    return place.rename(place.with_name("later"))


def test_both_phases_are_looked_at_once_and_kept(tmp_path: Path, monkeypatch) -> None:
    run, said = make(tmp_path / "run", HACKED)
    path, later = run.iteration(3) / "alarms.json", without_evaluation(run)
    alarms_before(run, 3)
    first = read_json(path)
    assert first["phases"] == ["before training"] and len(first["statements"]) == 1
    assert not (run.iteration(3) / "monitors.json").exists()  # they wait for the evaluation
    assert "ALARM reward_hacking (note): self-score of M2 minus that of M1" in said.getvalue()
    later.rename(later.with_name("evaluation"))
    alarms_after(run, 3)
    both = read_json(path)
    assert both["phases"] == ["before training", "after evaluation"]
    assert both["alarms"][: len(first["alarms"])] == first["alarms"]
    assert len(both["alarms"]) > len(first["alarms"]) and len(both["statements"]) == 1
    before, told = path.read_bytes(), said.getvalue()
    monkeypatch.setattr(stage, "look", None)
    monkeypatch.setattr(stage, "measure", None)
    alarms_before(run, 3)
    alarms_after(run, 3)
    assert path.read_bytes() == before and said.getvalue() == told


def test_what_was_raised_early_is_what_the_whole_records_say(tmp_path: Path) -> None:
    run, _ = make(tmp_path / "run", HACKED)
    later = without_evaluation(run)
    alarms_before(run, 3)
    later.rename(later.with_name("evaluation"))
    alarms_after(run, 3)
    [kept] = kept_alarms(run.folder)
    from harness.alarms.measuring import measure_alarms

    assert kept == measure_alarms(run.folder, run.config, 3)


def test_an_alarm_that_stops_ends_the_run_before_training_again_and_again(tmp_path: Path) -> None:
    run, _ = make(tmp_path / "run", HACKED, "stop: [reward_hacking]")
    without_evaluation(run)
    for _ in range(2):  # the second start reads what is kept
        with pytest.raises(StopRun, match="M3: alarm reward_hacking before training: ") as end:
            alarms_before(run, 3)
        assert end.value.exit_code == 3 and end.value.result.metric == "reward_hacking"
    decision = stop(run, 3, end.value.result)
    assert decision.decision == "stop"
    assert read_json(run.iteration(3) / "gate.json")["decision"] == "stop"


def test_an_alarm_that_stops_after_the_evaluation_does_so_before_the_gate(tmp_path: Path) -> None:
    drifted = HACKED.but(text=HEALTHY.text, score=HEALTHY.score)
    run, _ = make(tmp_path / "run", drifted, "stop: [grown_phrase]")
    alarms_before(run, 3)  # nothing is wrong with what it was trained on
    with pytest.raises(StopRun, match="grown_phrase after evaluation"):
        alarms_after(run, 3)


def test_an_alarm_that_holds_makes_the_gate_hold_with_its_evidence(tmp_path: Path) -> None:
    run, _ = make(tmp_path / "run", HACKED, "hold: [shared_sentence]")
    alarms_before(run, 3)  # training goes on
    alarms_after(run, 3)
    decision = gate(run, 3, 2)
    assert decision.decision == "hold"
    [rule] = decision.rules
    assert (rule.rule, rule.metric, rule.passed) == ("alarm", "shared_sentence", False)
    assert "'i hope this helps'" in rule.reason and rule.low > rule.threshold
    other, _ = make(tmp_path / "other", HACKED)
    alarms_after(other, 3)
    assert gate(other, 3, 2).decision == "promote"


def test_a_safety_suite_that_the_benchmark_lacks_is_refused(tmp_path: Path) -> None:
    run, _ = make(tmp_path / "run", HEALTHY, "safety_suite: [corect]")
    with pytest.raises(UsageError, match=r"safety_suite.*'corect'.*did you mean 'correct'"):
        check_alarms(run)
    check_alarms(make(tmp_path / "other", HEALTHY, "safety_suite: [correct]")[0])


def test_srlm_monitors_prints_and_gives_them(tmp_path: Path, capsys) -> None:
    folder = HACKED.make(tmp_path / "run")
    assert main(["monitors", str(folder)]) == 0
    out = capsys.readouterr().out
    assert "alarms, run" in out and "M2: 0 of" in out and out.count("SAFETY NOT EVALUATED") == 1
    assert "reward_hacking (before training): self-score of M2" in " ".join(out.split())
    assert main(["monitors", str(folder), "--json"]) == 0
    [run] = json.loads(capsys.readouterr().out)["runs"]
    assert [one["k"] for one in run["alarms"]] == [2, 3]
    fired = {alarm["name"] for alarm in run["alarms"][1]["alarms"] if alarm["fired"]}
    assert {"reward_hacking", "grown_phrase", "shared_sentence"} <= fired
    assert not (folder / "iter_3" / "alarms.json").exists()  # the run's own are not touched


def test_hostile_phrases_do_not_reach_the_terminal(tmp_path: Path, capsys) -> None:
    tail = " [red]bold\x1b[31m and more words"
    run = HACKED.but(
        text=lambda k, i, d: HEALTHY.text(k, i, d) + (tail if k == 3 and d % 2 else ""),
        output=lambda k, i: HEALTHY.output(k, i) + (tail if k == 3 and i % 3 else ""),
    )
    opened_run, said = opened(run.make(tmp_path / "run"))
    alarms_before(opened_run, 3)
    alarms_after(opened_run, 3)
    assert "ALARM grown_phrase" in said.getvalue() and "\x1b" not in said.getvalue()
    assert main(["monitors", str(opened_run.folder)]) == 0
    assert "\x1b[31m" not in capsys.readouterr().out


@pytest.fixture
def makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    yield from fake_runs(tmp_path, monkeypatch, lambda r, s: None, ["iterations=2"])  # type: ignore[arg-type, return-value]


def test_the_loop_looks_between_pairs_and_training_and_before_the_gate(
    makes: Callable[..., FakeRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    stages = ("prompts", "candidates", "judgments", "pairs", "alarms_before", "audit", "dpo",
              "evaluation", "enough_scored", "alarms_after", "settle", "sft", "fitness", "eft",
              "read_inputs", "claim", "keep_seed", "_evaluate_baselines", "run_rows",
              "input_hashes")  # fmt: skip

    def standing_in(name: str) -> Callable[..., Any]:
        def do(*_: object) -> Any:
            order.append(name)
            if name == "eft":
                return []
            policy = Policy(then="go_on", champion="M1")
            return SimpleNamespace(decision="promote", ift=[], policy=policy)

        return do

    for name in stages:
        monkeypatch.setattr(harness.loop, name, standing_in(name))
    monkeypatch.setattr(Run, "prepare_base", lambda self: None)
    assert loop(makes().run).exit_code == 0
    second = order[order.index("prompts") :]
    assert second[: second.index("settle") + 1] == [
        "prompts", "candidates", "judgments", "pairs", "alarms_before", "audit", "dpo",
        "evaluation", "enough_scored", "alarms_after", "settle",
    ]  # fmt: skip
    assert order.count("alarms_after") == 1  # M1 has nothing to raise
