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
from harness.run import Run, StopRun
from harness.stages.audit import PairAudit, audit, check_audit
from harness.stages.gate import stop
from results.errors import SrlmError, UsageError
from results.files import read_model
from results.gate_records import Policy
from results.records import AuditLabel, Conversation, Example, GateDecision, Message, Pair
from results.store import RecordFile
from tests.fake_run import FakeRun, fake_runs
from tests.fakes import Killed, failed, mortal, prompt_of

VERIFIED = ["audit.by=verifier", "audit.size=30"]
PEOPLE = ["audit.by=people", "audit.size=6"]
JUDGED = ["audit.by=openai:house", "audit.size=10"]
WAIVED = "audit.waived_by=Ada"
BAD = "I do not know"


def good(text: str) -> str:
    """The right answer to an instruction of the micro world."""
    from benchmarks.micro_world import writers
    from benchmarks.micro_world.world import parse

    instruction = parse(text)
    assert instruction is not None
    return writers.answer(instruction, random.Random(0), writers.Defects(0, 0, 0, 0, 0))


def pair(i: int, prompt: str | Conversation, chosen: str, rejected: str) -> Pair:
    return Pair(
        prompt_id=f"m2-{i}", prompt=prompt, chosen_id=f"c{i}", rejected_id=f"r{i}", chosen=chosen,
        rejected=rejected, chosen_score=4, rejected_score=1, margin=3,
    )  # fmt: skip


def keep(made: FakeRun, right: int, wrong: int, ties: int = 0, k: int = 2) -> list[Pair]:
    """Pairs of iteration ``k`` of which so many are right, by the oracle."""
    rng, found = random.Random(7), []
    kinds = ["right"] * right + ["wrong"] * wrong + ["tie"] * ties
    rng.shuffle(kinds)
    for i, kind in enumerate(kinds):
        text = draw_instruction(rng, held=False).text
        best = BAD if kind == "tie" else good(text)
        sides = (best, f"{BAD}." if kind == "tie" else BAD)
        found.append(pair(i, text, *(sides if kind != "wrong" else sides[::-1])))
    RecordFile(made.run.iteration(k) / "pairs.jsonl", Pair).replace(found)
    return found


def reply(request: Request, seed: int) -> Completion | str:
    """A judge that sees which answer is the bad one, whatever the order."""
    first = prompt_of(request).partition("<response_a>")[2].partition("</response_a>")[0]
    return f"Seen.\nVerdict: {'B' if BAD in first else 'A'}"


@pytest.fixture
def makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    yield from fake_runs(tmp_path, monkeypatch, reply, [])


def folder(made: FakeRun) -> Path:
    return made.run.iteration(2) / "audit"


def held(made: FakeRun) -> StopRun:
    with pytest.raises(StopRun) as caught:
        audit(made.run, 2)
    return caught.value


def again(made: FakeRun, *overrides: str) -> FakeRun:
    """The run started anew, perhaps with a waiver."""
    waived = dict(word.partition("=")[::2] for word in overrides).get("audit.waived_by")
    settings = made.config.audit
    assert settings is not None
    own = settings.model_copy(update={"waived_by": waived})
    made.config = made.config.model_copy(update={"audit": own})
    made.run.close()
    made.run = made.opened()
    return made


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


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


# By people


def fill(made: FakeRun, n: int | None = None, **more: Any) -> list[dict[str, Any]]:
    """What people give back: for each pair the answer that is not the bad one."""
    given = rows(folder(made) / "to_label.jsonl")
    for row in given[:n]:
        row |= {"label": "second" if row["first"] == BAD else "first", **more}
    give(made, given)
    return given


def give(made: FakeRun, given: list[dict[str, Any]]) -> None:
    (folder(made) / "labels.jsonl").write_text("".join(json.dumps(row) + "\n" for row in given))


def test_people_get_pairs_that_tell_nothing_and_the_run_waits(makes) -> None:
    made = makes(*PEOPLE)
    pairs = {p.prompt_id: p for p in keep(made, 20, 20)}
    end = held(made)
    said = str(end)
    assert end.exit_code == 3 and "M2 waits for people: 6 pairs are to be labelled: copy " in said
    assert f"{folder(made) / 'to_label.jsonl'} to labels.jsonl" in said and "same command" in said
    given = rows(folder(made) / "to_label.jsonl")
    assert [list(row) for row in given] == [["id", "prompt", "first", "second", "label"]] * 6
    assert {row["label"] for row in given} == {""}
    for row in given:
        own = pairs[row["id"]]
        assert {row["first"], row["second"]} == {own.chosen, own.rejected}
    assert not (folder(made) / "audit.json").exists()
    before = (folder(made) / "to_label.jsonl").read_bytes()
    assert str(held(again(made))) == said
    assert (folder(made) / "to_label.jsonl").read_bytes() == before and not made.asked


def test_which_was_chosen_does_not_move_what_people_see(makes) -> None:
    """The sample of turned pairs is the same but for answers in each other's place."""
    made, turned = makes(*PEOPLE), makes(*PEOPLE, name="turned")
    pairs = keep(made, 20, 20)
    RecordFile(turned.run.iteration(2) / "pairs.jsonl", Pair).replace(
        p.model_copy(update={"chosen": p.rejected, "rejected": p.chosen}) for p in pairs
    )
    held(made)
    held(turned)
    ours, theirs = (rows(folder(x) / "to_label.jsonl") for x in (made, turned))
    assert ours != theirs
    for row in theirs:
        row["first"], row["second"] = row["second"], row["first"]
    assert ours == theirs


def test_when_all_is_labelled_the_same_command_goes_on(makes) -> None:
    made = makes(*PEOPLE)
    keep(made, 40, 0)
    end = held(made)
    stop(made.run, end.k, end.result)
    fill(made, 4, annotator="Ada")
    end = held(again(made))
    said = str(end)
    assert "4 of 6 pairs are labelled in " in said and "2 are missing (the first is 'm2-" in said
    assert (end.result.value, end.result.threshold) == (4, 6)
    fill(made)
    found = audit(again(made).run, 2)
    assert found is not None and found.passed and found.right == 6
    assert found.annotators == {"not named": 6}
    assert not (made.run.iteration(2) / "gate.json").exists()
    (folder(made) / "labels.jsonl").write_text("")  # it is decided
    assert audit(again(made).run, 2) == found


def test_a_waiver_that_comes_later_adds_its_name_and_reads_no_label_again(makes) -> None:
    made = makes(*PEOPLE)
    keep(made, 0, 40)
    held(made)
    fill(made)
    held(again(made))
    before = read_model(folder(made) / "audit.json", PairAudit)
    labels = (folder(made) / "audited.jsonl").read_bytes()
    (folder(made) / "labels.jsonl").write_text("edited later")
    found = audit(again(made, WAIVED).run, 2)
    assert found == before.model_copy(update={"waived_by": "Ada"})
    assert read_model(folder(made) / "audit.json", PairAudit) == found
    assert (folder(made) / "audited.jsonl").read_bytes() == labels


def test_of_pairs_that_were_trained_on_nothing_is_denied(makes) -> None:
    made = makes(*VERIFIED)
    keep(made, 30, 70)
    stopped = held(made)
    found = read_model(folder(made) / "audit.json", PairAudit)
    stop(made.run, 2, stopped.result)
    made.run.checkpoint(2).mkdir()
    assert audit(again(made).run, 2) == found
    assert not (made.run.iteration(2) / "gate.json").exists()


def test_several_people_are_their_majority(makes) -> None:
    made = makes(*PEOPLE)
    keep(made, 40, 0)
    held(made)
    ada, bob, eve = (fill(made, annotator=name) for name in ("Ada", "Bob", "Eve"))
    for row in eve[:3]:
        row["label"] = "tie"
    for row in bob[:1]:
        row["label"] = "first" if row["label"] == "second" else "second"
    give(made, [*ada, *bob, *eve])
    end = held(again(made))
    found = read_model(folder(made) / "audit.json", PairAudit)
    assert (found.right, found.ties, found.wrong) == (5, 1, 0)
    assert found.annotators == {"Ada": 6, "Bob": 6, "Eve": 6}
    assert len(RecordFile(folder(made) / "audited.jsonl", AuditLabel).read()) == 18
    assert "chosen is better in 5 of 6 pairs" in str(end)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"id": "m2-999"}, r"labels\.jsonl:2: id: found 'm2-999', expected one of the 6"),
        ({"first": "other"}, r"labels\.jsonl:2: first of pair 'm2-\d+': found 'other', expected "),
        ({"prompt": "other"}, r"labels\.jsonl:2: prompt of pair 'm2-\d+': found 'other'"),
        ({"label": "both"}, r"labels\.jsonl:2: label: found 'both'.*'first', 'second', 'tie'"),
        ({"label": None}, r"labels\.jsonl:2: label: found None"),
        ({"label": 1}, r"labels\.jsonl:2: label: found 1"),
        ({"annotator": "Ada\x1b[2J"}, r"labels\.jsonl:2: annotator 'Ada' has labelled .* line 1"),
    ],
)
def test_what_is_wrong_in_a_label_is_named_by_its_line(makes, change, said) -> None:
    made = makes(*PEOPLE)
    keep(made, 20, 20)
    held(made)
    given = fill(made)
    if "annotator" in change:
        given[0] |= change
        given[1] = dict(given[0])
    given[1] |= change
    give(made, given)
    with pytest.raises(SrlmError, match=said) as caught:
        audit(again(made).run, 2)
    assert "\x1b" not in str(caught.value) and not (folder(made) / "audit.json").exists()


def test_texts_move_no_terminal_and_come_back_whole(makes) -> None:
    made = makes("audit.by=people", "audit.size=2")
    nasty = "red \x1b[31m \x9b2J \u202egnp \u2028 é 猫"
    turns = [Message(role="user", content=nasty), Message(role="assistant", content="b"),
             Message(role="user", content="c")]  # fmt: skip
    RecordFile(made.run.iteration(2) / "pairs.jsonl", Pair).replace(
        [pair(0, nasty, f"{nasty} a", f"{nasty} b"), pair(1, turns, "a", "b")]
    )
    held(made)
    text = (folder(made) / "to_label.jsonl").read_text(encoding="utf-8")
    assert not set("\x1b\x9b\u202e\u2028") & set(text) and "é 猫" in text
    assert "\\u001b[31m \\u009b2J \\u202egnp \\u2028" in text
    given = rows(folder(made) / "to_label.jsonl")
    assert len(given) == 2 and {row["id"] for row in given} == {"m2-0", "m2-1"}
    assert [turn["content"] for row in given if row["id"] == "m2-1" for turn in row["prompt"]] == [
        nasty, "b", "c"]  # fmt: skip
    for row in given:
        row["label"] = "tie"
    give(made, given)
    assert "0 of 2 pairs" in str(held(again(made)))


def test_a_waiver_without_labels_waits_for_nobody(makes) -> None:
    made = makes(*PEOPLE, WAIVED)
    keep(made, 20, 20)
    found = audit(made.run, 2)
    assert found is not None and found.share.value is None and not found.passed
    assert found.unscored.reasons == {"not_labelled": 6} and found.waived_by == "Ada"
    fill(made)
    assert audit(again(made).run, 2) == found  # the waiver is recorded


# By a judge


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


# Settings


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


# In the loop


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
