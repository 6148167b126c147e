"""The pair audit's arithmetic: the blind sample, mistaken labels, counts and the bound."""

from __future__ import annotations

from collections import Counter

import pytest
from pydantic import ValidationError

from judges.pair_audit import (
    NOT_LABELLED,
    BlindPair,
    chosen_is_better,
    count,
    draw_blind,
    label_of,
    mistaken,
)
from results.exact_bound import share_at_least
from results.records import AuditLabel, Pair


def pair(i: int) -> Pair:
    return Pair(
        prompt_id=f"m2-{i}", prompt=f"Question {i}?", chosen_id=f"m2-{i}-0",
        rejected_id=f"m2-{i}-1", chosen=f"good {i}", rejected=f"bad {i}", chosen_score=4.0,
        rejected_score=1.0, margin=3.0,
    )  # fmt: skip


PAIRS = [pair(i) for i in range(400)]


def test_a_sample_is_random_blind_and_the_same_again() -> None:
    drawn = draw_blind(PAIRS, 80, "0:2")
    assert drawn == draw_blind(PAIRS, 80, "0:2") != draw_blind(PAIRS, 80, "1:2")
    ids = {p.id for p in drawn}
    assert len(ids) == 80 and ids <= {p.prompt_id for p in PAIRS}
    assert [p.id for p in drawn] != sorted(p.id for p in drawn)
    for shown in drawn:
        sides = {"first": shown.first, "second": shown.second}
        assert sides.pop(shown.chosen).startswith("good")
        assert sides.popitem()[1].startswith("bad")
    sides = Counter(p.chosen for p in draw_blind(PAIRS, 400, "0:2"))
    assert 160 < sides["first"] < 240  # neither place tells
    assert draw_blind(PAIRS, 160, "0:2")[:80] == drawn  # more of them begin with the same
    assert len(draw_blind(PAIRS[:7], 80, "0:2")) == 7 and draw_blind([], 80, "0:2") == []


def test_every_pair_is_drawn_as_often_as_any_other() -> None:
    seen = Counter(p.id for seed in range(500) for p in draw_blind(PAIRS[:10], 4, str(seed)))
    assert all(150 < seen[f"m2-{i}"] < 250 for i in range(10))


def test_mistakes_are_as_many_as_asked_and_the_same_again() -> None:
    assert all(mistaken("first", 0.0, str(i)) == "first" for i in range(100))
    said = [mistaken("first", 0.1, str(i)) for i in range(3000)]
    assert said == [mistaken("first", 0.1, str(i)) for i in range(3000)]
    assert 240 < said.count("second") < 360 and "tie" not in said
    ties = Counter(mistaken("tie", 0.1, str(i)) for i in range(3000))
    assert 110 < ties["first"] < 190 and 110 < ties["second"] < 190


def shown(i: int, chosen: str = "first") -> BlindPair:
    return BlindPair(f"m2-{i}", "Q", "a", "b", chosen)  # type: ignore[arg-type]


def test_counts_know_which_was_chosen_and_a_tie_is_no_half() -> None:
    drawn = [shown(0), shown(1, "second"), shown(2), shown(3), shown(4)]
    said = ["first", "first", "tie", None]
    labels = [label_of(p, "Ada", s, "no_verdict") for p, s in zip(drawn, said, strict=False)]  # type: ignore[arg-type]
    found = count(drawn, labels)
    assert (found.right, found.wrong, found.ties, found.n) == (1, 1, 1, 3)
    assert (found.unscored.n, found.unscored.of) == (2, 5)
    assert found.unscored.reasons == {"no_verdict": 1, NOT_LABELLED: 1}
    share = chosen_is_better(found, 5, 0.95)
    assert share.value == pytest.approx(1 / 3) and (share.n, share.of, share.high) == (3, 5, 1.0)
    assert share.low == share_at_least(1, 3, 3, 0.95)  # of the five, three can be labelled
    assert "a tie counts against" in share.convention and "all 3 pairs" in share.convention


@pytest.mark.parametrize(
    ("said", "right", "ties", "unscored"),
    [
        (["first", "first", "second"], 1, 0, 0),
        (["first", "second"], 0, 1, 0),
        (["first", "tie", "second"], 0, 1, 0),
        (["first", None], 1, 0, 0),  # one that says nothing has no voice
        ([None, None], 0, 0, 1),
    ],
)
def test_several_labels_of_a_pair_are_their_majority(said, right, ties, unscored) -> None:
    drawn = [shown(0)]
    found = count(drawn, [label_of(drawn[0], f"a{i}", s, "cut") for i, s in enumerate(said)])
    assert (found.right, found.ties, found.unscored.n) == (right, ties, unscored)


def test_without_labels_there_is_no_share() -> None:
    share = chosen_is_better(count([shown(0)], []), 10, 0.95)
    assert (share.value, share.low, share.high) == (None, None, None)
    assert share.reason == "no pair is labelled"


def test_a_label_is_a_label_or_a_reason() -> None:
    fields = {"prompt_id": "p", "annotator": "a", "chosen": "first"}
    with pytest.raises(ValidationError):
        AuditLabel(**fields, status="unscored", label="first", reason="x")  # type: ignore[arg-type]
    with pytest.raises(ValidationError):
        AuditLabel(**fields, status="scored", label="first", reason="x")  # type: ignore[arg-type]
    with pytest.raises(ValidationError):
        AuditLabel(**fields, status="scored")  # type: ignore[arg-type]
