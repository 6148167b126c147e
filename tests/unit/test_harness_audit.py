"""The audit of pairs before training: by people, a verifier, a judge; held, waived, resumed."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import harness.loop
from backends.engines.engine import Completion, Request
from benchmarks.benchmark import HasVerifier
from benchmarks.micro_world.world import draw_instruction
from benchmarks.registry import SeedData
from harness.loop import loop
from harness.recipe import load_recipe
from harness.retry import retry
from harness.run import Run
from harness.stages.audit import PairAudit, audit, check_audit
from harness.stages.gate import stop
from results.errors import SrlmError, UsageError
from results.files import read_model
from results.gate_records import Policy
from results.records import AuditLabel, Example, GateDecision, Pair
from results.store import RecordFile
from tests.audit_runs import (
    BAD,
    JUDGED,
    VERIFIED,
    WAIVED,
    again,
    audited_runs,
    folder,
    good,
    held,
    keep,
    reply,
    rows,
)
from tests.fake_run import FakeRun, fake_runs
from tests.fakes import Killed, failed, mortal, prompt_of


@pytest.fixture
def makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    yield from audited_runs(tmp_path, monkeypatch)


def test_without_the_setting_there_is_none(makes) -> None:
    made = makes()
    keep(made, 3, 3)
    assert made.config.audit is None and audit(made.run, 2) is None and not folder(made).exists()


def test_pairs_that_are_right_are_trained_on(makes) -> None:
    made = makes(*VERIFIED)
    keep(made, 90, 10)
    found = audit(made.run, 2)
    assert found is not None and found.passed and (found.pairs, found.share.n) == (100, 30)
    assert found.right + found.wrong + found.ties == 30 and found.annotators == {
        "verifier of micro_world": 30
    }
    assert found.share.low is not None and found.share.low > 0.5 and found.level == 0.95
    assert read_model(folder(made) / "audit.json", PairAudit) == found
    labels = RecordFile(folder(made) / "audited.jsonl", AuditLabel).read()
    assert len(labels) == 30 and {x.chosen for x in labels} == {"first", "second"}
    assert sum(x.label == x.chosen for x in labels) == found.right
    said = made.said.getvalue()
    assert f"chosen is better in {found.right} of 30 pairs" in said and ", above 50%" in said
    before = made.said.getvalue()
    assert audit(again(made).run, 2) == found and made.said.getvalue() == before  # read, not made
    assert not made.asked


@pytest.mark.parametrize(("right", "wrong", "ties"), [(35, 65, 0), (45, 10, 45)])
def test_pairs_that_are_not_stop_the_run_before_training(makes, right, wrong, ties) -> None:
    made = makes(*VERIFIED)
    keep(made, right, wrong, ties)
    end = held(made)
    assert (end.exit_code, end.k) == (3, 2)
    said = str(end)
    assert "M2 is not trained: chosen is better in " in said and "not above 50%" in said
    assert f"--out {made.folder} audit.waived_by=NAME" in said and "audited.jsonl" in said
    found = end.result
    assert (found.metric, found.rule, found.threshold, found.passed) == (
        "pair audit, chosen_is_better", "min", 0.5, False)  # fmt: skip
    assert (found.n_used, found.of) == (30, 30)
    assert found.value is not None and found.low is not None and found.low < found.value
    stop(made.run, end.k, end.result)
    assert str(held(again(made))) == said  # a restarted run does not slip through


def test_waived_by_name_it_goes_on_in_the_same_folder(makes) -> None:
    made = makes(*VERIFIED)
    keep(made, 30, 70)
    end = held(made)
    gate = made.run.iteration(2) / "gate.json"
    stop(made.run, end.k, end.result)
    found = audit(again(made, WAIVED).run, 2)
    assert found is not None and not found.passed and found.waived_by == "Ada"
    assert "waived by Ada" in made.said.getvalue() and not gate.exists()
    assert read_model(folder(made) / "audit.json", PairAudit).waived_by == "Ada"
    for later in ([], ["audit.waived_by=Bob"]):  # what is recorded stands
        assert audit(again(made, *later).run, 2) == found
    stop(made.run, 2, end.result.model_copy(update={"metric": "pairs"}))
    audit(again(made, WAIVED).run, 2)
    assert gate.exists()  # a stop for another reason stays


def test_too_few_labels_are_said_not_counted(makes) -> None:
    made = makes(*VERIFIED)
    keep(made, 20, 0)
    pairs = RecordFile(made.run.iteration(2) / "pairs.jsonl", Pair)
    odd = [p.model_copy(update={"prompt": "Sing."}) if i % 2 else p for i, p in
           enumerate(pairs.read())]  # fmt: skip
    pairs.replace(odd)
    end = held(made)
    assert "too few labels: 10 of 20 drawn pairs are unscored (10 not_verifiable), at most 20%" in (
        str(end)
    )
    found = read_model(folder(made) / "audit.json", PairAudit)
    assert found.lacks_labels and (found.right, found.unscored.n) == (10, 10)
    made = makes("audit.by=verifier", "audit.size=3", name="three")
    keep(made, 300, 0)
    assert "too few labels: not even 3 right ones would do; audit.size above 3, of 300" in str(
        held(made)
    )


def test_noise_turns_labels_round_and_is_written_down(makes) -> None:
    made = makes("audit.by=verifier", "audit.size=200", "audit.noise=0.2")
    keep(made, 200, 0)
    found = audit(made.run, 2)
    assert found is not None and found.noise == 0.2 and 25 < found.wrong < 55
    assert found.right + found.wrong == 200


def test_a_kill_keeps_every_label_and_nothing_is_asked_twice(makes, monkeypatch) -> None:
    whole = makes(*VERIFIED, "audit.noise=0.1", name="whole")
    keep(whole, 90, 10)
    wanted = audit(whole.run, 2)
    made = makes(*VERIFIED, "audit.noise=0.1")
    keep(made, 90, 10)
    real, asked = made.run.benchmark.verify, []

    def verify(prompt: str, first: str, second: str) -> Any:
        if len(asked) == 12:
            raise Killed
        asked.append(prompt)
        return real(prompt, first, second)

    monkeypatch.setattr(made.run.benchmark, "verify", verify)
    with pytest.raises(Killed):
        audit(made.run, 2)
    assert len(RecordFile(folder(made) / "audited.jsonl", AuditLabel).read()) == 12
    asked.clear()
    assert audit(again(made).run, 2) == wanted
    names = {p.name for p in folder(whole).iterdir()}
    assert names == {"to_label.jsonl", "audited.jsonl", "audit.json"}
    for name in names:
        assert (folder(made) / name).read_bytes() == (folder(whole) / name).read_bytes()


def test_a_judge_is_asked_in_both_orders_through_the_cache(makes) -> None:
    made = makes(*JUDGED)
    keep(made, 40, 0)
    found = audit(made.run, 2)
    assert found is not None and found.passed and found.right == 10
    assert found.judge == "pairwise v1, 1 draw, both orders"
    assert found.annotators == {"openai:house": 10} and len(made.asked) == 20
    (folder(made) / "audit.json").unlink()
    (folder(made) / "judgments.jsonl").unlink()
    assert audit(again(made).run, 2) == found and len(made.asked) == 20
    assert [s.calls for s in made.run.cache.spent()] == [20]


def test_orders_that_disagree_are_a_tie(makes) -> None:
    made = makes(*JUDGED)
    made.reply = lambda r, s: "Verdict: A"
    keep(made, 40, 0)
    assert "0 wrong, 10 tied, 0 unscored" in str(held(made))


def test_failed_calls_are_made_again_and_what_does_not_parse_is_no_label(makes) -> None:
    made = makes(*JUDGED)
    keep(made, 40, 0)
    made.reply = lambda r, s: failed()
    end = held(made)
    assert "10 of 10 drawn pairs are unscored (10 error)" in str(end)
    assert "run the same command again when the judge answers" in str(end)
    made.reply = lambda r, s: "I cannot say"
    assert "(10 no_verdict)" in str(held(again(made)))
    assert "for why" in str(held(again(made))) and len(made.asked) == 40  # not asked again
    assert read_model(folder(made) / "audit.json", PairAudit).right == 0


def test_a_kill_between_calls_of_the_judge(makes) -> None:
    made = makes(*JUDGED)
    keep(made, 40, 0)
    made.reply = mortal(reply, 10)
    with pytest.raises(Killed):
        audit(made.run, 2)
    made.reply = reply
    found = audit(again(made).run, 2)
    assert found is not None and found.right == 10 and len(made.asked) in (20, 25)


def test_labels_of_pairs_that_are_gone_are_gone_too(makes) -> None:
    made = makes(*VERIFIED)
    keep(made, 90, 10)
    assert audit(made.run, 2) is not None
    keep(made, 10, 90)
    held(again(made))
    made = makes(*JUDGED, name="judged")
    keep(made, 40, 0)
    assert audit(made.run, 2) is not None
    keep(made, 0, 40)
    assert "chosen is better in 0 of 10 pairs" in str(held(again(made)))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["audit.by=oracle"], "none of 'people', 'verifier', 'engine:model'"),
        (["audit.size=3"], "'audit.by' is not set"),
        (["audit.by=people", "audit.noise=0.1"], "noise stands for people's mistakes"),
        (["audit.by=people", "audit.spec=mine"], "spec is of a judge"),
        (["audit.by=people", "audit.options.batch_size=3"], "options are of a judge's own engine"),
        (["audit.by=verifier", "audit.noise=0.5"], "less than 0.5"),
        (["audit.by=people", "audit.sice=3"], "unknown key 'audit.sice'; did you mean 'size'"),
        (["audit.by=people", "audit.waived_by="], "at least 1 character"),
    ],
)
def test_settings_that_do_not_fit_are_refused(words, said) -> None:
    with pytest.raises(UsageError, match=said):
        load_recipe("quickstart", words)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["audit.by=openai:house", "audit.spec=additive5"], "'additive5' gives scores"),
        (["audit.by=openai:j", "judge.model=openai:j"], "whose scores choose the pairs"),
    ],
)
def test_an_audit_that_cannot_be_made_is_refused_before_anything(makes, words, said) -> None:
    with pytest.raises(UsageError, match=said):
        check_audit(makes(*words).run)


def test_a_benchmark_without_a_verifier_is_refused(makes) -> None:
    class Bare:
        name = "bare"

    run = makes(*VERIFIED).run
    check_audit(run)
    assert isinstance(run.benchmark, HasVerifier) and not isinstance(Bare(), HasVerifier)
    run.benchmark = Bare()
    with pytest.raises(UsageError, match=r"'bare' has no verifier; expected people or engine"):
        check_audit(run)


def test_a_verifier_of_others_that_says_something_else_is_named(makes, monkeypatch) -> None:
    made = makes(*VERIFIED)
    keep(made, 40, 0)
    monkeypatch.setattr(made.run.benchmark, "verify", lambda *_: "A")
    with pytest.raises(SrlmError, match=r"verify gave 'A' for pair 'm2-\d+', expected first"):
        audit(made.run, 2)


def test_the_micro_worlds_verifier(makes) -> None:
    verify = makes().run.benchmark.verify
    text = "What does a cow eat?"
    assert verify(text, "A cow eats grass.", BAD) == "first"
    assert verify(text, BAD, "A cow eats grass.") == "second"
    assert verify(text, BAD, f"{BAD} at all") == "tie"
    assert verify("Sing.", BAD, "A cow eats grass.") is None


def player(fair: bool) -> Callable[[Request, int], Completion | str]:
    """M0, the policy and its judge, who sees what is good and says so, or the opposite."""

    def play(request: Request, seed: int) -> Completion | str:
        text, rng = prompt_of(request), random.Random(seed)
        if isinstance(request.prompt, str):
            return draw_instruction(rng, held=False).text
        if text.startswith("Mark the answer."):
            bad = BAD in text
            noise = int(hashlib.sha256(text.encode()).hexdigest(), 16) % 2
            return f"Check.\nScore: {(1 if bad == fair else 4) + noise}"
        return BAD if rng.random() < 0.5 else good(text)

    return play


@pytest.fixture
def loops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The loop with its trainings and evaluations left out: what is trained is only noted."""
    trained: list[int] = []
    ift = [Example(id=str(i), prompt=f"Say what animal {i} eats.", completion="x", kind="ift")
           for i in range(8)]  # fmt: skip

    def dpo(run: Run, k: int) -> None:
        trained.append(k)

    monkeypatch.setattr(harness.loop, "dpo", dpo)
    monkeypatch.setattr(harness.loop, "read_seed", lambda run: SeedData(ift, []))
    monkeypatch.setattr(harness.loop, "input_hashes", lambda *_: {})
    monkeypatch.setattr(harness.loop, "_evaluate_baselines", lambda *_: None)
    monkeypatch.setattr(harness.loop, "run_rows", lambda *_: [])
    on = Policy(then="go_on", champion=None)
    promoted = GateDecision(decision="promote", rules=[], policy=on)
    monkeypatch.setattr(harness.loop, "settle", lambda *_: promoted)
    monkeypatch.setattr(Run, "check_engines", lambda self: None)
    monkeypatch.setattr(Run, "prepare_base", lambda self: None)
    for name in ("sft", "evaluation", "enough_scored", "fitness", "alarms_after"):
        monkeypatch.setattr(harness.loop, name, lambda *_: None)
    small = ["prompts.count=[20]", "prompts.shots=3", "candidates.n=3", "pairs.min_pairs=1",
             "judge.draws=1", "gate.file=null"]  # fmt: skip
    for make in fake_runs(tmp_path, monkeypatch, reply, small):

        def go(made: FakeRun, fair: bool = True) -> tuple[int, str, list[int]]:
            trained.clear()
            made.reply = player(fair)
            outcome = loop(made.run)
            return outcome.exit_code, outcome.message, list(trained)

        yield make, go


def test_a_run_that_games_its_judge_is_held_before_m2_and_a_healthy_one_is_not(loops) -> None:
    make, go = loops
    noisy = [*VERIFIED, "audit.noise=0.1"]
    code, message, trained = go(make(*noisy))
    assert (code, trained) == (0, [2, 3]), message
    made = make(*noisy, name="hacked")
    code, message, trained = go(made, fair=False)
    assert (code, trained) == (3, []) and "M2 is not trained: chosen is better in" in message
    decision = json.loads((made.folder / "iter_2" / "gate.json").read_text())
    assert decision["decision"] == "stop"
    assert decision["rules"][0]["metric"] == "pair audit, chosen_is_better"
    assert not (made.folder / "iter_3").exists()
    assert go(again(made), fair=False)[0] == 3
    code, message, trained = go(again(made, WAIVED), fair=False)  # the same folder
    assert (code, trained) == (0, [2, 3]), message
    assert go(again(made), fair=False)[0] == 0  # without the name: what happened stands
    assert read_model(folder(made) / "audit.json", PairAudit).waived_by == "Ada"


def test_the_audit_changes_no_other_record(loops) -> None:
    """The oracle labels; what is asked, judged and trained on is the same to the byte."""
    make, go = loops
    plain = make()
    assert go(plain)[0] == 0
    audited = make(*VERIFIED, name="audited")
    assert go(audited)[0] == 0

    def files(made: FakeRun) -> dict[str, bytes]:
        return {
            path.relative_to(made.folder).as_posix(): path.read_bytes()
            for path in made.folder.rglob("*.json*")
            if path.is_file() and path.parent.name != "audit"
        }

    ours, theirs = files(plain), files(audited)
    for found in (ours, theirs):
        assert found.pop("manifest.json")  # it names the settings
    assert {"iter_2/pairs.jsonl", "iter_3/pairs.jsonl", "iter_3/candidates.jsonl"} <= set(ours)
    assert ours == theirs
    assert plain.calls == audited.calls


def test_after_a_retry_other_pairs_are_audited(loops) -> None:
    make, go = loops
    made = make(*VERIFIED)
    assert go(made, fair=False)[0] == 3
    before = (made.folder / "iter_2" / "audit" / "to_label.jsonl").read_bytes()
    judgments = made.folder / "iter_2" / "judgments.jsonl"
    lost = [{**row, "status": "unscored", "score": None, "reason": "no_score"}
            for row in rows(judgments)]  # fmt: skip
    judgments.write_text("".join(json.dumps(row) + "\n" for row in lost))
    again(made)
    made.reply = player(True)
    (made.folder / "iter_1" / "checkpoint").mkdir(parents=True)
    assert retry(made.run).left == 0
    assert go(again(made))[0] == 0
    assert (made.folder / "iter_2" / "audit" / "to_label.jsonl").read_bytes() != before
