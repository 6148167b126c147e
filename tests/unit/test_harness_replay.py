"""A run's decisions made again: what is the same, and what was changed by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.replay import agreed, replay, show
from results.errors import UsageError
from tests.house import houses


@pytest.fixture
def house(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    return houses(tmp_path, capsys)


def test_replay_says_which_input_is_another(house, capsys) -> None:
    made = house(on_hold="roll_back")
    made.run()
    path = made.folder / "iter_3" / "evaluation" / "values.jsonl"
    whole = path.read_text()
    path.write_text(whole.replace('"num":5.0', '"num":9.9').replace('"num": 5.0', '"num": 9.9'))
    found = replay(made.folder)
    assert [r.same for r in found] == [True, True, False] and not agreed(found)
    assert "iter_3/evaluation/values.jsonl: sha256 " in found[2].why and "\n" not in found[2].why
    path.unlink()
    assert replay(made.folder)[2].same is False
    path.write_text(whole)
    gate = made.folder / "iter_3" / "gate.json"
    forged = json.loads(gate.read_text())
    forged["decision"] = "promote"
    gate.write_text(json.dumps(forged))
    assert replay(made.folder)[2].why == "decided promote, now hold"
    forged["rules"][0]["low"] = 0.1
    gate.write_text(json.dumps(forged))
    assert "quality (improves): another low" in replay(made.folder)[2].why
    capsys.readouterr()
    show(replay(made.folder), True)
    told = json.loads(capsys.readouterr().out)["decisions"]
    assert [d["same"] for d in told] == [True, True, False]
    show(replay(made.folder), False)
    table, _, lines = capsys.readouterr().out.partition("M1 attempt 1: ")
    assert "DIFFERS" in table and "another low" not in table
    assert "quality (improves): another low" in " ".join(lines.split())


def forge(path: Path, **keys: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **keys}))


def test_replay_sees_what_follows_and_every_word_of_a_rule(house, capsys) -> None:
    made = house(on_hold="roll_back")
    made.run()
    gate = made.folder / "iter_3" / "gate.json"
    stored = made.json("iter_3/gate.json")
    on = {"then": "go_on", "champion": "M3", "changes": {}}
    forge(gate, policy=on)
    assert replay(made.folder)[2].why == "another policy"
    rules = [{**stored["rules"][0], "reason": "all is well", "settles_at": 7}]
    forge(gate, policy=stored["policy"], rules=rules)
    assert replay(made.folder)[2].why == "quality (improves): another settles_at, reason"
    # By hand a hold becomes a promotion by somebody: it is never shown as the same.
    end = {"then": "end", "champion": "M3", "changes": {}}
    forge(gate, **{**stored, "decision": "promote", "waived_by": "Eve", "policy": end})
    last = replay(made.folder)[2]
    assert last.mark == "held; promoted by Eve" and "by the record alone" in last.why
    forge(gate, policy=stored["policy"])
    assert replay(made.folder)[2].why == "another policy"
    capsys.readouterr()
    show(replay(made.folder), True)
    marks = [d["mark"] for d in json.loads(capsys.readouterr().out)["decisions"]]
    assert marks == ["the same", "the same", "DIFFERS"]


def test_replay_sees_an_alarm_that_is_not_the_one_that_was_raised(house) -> None:
    made = house()
    made.run()
    path = made.folder / "iter_2" / "alarms.json"
    whole = path.read_text()
    assert "alarms.json" in made.json("iter_2/gate.json")["inputs"]["sha256"]
    assert "alarms.json" not in made.json("iter_1/gate.json")["inputs"]["sha256"]
    alarms = json.loads(whole)["alarms"]
    alarms[0]["evidence"] = "nothing"
    forge(path, alarms=alarms)
    second = replay(made.folder)[1]
    assert second.same is False and "iter_2/alarms.json: sha256 " in second.why
    path.write_text(whole)
    gate = made.folder / "iter_2" / "gate.json"  # a record from before the hash was kept
    inputs = json.loads(gate.read_text())["inputs"]
    del inputs["sha256"]["alarms.json"]
    forge(gate, inputs=inputs)
    assert [r.same for r in replay(made.folder)] == [True] * 3


def test_a_stop_by_the_audit_is_made_again_from_its_labels(house) -> None:
    made = house()
    asked = ["evaluation.benchmark=tests.ladder:Verified", "audit.by=verifier"]
    assert made.run(*asked) == 3
    last = replay(made.folder)[-1]
    assert (last.k, last.stored.decision, last.mark) == (2, "stop", "the same")
    assert "M2 is not trained: chosen is better in 0 of " in last.why
    path = made.folder / "iter_2" / "audit" / "audited.jsonl"
    labels = [
        {**line, "label": line["chosen"]} for line in made.lines("iter_2/audit/audited.jsonl")
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in labels))
    last = replay(made.folder)[-1]
    assert last.same is False and last.why.startswith("decided stop, now promote; pair audit")
    assert not agreed(replay(made.folder))
    path.unlink()
    assert replay(made.folder)[-1].mark == "not made again"


def test_records_from_before_there_were_inputs_are_replayed_by_the_settings(house) -> None:
    made = house()
    made.run()
    for path in made.folder.glob("iter_*/gate.json"):
        old = json.loads(path.read_text())
        rules = [{k: v for k, v in r.items() if k not in ("outcome", "sequential", "settles_at")}
                 for r in old["rules"]]  # fmt: skip
        path.write_text(json.dumps({"decision": old["decision"], "rules": rules}))
    assert [r.same for r in replay(made.folder)] == [True] * 3
    assert made.run() == 3  # and such a run ends as it did


def test_a_run_that_was_stopped_before_its_gate_says_so(house) -> None:
    made = house()
    assert made.run("pairs.min_margin=9") == 3
    last = replay(made.folder)[-1]
    assert (last.same, last.stored.decision) == (None, "stop")
    assert last.why.startswith("stopped before its gate: M2 is not trained: 0 preference pairs")
    assert made.json("champion.json") == {
        "model": "M1", "iteration": 1, "checkpoint": "iter_1/checkpoint", "held": ["M2"]
    }  # fmt: skip
    with pytest.raises(UsageError, match="not a run folder"):
        replay(made.folder / "iter_1")


def test_a_family_is_kept_as_it_was_expanded_and_comes_out_again(house) -> None:
    rules = [{"metric": "qual*", "rule": "no_regression"}]
    made = house(rules=rules, on_hold="roll_back")
    made.run()
    stored = made.json("iter_3/gate.json")
    applied = {"metric": "quality", "rule": "no_regression", "threshold": 0.0, "alpha": 0.05,
               "family": "qual*", "missing": "hold"}  # fmt: skip
    assert stored["inputs"]["rules"] == [applied]
    assert stored["rules"][0]["family"] == "qual*" and stored["rules"][0]["p_adjusted"] <= 1
    assert agreed(replay(made.folder))
    forge(made.folder / "iter_3" / "gate.json", rules=[{**stored["rules"][0], "p": 0.5}])
    assert replay(made.folder)[2].why == "quality (no_regression): another p"
