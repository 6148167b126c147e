"""What follows a hold, from the command to the folder, on a toy world in which M3 overshoots."""

from __future__ import annotations

import io
import itertools
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import harness.after_gate
import harness.attempts
import harness.display
import harness.hook
import harness.loop
from harness.alarms.measuring import kept_alarms, run_alarms
from harness.cli import main
from harness.replay import agreed, replay
from harness.rows import run_rows
from results.errors import UsageError
from tests import ladder
from tests.fakes import Killed
from tests.house import HALF, RETRY, House, houses


@pytest.fixture
def house(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    return houses(tmp_path, capsys)


def test_stop_ends_the_run_at_the_hold(house) -> None:
    made = house()
    assert made.run("iterations=4") == 3
    assert "M3 is not promoted, champion stays M2. hold: quality" in made.err
    assert not (made.folder / "iter_4").exists()
    champion = {"model": "M2", "iteration": 2, "checkpoint": "iter_2/checkpoint", "held": ["M3"]}
    assert made.json("champion.json") == champion
    assert made.json("iter_3/gate.json")["policy"] == {
        "then": "end", "champion": "M2", "changes": {}
    }  # fmt: skip


def test_roll_back_ends_with_the_champion_and_table_code_and_replay_agree(house) -> None:
    made = house(on_hold="roll_back", alpha=0.05)
    assert made.run() == 3
    assert f"champion stays M2, {made.folder}/iter_2/checkpoint. hold: quality" in made.err
    gates = {m: row["gate"] for m, row in made.rows.items()}
    assert gates == {"M0": None, "M1": "promote", "M2": "promote", "M3": "hold"}
    assert [m for m, row in made.rows.items() if row["champion"]] == ["M2"]
    assert made.json("champion.json")["model"] == "M2"
    found = replay(made.folder)
    assert [(r.k, r.again.decision, r.same) for r in found] == [
        (1, "promote", True), (2, "promote", True), (3, "hold", True)
    ]  # fmt: skip
    spent = [r.stored.alpha for r in found]
    assert [a.spent for a in spent] == [0, 0.025, 0.05] and spent[-1].left == 0
    again = made.out
    assert made.run() == 3 and made.out == again and not ladder.CALLS


def test_roll_back_goes_on_from_the_champion_with_other_prompts(house) -> None:
    made = house(on_hold="roll_back")
    assert made.run("iterations=4") == 3
    assert "; M4 begins with M2" in made.err
    x = {m: row["metrics"]["quality"]["value"] for m, row in made.rows.items()}
    assert x == {"M0": 0, "M1": 3, "M2": 9, "M3": 5, "M4": 5}  # M4 is M2 + 6, not M3 + 6
    assert made.json("iter_4/gate.json")["inputs"]["incumbent"] == "iter_2/evaluation"
    monitors = made.json("iter_4/monitors.json")
    assert monitors["parents"] == [2, 1] and monitors["metrics"]["anchored_change"]["value"] == -4
    third, fourth = (
        {row["prompt"] for row in made.lines(f"iter_{k}/prompts.jsonl")} for k in (3, 4)
    )
    assert not third & fourth
    assert made.json("champion.json")["held"] == ["M3", "M4"]
    assert agreed(replay(made.folder))
    assert main(["monitors", str(made.folder)]) == 0
    assert "of M2:" in made.capsys.readouterr().out


def test_retries_change_what_they_state_until_one_is_promoted(house) -> None:
    made = house(**RETRY, alpha=0.06)
    assert made.run() == 0
    gates = [made.json(f"{p}/gate.json")
             for p in ("attempts/iter_3.1", "attempts/iter_3.2", "iter_3")]  # fmt: skip
    assert [g["decision"] for g in gates] == ["hold", "hold", "promote"]
    assert [g["attempt"] for g in gates] == [1, 2, 3]
    rate = "dpo.settings.learning_rate"
    assert [g["changes"] for g in gates] == [{}, {rate: 3.0}, {rate: 1.5}]
    assert [g["policy"]["then"] for g in gates] == ["retry", "retry", "end"]
    assert gates[0]["policy"]["changes"] == {rate: 3.0}
    assert [g["alpha"]["spent"] for g in gates] == pytest.approx([0.02, 0.03, 0.04])
    rows = made.rows
    assert list(rows) == ["M0", "M1", "M2", "M3 attempt 1", "M3 attempt 2", "M3"]
    assert [rows[m]["gate"] for m in list(rows)[3:]] == ["hold", "hold", "promote"]
    assert rows["M3"]["champion"] and rows["M3"]["metrics"]["quality"]["value"] == 9.5
    # Only training was touched: the rest is the same, and nobody was asked for it again.
    for name in ("prompts", "candidates", "judgments", "pairs"):
        texts = {(made.folder / p / f"{name}.jsonl").read_bytes()
                 for p in ("attempts/iter_3.1", "iter_3")}  # fmt: skip
        assert len(texts) == 1
    assert [r.same for r in replay(made.folder)] == [True] * 5


def test_retries_that_do_not_help_end_with_the_champion(house) -> None:
    made = house(**{**RETRY, "retries": 1})
    assert made.run("iterations=4") == 3
    assert list(made.rows)[3:] == ["M3 attempt 1", "M3", "M4 attempt 1", "M4"]
    assert made.json("iter_3/gate.json")["policy"]["then"] == "roll_back"
    # The changes are of an iteration's retries; the next one begins with the run's settings.
    assert made.json("attempts/iter_4.1/gate.json")["changes"] == {}
    assert made.json("champion.json")["model"] == "M2"


@pytest.mark.parametrize(
    ("change", "same", "other"),
    [
        ({"pairs.min_margin": 4}, ["prompts", "candidates", "judgments"], ["pairs"]),
        ({"judge.draws": {"times": 3}}, ["prompts", "candidates"], ["judgments"]),
        ({"candidates.n": 6}, ["prompts"], ["candidates", "judgments"]),
    ],
)
def test_a_retry_redoes_what_its_change_touches(house, change, same, other) -> None:
    made = house(on_hold="retry", retries=1, changes=[change])
    made.run("pairs.min_pairs=1")
    first, second = made.folder / "attempts" / "iter_3.1", made.folder / "iter_3"
    read = {p: {n: (p / f"{n}.jsonl").read_bytes() for n in [*same, *other]}
            for p in (first, second)}  # fmt: skip
    assert all(read[first][n] == read[second][n] for n in same)
    assert all(read[first][n] != read[second][n] for n in other)
    if "judge.draws" in change:
        assert read[second]["judgments"].count(b"\n") == 3 * read[first]["judgments"].count(b"\n")


def test_alarms_worked_out_anew_are_those_that_a_retry_raised(house) -> None:
    made = house(on_hold="retry", retries=1, changes=[{"pairs.min_pairs": 3}])
    made.run("pairs.min_pairs=1")
    raised = kept_alarms(made.folder)
    assert next(a for a in raised[-1].alarms if a.name == "too_few_pairs").threshold == 6
    assert run_alarms(made.folder) == raised


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        ({"changes": [{"dpo.setting": 1}]}, "retry 1: there is no setting 'dpo.setting'"),
        ({"changes": [{"dpo.settings.learning_rate": {"times": "x"}}]}, "times 'x' is no number"),
        ({"changes": [{"pairs.min_pairs": {"times": 2}}]}, "is None, which has no multiple"),
        ({"changes": [{"candidates.n": 1}]}, r"candidates\.n: .*greater than or equal to 2"),
        ({"changes": [{"dpo.settings.learning_rate": 1}], "retries": 2},
         "retry 2 ends with the settings of the attempt before"),
        ({"changes": [{"pairs.min_margin": 0}]}, "retry 1 ends with the settings of"),
    ],
)  # fmt: skip
def test_changes_that_could_not_be_made_leave_no_run(house, gate, said) -> None:
    made = house(**{**RETRY, "retries": 1, **gate})
    with pytest.raises(UsageError, match=said):
        made.run()
    assert not (made.folder / "config.yaml").exists()


def mortal(real: Callable[..., Any], survive: int) -> Callable[..., Any]:
    """``real``, at whose call after ``survive`` the process is killed."""
    left = itertools.count(survive, -1)

    def step(*words: Any) -> Any:
        if next(left) <= 0:
            raise Killed
        return real(*words)

    return step


def test_killed_at_any_moment_between_attempts_it_ends_the_same(house, monkeypatch) -> None:
    changes = [{"candidates.n": 5, **HALF}, HALF]
    whole = house("whole", **{**RETRY, "changes": changes})
    assert whole.run() == 0
    made = house("cut", **{**RETRY, "changes": changes})
    moments = [("sync_folder", 0), ("write_bytes", 0), ("write_bytes", 1), ("write_bytes", 2)]
    for name, survive in moments:
        with monkeypatch.context() as patch:
            patch.setattr(harness.attempts, name, mortal(getattr(harness.attempts, name), survive))
            with pytest.raises(Killed):
                made.run()
    assert made.run() == 0
    ours, theirs = made.files(), whole.files()
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if ours[name] != theirs[name]] == []


def test_a_kill_before_the_attempt_is_set_aside_decides_nothing_twice(house, monkeypatch) -> None:
    made = house(**RETRY, on_gate=f"{sys.executable} -c \"print('told')\"")
    with monkeypatch.context() as patch:
        patch.setattr("harness.loop.set_aside", lambda *_: (_ for _ in ()).throw(Killed()))
        with pytest.raises(Killed):
            made.run()
    assert made.err.count("told\n") == 3
    assert made.run() == 0
    assert made.err.count("told\n") == 2  # of the two retries


def between_attempts(made: House, monkeypatch, k: int, *words: str) -> None:
    """A run killed when the first attempt at M_k is set aside and the next one is not begun."""
    real = harness.loop.set_aside

    def cut(run: Any, j: int) -> None:
        real(run, j)
        if j == k:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(harness.loop, "set_aside", cut)
        with pytest.raises(Killed):
            made.run(*words)
    assert not (made.folder / f"iter_{k}").exists()


def test_between_two_attempts_the_table_has_the_first_and_a_retry_knows_it(
    house, monkeypatch
) -> None:
    made = house(**RETRY)
    between_attempts(made, monkeypatch, 3)
    assert [r["model"] for r in run_rows(made.folder)] == ["M0", "M1", "M2", "M3 attempt 1"]
    before = made.files()
    judgments = made.folder / "iter_2" / "evaluation" / "judgments.jsonl"
    judgments.write_text('{"prompt_id": "1", "status": "unscored", "finish_reason": "error"}\n')
    assert main(["retry", str(made.folder), "--failed"]) == 0
    assert before["iter_2/gate.json"] == (made.folder / "iter_2" / "gate.json").read_bytes()
    judgments.unlink()
    assert made.run() == 0 and agreed(replay(made.folder))


def test_between_two_attempts_at_the_next_model_a_waiver_is_refused(house, monkeypatch) -> None:
    made = house(**{**RETRY, "retries": 1})
    between_attempts(made, monkeypatch, 4, "iterations=4")
    with pytest.raises(UsageError, match="M4 is begun already, without M3"):
        made.run("iterations=4", "gate.waived_by.M3=Ana")


def test_a_hold_is_waived_by_name_at_a_later_start(house) -> None:
    made = house(on_hold="ask")
    assert made.run() == 3
    assert f"--out {made.folder} gate.waived_by.M3=NAME promotes it all the same" in made.err
    held = made.json("iter_3/gate.json")
    assert (held["decision"], held["policy"]["then"]) == ("hold", "ask")
    assert made.run("gate.waived_by.M3=Ana") == 0
    waived = made.json("iter_3/gate.json")
    assert (waived["decision"], waived["waived_by"]) == ("promote", "Ana")
    assert waived["rules"] == held["rules"] and waived["inputs"] == held["inputs"]
    assert made.rows["M3"]["note"] == "promoted though held, waived by Ana"
    assert made.json("champion.json")["model"] == "M3"
    last = replay(made.folder)[-1]
    assert (last.again.decision, last.same, last.mark) == ("hold", True, "held; promoted by Ana")
    assert last.why.startswith("waived by Ana, by the record alone: config.yaml names nobody")
    assert made.run() == 0  # the record holds it


def test_a_waiver_of_the_recipe_is_found_in_the_settings(house) -> None:
    made = house(on_hold="ask", waived_by={"M3": "Ana"})
    assert made.run() == 0
    last = replay(made.folder)[-1]
    assert (last.same, last.mark) == (True, "held; promoted by Ana")
    assert last.why == "waived by Ana, whom config.yaml names (gate.waived_by.M3)"


def test_a_waiver_after_the_run_has_gone_on_is_refused(house) -> None:
    made = house(on_hold="roll_back")
    assert made.run("iterations=4") == 3
    with pytest.raises(UsageError, match=r"M4 is begun already, without M3; .*start=.*iter_3"):
        made.run("iterations=4", "gate.waived_by={M3: Ana}")


@pytest.mark.parametrize(
    ("answers", "code", "models"),
    [
        (["what", "p", "Ana"], 0, ["M3"]),
        (["p", ""], 3, ["M3"]),
        (["s"], 3, ["M3"]),
        ([], 3, ["M3"]),
        (["r", "r", "s"], 0, ["M3 attempt 1", "M3 attempt 2", "M3"]),
        (["retry", "stop"], 3, ["M3 attempt 1", "M3"]),
    ],
)
def test_at_a_terminal_a_person_is_asked(house, monkeypatch, answers, code, models) -> None:
    made = house(**{**RETRY, "on_hold": "ask"})
    screen = io.StringIO()
    given = iter(answers)

    def answer() -> str:
        try:
            return next(given)
        except StopIteration:
            raise EOFError from None

    monkeypatch.setattr(
        harness.display, "Console",
        lambda **_: Console(file=screen, force_terminal=True, width=200),
    )  # fmt: skip
    monkeypatch.setattr(harness.after_gate, "input", answer, raising=False)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    assert made.run() == code
    assert list(made.rows)[3:] == models
    assert "M3 is held: [p]romote it all the same, [s]top here" in screen.getvalue()
    waived = made.json("iter_3/gate.json")["waived_by"]
    assert waived == ("Ana" if "Ana" in answers else None)
    assert agreed(replay(made.folder))


def test_the_hook_gets_the_decision_and_stdout_stays_one_document(house, tmp_path: Path) -> None:
    script = tmp_path / "hook.py"
    script.write_text(
        "import json, os, sys\n"
        "told = json.load(sys.stdin)\n"
        "assert told == json.load(open(os.environ['SRLM_GATE']))\n"
        "print('HOOK', os.environ['SRLM_GATE'].split('/')[-2], told['decision'])\n"
        "sys.exit('no mail' if told['decision'] == 'hold' else 0)\n"
    )
    made = house(on_gate=f"{sys.executable} {script}")
    assert made.run() == 3
    assert json.loads(made.out)["rows"]
    assert "HOOK iter_1 promote" in made.err and "HOOK iter_2 promote" in made.err
    assert "exit code 1 (no mail); the run goes on" in made.err
    assert made.run() == 3 and "HOOK" not in made.err
    shutil.rmtree(made.folder / "iter_3")
    assert made.run("gate.on_gate=no-such-program") == 3  # it may differ between starts
    assert "gate.on_gate 'no-such-program': cannot be run" in made.err


def test_the_hook_is_told_of_a_stop_once(house) -> None:
    made = house(on_gate="cat")
    wanting = ["pairs.min_margin=9"]
    assert made.run(*wanting) == 3
    assert made.err.count('"decision": "stop"') == 1
    assert made.run(*wanting) == 3 and '"decision": "stop"' not in made.err


def test_the_hook_is_told_of_an_audit_that_waits_where_its_stop_is_another(house) -> None:
    made = house(on_gate="cat")
    people = ["iterations=2", "audit.by=people"]
    assert made.run(*people) == 3 and made.err.count('"decision": "stop"') == 1
    assert made.run(*people) == 3 and '"decision": "stop"' not in made.err
    there = made.folder / "iter_2" / "audit"
    rows = [json.loads(line) for line in (there / "to_label.jsonl").read_text().splitlines()]
    rows[0]["label"] = "tie"
    (there / "labels.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert made.run(*people) == 3 and made.err.count('"decision": "stop"') == 1
    assert made.json("iter_2/gate.json")["rules"][0]["value"] == 1


def test_a_hook_that_hangs_is_killed(house, monkeypatch) -> None:
    monkeypatch.setattr(harness.hook, "LONGEST_S", 0.5)
    made = house(on_gate="sh -c 'sleep 60 & sleep 60'")
    assert made.run("iterations=1") == 0
    assert "killed after" in made.err and "the run goes on" in made.err


def test_a_first_model_that_is_held_leaves_no_champion(house) -> None:
    rule = [{"metric": "quality", "rule": "min", "threshold": 4}]
    made = house(on_hold="roll_back", rules=rule, alpha=0.05)
    assert made.run() == 3
    assert "M1 is not promoted, there is no champion. hold: quality" in made.err
    assert made.json("champion.json")["model"] is None
    assert not any(row["champion"] for row in made.rows.values())


def test_inconclusive_is_said_with_the_prompts_that_would_settle_it(house) -> None:
    made = house(rules=[{"metric": "quality", "rule": "improves", "threshold": 5.6}])
    assert made.run("evaluation.options.noise=0.6") == 3
    rule = made.json("iter_2/gate.json")["rules"][0]
    assert rule["outcome"] == "inconclusive" and 20 < rule["settles_at"] < 60
    assert f"; inconclusive, about {rule['settles_at']} prompts would settle it" in made.err


def test_a_plan_says_what_retries_may_add(house) -> None:
    made = house(on_hold="retry", retries=2, changes=[{"candidates.n": 5}, HALF])
    assert main(["plan", str(made.recipe), "--json"]) == 0
    told = json.loads(made.capsys.readouterr().out)
    calls = {(s["model"], s["stage"]): s["calls"] for s in told["steps"]}
    first = sum(n for (m, s), n in calls.items() if m in ("M2", "M3") and s != "training")
    assert first > 0  # the second retry only trains: this benchmark asks nothing
    (line,) = [note for note in told["notes"] if note.startswith("gate.retries")]
    assert line.startswith(
        f"gate.retries add at most 4 trainings with their checkpoints and {first}"
    )
    assert not any("ends the run earlier" in note for note in told["notes"])
