"""Benchmarks beside the main one: measured at every iteration, named in gate rules and alarms."""

from __future__ import annotations

import json
import re

import pytest

from harness.cli import main
from harness.recipe import load_recipe
from harness.replay import replay
from results.errors import UsageError
from tests import ladder
from tests.house import houses

BESIDE = "evaluation.beside={lost: {benchmark: 'tests.ladder:Kept'}}"
BETTER = {"metric": "quality", "rule": "improves"}
KEPT = {"metric": "lost.kept", "rule": "no_regression"}


@pytest.fixture
def house(tmp_path, capsys):
    return houses(tmp_path, capsys)


def test_what_is_lost_beside_the_main_figure_holds_the_iteration(house) -> None:
    made = house(rules=[BETTER, KEPT])
    assert made.run(BESIDE) == 3
    assert "M2 is not promoted, champion stays M1. hold: lost.kept: difference" in made.err
    decision = made.json("iter_2/gate.json")
    assert [(r["metric"], r["passed"]) for r in decision["rules"]] == [
        ("quality", True), ("lost.kept", False)
    ]  # fmt: skip
    assert decision["rules"][1]["value"] == pytest.approx(-6 / 20)  # M1 keeps what is above 3
    assert {"candidate/beside/lost/values.jsonl", "incumbent/beside/lost/metrics.json"} <= set(
        decision["inputs"]["sha256"]
    )


def test_every_iteration_has_a_row_of_each_benchmark(house) -> None:
    made = house(rules=[BETTER])
    assert made.run(BESIDE) == 3
    rows = [(row["benchmark"], row["model"], row["gate"]) for row in json.loads(made.out)["rows"]]
    assert rows == [
        ("ladder", "M0", None), ("ladder", "M1", "promote"), ("ladder", "M2", "promote"),
        ("ladder", "M3", "hold"), ("kept", "M1", "promote"), ("kept", "M2", "promote"),
        ("kept", "M3", "hold"),
    ]  # fmt: skip


def test_the_opponent_is_measured_too(house) -> None:
    made = house(rules=[BETTER])
    assert made.run(BESIDE, "evaluation.baseline=m0") == 3
    rows = json.loads(made.out)["rows"]
    assert [r["model"] for r in rows if r["benchmark"] == "kept"] == ["M0", "M1", "M2", "M3"]


def test_what_is_finished_is_not_measured_again(house) -> None:
    made = house(rules=[BETTER])
    made.run(BESIDE)
    (made.folder / "iter_3" / "gate.json").unlink()
    (made.folder / "iter_3" / "beside" / "lost" / "metrics.json").unlink()
    assert made.run(BESIDE) == 3
    assert ladder.CALLS == ["kept 15.0"]


def test_replay_finds_what_was_changed_beside(house) -> None:
    made = house(rules=[BETTER, KEPT], on_hold="roll_back")
    made.run(BESIDE)
    assert [r.same for r in replay(made.folder)] == [True, True, True]
    values = made.folder / "iter_2" / "beside" / "lost" / "values.jsonl"
    values.write_text(values.read_text().replace('"num": 0.0', '"num": 1.0'))
    found = replay(made.folder)
    assert [r.same for r in found] == [True, False, True]
    assert re.search(r"iter_2/beside/lost/values\.jsonl: sha256 .*restore the file", found[1].why)


def test_an_alarm_can_be_about_what_is_beside(house) -> None:
    made = house(rules=[BETTER])
    made.run(BESIDE, "alarms.safety_suite=[lost.kept]")
    alarms = made.json("iter_2/alarms.json")
    fired = [alarm for alarm in alarms["alarms"] if alarm["name"] == "safety"]
    assert fired[0]["fired"] and fired[0]["value"] == pytest.approx(-6 / 20)
    assert not [line for line in alarms["statements"] if "SAFETY NOT EVALUATED" in line]


@pytest.mark.parametrize(
    ("overrides", "rule", "said"),
    [
        ([BESIDE], "lost.kep", r"'lost\.kep' is not one of benchmark 'kept'.*mean 'lost\.kept'"),
        ([], "lost.kept", r"not one of benchmark 'ladder'.* evaluation\.beside has no 'lost'"),
        (["evaluation.beside={a.b: {}}"], "quality", r"evaluation\.beside\.a\.b"),
        (["evaluation.beside={safe: {benchmark: kepd}}"], "quality", r"'kepd'"),
        ([BESIDE, "evaluation.beside.lost.options.noise=a"], "quality", "noise"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_made(
    house,
    overrides: list[str],
    rule: str,
    said: str,
) -> None:
    made = house(rules=[{"metric": rule, "rule": "min", "threshold": 0}])
    with pytest.raises(UsageError, match=said):
        made.run(*overrides)
    assert not made.folder.exists()


def test_a_plan_counts_it_and_a_missing_file_is_said(house, capsys) -> None:
    made = house(rules=[BETTER])
    of = "{benchmark: judge_agreement, options: {rankings: no/file.jsonl}}"
    assert main(["plan", str(made.recipe), f"evaluation.beside={{judge: {of}}}"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "evaluation.beside.judge.options.rankings no/file.jsonl is not read" in said


def test_its_defaults_are_written_out() -> None:
    from harness.resolve import resolve

    loaded = load_recipe(
        "quickstart", ["evaluation.beside={again: {benchmark: micro_world, options: {items: 3}}}"]
    )
    told = resolve(loaded.config).evaluation.beside["again"]
    assert told.benchmark == "micro_world" and told.options["rankings"] == 80


def test_a_gate_on_folders_finds_what_lies_beside(house, tmp_path, capsys) -> None:
    made = house(rules=[BETTER])
    made.run(BESIDE)
    rules = tmp_path / "rules.yaml"
    rules.write_text("rules: [{metric: 'lost.*', rule: no_regression}]")
    sides = [str(made.folder / f"iter_{k}" / "evaluation") for k in (2, 1)]
    words = ["gate", "--rules", str(rules), "--candidate", sides[0], "--incumbent", sides[1]]
    assert main([*words, "--json"]) == 3
    found = json.loads(capsys.readouterr().out)
    assert [r["metric"] for r in found["rules"]] == ["lost.kept"]


def test_a_misspelt_part_is_no_part_that_is_missing(house) -> None:
    made = house(rules=[BETTER, {**KEPT, "metric": "lots.kept", "missing": "say"}])
    with pytest.raises(UsageError, match=r"'lots\.kept' is not one of"):
        made.run(BESIDE)


def test_a_run_belongs_to_the_data_that_it_began_with(house, monkeypatch) -> None:
    made = house(rules=[BETTER])
    monkeypatch.setattr(ladder.Kept, "data_hash", lambda self: "before", raising=False)
    made.run(BESIDE)
    monkeypatch.setattr(ladder.Kept, "data_hash", lambda self: "after")
    with pytest.raises(UsageError, match=r"evaluation\.beside\.lost\.data"):
        made.run(BESIDE)
