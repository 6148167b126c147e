"""The pairwise metrics on examples worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from judges.confusion import kappa, macro
from judges.human_agreement import human_agreement
from judges.labels import Label, LabelledPair
from judges.pair_agreement import CELLS, CONVENTIONS, pair_metrics
from judges.pair_counts import pair_notes
from results.errors import SrlmError
from results.figures import METRICS
from results.records import Metric, PairJudgment, Value
from results.stats import ratio_metric

WORD = {"f": "first", "s": "second", "t": "tie"}


def pair(name: str, labels: str, first: str = "a", second: str = "b", **more: str) -> LabelledPair:
    """``labels``: a letter of WORD for each annotator."""
    given = tuple(Label(label=WORD[x], annotator=str(i)) for i, x in enumerate(labels))
    return LabelledPair(
        id=name, prompt=more.get("prompt", f"text {name}"), first=first, second=second, labels=given
    )


def judged(name: str, ab: str = "", ba: str = "") -> list[PairJudgment]:
    """One letter for each draw: of WORD, "-" unscored, "." not asked."""
    return [
        PairJudgment(prompt_id=name, order=order, draw=draw, status="unscored", reason="no_verdict")
        if x == "-"
        else PairJudgment(prompt_id=name, order=order, draw=draw, status="scored", verdict=WORD[x])
        for order, given in (("AB", ab), ("BA", ba))
        for draw, x in enumerate(given)
        if x != "."
    ]


def measure(*rows: tuple[str, str, str], **settings: str) -> dict[str, Metric]:
    """Each row: labels, verdicts in order AB, in order BA."""
    pairs = [pair(f"p{i}", labels) for i, (labels, _, _) in enumerate(rows)]
    judgments = [j for i, (_, ab, ba) in enumerate(rows) for j in judged(f"p{i}", ab, ba)]
    return pair_metrics(pairs, judgments, rounds=50, **settings)[0]


def check(metric: Metric, value: float | None, n: int, of: int) -> None:
    assert metric.value == (None if value is None else pytest.approx(value, abs=1e-12))
    assert (metric.n, metric.of) == (n, of)


def test_a_perfect_judge() -> None:
    found = measure(("f", "f", "f"), ("s", "s", "s"), ("t", "t", "t"))
    for name in ("accuracy", "consistency", "agreement", "cohen_kappa", "macro_f1"):
        check(found[name], 1.0, 3, 3)
    check(found["accuracy_scored_only"], 1.0, 6, 6)
    check(found["accuracy_without_ties"], 1.0, 2, 3)
    check(found["position_bias"], 0.0, 4, 6)
    check(found["unscored_rate"], 0.0, 6, 6)


def test_a_judge_that_always_prefers_the_response_shown_first() -> None:
    found = measure(("f", "f", "s"), ("f", "f", "s"), ("s", "f", "s"))
    check(found["accuracy"], 0.5, 3, 3)
    check(found["consistency"], 0.0, 3, 3)
    check(found["agreement"], 0.0, 3, 3)
    check(found["position_bias"], 0.5, 6, 6)
    last = measure(("f", "s", "f"))
    check(last["position_bias"], -0.5, 2, 2)


def test_a_verdict_is_of_the_datas_first_whatever_was_shown() -> None:
    # Right in AB alone: 1/2; right in both: 1; wrong in both: 0.
    found = measure(("f", "f", "s"), ("s", "s", "s"), ("f", "s", "s"))
    check(found["accuracy"], 0.5, 3, 3)
    check(found["consistency"], 2 / 3, 3, 3)
    check(found["agreement"], 1 / 3, 3, 3)


def test_one_order_alone() -> None:
    found = measure(("f", "f", ""), ("s", "", "f"))
    check(found["accuracy"], 0.5, 2, 2)
    check(found["consistency"], None, 0, 2)
    check(found["agreement"], None, 0, 2)
    assert found["agreement"].reason == "no pair was judged in both orders"


def test_a_pair_weighs_as_one_however_many_verdicts_it_has() -> None:
    # 1 (one order) and (2/3 + 0) / 2 = 1/3 (three draws, one draw).
    found = measure(("f", "f", ""), ("f", "ffs", "s"))
    check(found["accuracy"], 2 / 3, 2, 2)
    check(found["accuracy_scored_only"], 3 / 5, 5, 5)
    # Draw 0 alone was asked in both orders.
    check(found["consistency"], 0.0, 1, 2)


def test_unscored_counts_wrong_and_is_shown() -> None:
    rows = ("f", "-", "-"), ("f", "f", "-"), ("s", "s", "s"), ("s", "", "")
    found = measure(*rows)
    check(found["accuracy"], 1.5 / 3, 3, 4)
    check(found["accuracy_scored_only"], 1.0, 3, 6)
    check(found["consistency"], 1 / 3, 3, 4)  # two unscored answers are not the same verdict
    check(found["agreement"], 1 / 3, 3, 4)
    check(found["unscored_rate"], 0.5, 6, 6)
    # Right 1.5 of 3; labels 2 first, 1 second; answers 0.5 first, 1 second: (4.5-2)/(9-2).
    check(found["cohen_kappa"], 2.5 / 7, 3, 4)


def test_unscored_dropped_or_a_tie() -> None:
    rows = ("f", "-", "-"), ("f", "f", "-"), ("t", "-", "-"), ("s", "s", "s")
    dropped = measure(*rows, unscored="drop")
    check(dropped["accuracy"], 1.0, 2, 4)
    check(dropped["consistency"], 1.0, 1, 4)
    check(dropped["cohen_kappa"], 1.0, 2, 4)
    tied = measure(*rows, unscored="tie")
    check(tied["accuracy"], 2.5 / 4, 4, 4)
    check(tied["consistency"], 3 / 4, 4, 4)
    check(tied["agreement"], 2 / 4, 4, 4)
    assert tied["macro_f1"].value is not None
    for found in (dropped, tied):
        check(found["accuracy_scored_only"], 1.0, 3, 8)
        check(found["position_bias"], 2 / 3 - 0.5, 3, 8)


def test_several_annotators() -> None:
    rows = ("ffs", "f", "f"), ("fst", "f", "f"), ("ssf", "f", "s")
    each = measure(*rows)
    check(each["accuracy"], (2 + 1 + 1.5) / 9, 9, 9)
    check(each["agreement"], (2 + 1 + 0) / 9, 9, 9)
    check(each["accuracy_scored_only"], (4 + 2 + 3) / 18, 18, 18)
    majority = measure(*rows, annotators="majority")
    check(majority["accuracy"], 1.5 / 2, 2, 3)  # no majority in the second
    check(majority["agreement"], 1 / 2, 2, 3)
    check(majority["consistency"], 2 / 3, 3, 3)  # needs no label
    check(majority["accuracy_scored_only"], 3 / 4, 4, 6)


def test_without_ties() -> None:
    # A tie on either side drops out; an unscored answer is no tie.
    found = measure(("f", "f", ""), ("t", "f", ""), ("f", "t", ""), ("s", "-", ""), ("f", "s", "t"))
    check(found["accuracy_without_ties"], 1 / 2.5, 3, 5)


def test_macro_averages_need_three_classes() -> None:
    two = measure(("f", "f", ""), ("s", "t", ""))
    for name in ("macro_precision", "macro_recall", "macro_f1"):
        check(two[name], None, 2, 2)
        assert two[name].reason == "the labels do not have all of first, second and tie"
        assert two[name].low is None


def test_macro_averages_by_hand() -> None:
    # first: 2 of 2 labels, 2 of 3 answers; second: 1 of 2 labels, 1 of 1; tie: 0 and 0 answers.
    found = measure(("f", "f", ""), ("f", "f", ""), ("s", "s", ""), ("s", "f", ""), ("t", "-", ""))
    check(found["macro_precision"], (2 / 3 + 1 + 0) / 3, 5, 5)
    check(found["macro_recall"], (1 + 1 / 2 + 0) / 3, 5, 5)
    check(found["macro_f1"], (4 / 5 + 2 / 3 + 0) / 3, 5, 5)


def test_kappa_by_hand_and_where_it_is_undefined() -> None:
    # Cohen: observed .7, chance .5: (.7 - .5) / (1 - .5).
    assert kappa(np.array([[20.0, 5, 0], [10, 15, 0], [0, 0, 0]])) == pytest.approx(0.4)
    check(measure(("f", "f", "f"), ("f", "f", "f"))["cohen_kappa"], None, 2, 2)
    # Three thirds are one, and no noise of theirs is a kappa.
    found = measure(("fff", "fff", "ff"), ("f", "ffffff", "fff"))["cohen_kappa"]
    check(found, None, 4, 4)
    assert found.reason == "labels and verdicts are all of one and the same class"
    assert math.isnan(kappa(np.zeros((3, 4))))
    assert all(math.isnan(x) for x in macro(np.zeros((3, 4))))


def test_nothing_to_compare_is_null_with_a_reason() -> None:
    nothing = pair_metrics([], [], rounds=10)[0]
    assert list(nothing) == list(CONVENTIONS)
    for found in (nothing, measure(("f", "", ""))):
        for metric in found.values():
            assert metric.value is None and metric.low is None and metric.reason
    unjudged = measure(("f", "-", ""), unscored="drop")
    check(unjudged["accuracy"], None, 0, 1)
    assert unjudged["macro_f1"].reason == "no label with a verdict that counts"
    check(unjudged["unscored_rate"], 1.0, 1, 1)


def test_the_values_give_the_metrics_and_their_intervals() -> None:
    rng = np.random.default_rng(3)
    rows = [
        ("".join(rng.choice(list("fst"), 2)), *rng.choice(list("fst-."), (2, 3))) for _ in range(40)
    ]
    pairs = [pair(f"p{i}", row[0], prompt=f"text {i % 30}") for i, row in enumerate(rows)]
    judgments = [
        j for i, row in enumerate(rows) for j in judged(f"p{i}", "".join(row[1]), "".join(row[2]))
    ]
    found, values = pair_metrics(pairs, judgments, seed=5, rounds=200)
    by_metric: dict[str, list[Value]] = {}
    for value in values:
        by_metric.setdefault(value.metric, []).append(value)
    assert set(CONVENTIONS) - set(by_metric) == {
        "cohen_kappa", "macro_precision", "macro_recall", "macro_f1",
    }  # fmt: skip
    for name, part in by_metric.items():
        if name in CELLS:  # of a table: judges.compare_tables reads them
            continue
        again = ratio_metric(name, part, 0, "", seed=5, rounds=200)
        for key in ("value", "low", "high"):
            assert getattr(found[name], key) == pytest.approx(getattr(again, key), abs=1e-12)
    for metric in found.values():
        assert metric.low is not None and metric.high is not None and metric.value is not None
        assert metric.low < metric.value < metric.high
    assert found == pair_metrics(pairs[::-1], judgments[::-1], seed=5, rounds=200)[0]


def test_pairs_of_one_prompt_are_resampled_together() -> None:
    pairs = [pair(str(i), "f", prompt="one prompt") for i in range(6)]
    judgments = [j for i in range(6) for j in judged(str(i), "fs"[i % 2])]
    metric = pair_metrics(pairs, judgments, rounds=20)[0]["accuracy"]
    assert (metric.value, metric.low, metric.n) == (0.5, None, 6)
    assert metric.reason == "fewer than two different prompts have a usable value"


def test_what_is_odd_is_named_and_what_can_be_used_is_used() -> None:
    pairs = [
        pair("1", "f"), pair("2", "f", second=" "), pair("3", "f", "x", "x"),
        pair("4", "f", "b", "a", prompt="text 1"),
    ]  # fmt: skip
    judgments = [
        *judged("1", "f"), *judged("1", "s"), *judged("1", "s"), *judged("\x1b[31mzz", "f", "f"),
    ]  # fmt: skip
    assert pair_notes(pairs, judgments) == [
        "2 judgments of pairs that the data do not have (the first is 'zz'): left out",
        "2 judgments of a pair, order and draw that an earlier one has (the first is '1'): the "
        "first one counts",
        "1 pairs with a blank response (the first is '2'): kept",
        "1 pairs of two identical responses (the first is '3'): kept",
        "1 pairs with the prompt and responses of an earlier pair (the first is '4'): kept",
    ]
    check(pair_metrics(pairs, judgments, rounds=10)[0]["accuracy"], 1.0, 1, 4)
    assert pair_notes(pairs[:1], judgments[:1]) == []


def test_one_id_for_two_pairs_is_refused() -> None:
    with pytest.raises(SrlmError, match="pair id '7' is there more than once, expected one pair"):
        pair_metrics([pair("7", "f"), pair("8", "f"), pair("7", "s")], [])


def test_every_metric_has_a_heading_and_a_whole_convention() -> None:
    for metric in measure(("f", "f", "f"), ("s", "f", "-")).values():
        assert metric.name in METRICS
        assert "{" not in metric.convention


def test_people_with_people() -> None:
    # f-f agree, f-t and f-t not: 1 of 3; then s-s; one label alone gives nothing.
    pairs = [pair("1", "fft"), pair("2", "ss"), pair("3", "t")]
    found, values = human_agreement(pairs, rounds=20)
    check(found["human_agreement"], 2 / 4, 4, 4)
    check(found["human_agreement_without_ties"], 1.0, 2, 4)
    assert [(v.prompt_id, v.num, v.den) for v in values] == [
        ("1", 1, 3), ("2", 1, 1), ("1", 1, 1), ("2", 1, 1),
    ]  # fmt: skip


def test_an_annotator_is_not_compared_with_itself() -> None:
    labels = (
        Label(label="first", annotator="x"), Label(label="first", annotator="x"),
        Label(label="second", annotator="y"), Label(label="first"), Label(label="first"),
    )  # fmt: skip
    one = LabelledPair(id="1", prompt="p", first="a", second="b", labels=labels)
    # 10 pairs of labels, 1 of them by x alone; agree: 6 pairs of first, less that one.
    check(human_agreement([one], rounds=20)[0]["human_agreement"], 5 / 9, 9, 9)
    nobody = human_agreement([pair("1", "f")], rounds=20)[0]["human_agreement"]
    check(nobody, None, 0, 0)
    assert nobody.reason
