"""The pair audit by people: what they are shown, what they give back, and how it is counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.stages.audit import PairAudit, audit
from harness.stages.gate import stop
from results.errors import SrlmError
from results.files import read_model
from results.records import AuditLabel, Message, Pair
from results.store import RecordFile
from tests.audit_runs import (
    PEOPLE,
    VERIFIED,
    WAIVED,
    again,
    audited_runs,
    fill,
    folder,
    give,
    held,
    keep,
    pair,
    rows,
)


@pytest.fixture
def makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    yield from audited_runs(tmp_path, monkeypatch)


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
