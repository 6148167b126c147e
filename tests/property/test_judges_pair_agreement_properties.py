"""The pairwise metrics against CONTRACT's definitions in plain Python."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judges.human_agreement import human_agreement
from judges.labels import LabelledPair
from judges.pair_agreement import pair_metrics
from results.records import PairJudgment

CLASSES = ("first", "second", "tie")
ANSWERS = st.one_of(st.none(), st.sampled_from(CLASSES))  # None is unscored
CALLS = st.dictionaries(
    st.tuples(st.sampled_from(["AB", "BA"]), st.integers(0, 2)), ANSWERS, max_size=6
)
ITEMS = st.lists(
    st.tuples(st.lists(st.sampled_from(CLASSES), min_size=1, max_size=4), CALLS), max_size=5
)
Item = tuple[list[str], dict[tuple[str, int], str | None]]


def records(items: list[Item]) -> tuple[list[LabelledPair], list[PairJudgment]]:
    pairs = [
        LabelledPair.model_validate(
            {"id": str(i), "prompt": f"p{i}", "first": "a", "second": "b"}
            | {"labels": [{"label": x, "annotator": str(k)} for k, x in enumerate(labels)]}
        )
        for i, (labels, _) in enumerate(items)
    ]
    judgments = [
        PairJudgment.model_validate(
            {"prompt_id": str(i), "order": order, "draw": draw, "verdict": answer}
            | {"status": "scored" if answer else "unscored"}
        )
        for i, (_, calls) in enumerate(items)
        for (order, draw), answer in calls.items()
    ]
    return pairs, judgments


def reference(
    items: list[Item], unscored: str, annotators: str
) -> dict[str, tuple[float | None, int, int]]:
    """Value, n and of by metric, comparison by comparison."""
    right: list[float] = []
    both_right: list[float] = []
    same: list[float] = []
    scored: list[bool] = []
    shown_first: list[bool] = []
    table: Counter[tuple[str, str]] = Counter()
    comparisons = verdicts = calls_made = 0
    for labels, calls in items:
        if annotators == "majority":
            top = [c for c in CLASSES if labels.count(c) == max(map(labels.count, CLASSES))]
            kept, could = (top if len(top) == 1 else []), 1
        else:
            kept, could = labels, len(labels)
        comparisons += could
        verdicts += could * len(calls)
        calls_made += len(calls)
        counted: dict[tuple[str, int], str] = {}
        for key, answer in calls.items():
            if answer is not None:
                counted[key] = answer
                if answer != "tie":
                    shown_first.append((answer == "first") == (key[0] == "AB"))
            elif unscored != "drop":
                counted[key] = "tie" if unscored == "tie" else "none"
        orders = [
            [answer for (o, _), answer in counted.items() if o == order] for order in ("AB", "BA")
        ]
        run = [answers for answers in orders if answers]
        twice = [
            (counted["AB", draw], counted["BA", draw])
            for draw in range(3)
            if ("AB", draw) in counted and ("BA", draw) in counted
        ]
        if twice:
            same.append(float(np.mean([a == b != "none" for a, b in twice])))
        for label in kept:
            scored += [answer == label for answer in calls.values() if answer is not None]
            if run:
                right.append(float(np.mean([np.mean([a == label for a in x]) for x in run])))
                for answers in run:
                    for answer in answers:
                        table[label, answer] += 1 / len(answers) / len(run)
            if twice:
                both_right.append(float(np.mean([a == b == label for a, b in twice])))

    def mean(values: list[float] | list[bool], of: int) -> tuple[float | None, int, int]:
        return (float(np.mean(values)) if values else None, len(values), of)

    total = sum(table.values())
    rows = {c: sum(v for (x, _), v in table.items() if x == c) for c in CLASSES}
    columns = {c: sum(v for (_, x), v in table.items() if x == c) for c in CLASSES}
    diagonal = {c: table[c, c] for c in CLASSES}
    chance = sum(rows[c] * columns[c] for c in CLASSES) / total**2 if total else 1.0
    beyond = sum(diagonal.values()) / total - chance if total else 0.0
    found = {
        "accuracy": mean(right, comparisons),
        "accuracy_scored_only": mean(scored, verdicts),
        "consistency": mean(same, len(items)),
        "agreement": mean(both_right, comparisons),
        "cohen_kappa": (beyond / (1 - chance) if chance < 1 - 1e-9 else None, len(right),
                        comparisons),
    }  # fmt: skip
    bias, n, _ = mean(shown_first, 0)
    found["position_bias"] = (None if bias is None else bias - 0.5, n, calls_made)
    three = all(rows.values())

    def macro(part: dict[str, float], whole: dict[str, float]) -> float | None:
        shares = [part[c] / whole[c] if whole[c] else 0.0 for c in CLASSES]
        return sum(shares) / 3 if three else None

    double = {c: 2 * diagonal[c] for c in CLASSES}
    for name, value in (
        ("macro_precision", macro(diagonal, columns)),
        ("macro_recall", macro(diagonal, rows)),
        ("macro_f1", macro(double, {c: rows[c] + columns[c] for c in CLASSES})),
    ):
        found[name] = (value, len(right), comparisons)
    return found


@settings(deadline=None, max_examples=60)
@given(ITEMS, st.sampled_from(["wrong", "drop", "tie"]), st.sampled_from(["each", "majority"]))
def test_against_the_reference(items: list[Item], unscored: str, annotators: str) -> None:
    metrics, _ = pair_metrics(*records(items), unscored, annotators, rounds=2)
    for name, (value, n, of) in reference(items, unscored, annotators).items():
        metric = metrics[name]
        expected = None if value is None else pytest.approx(value, abs=1e-9)
        assert (metric.value, metric.n, metric.of) == (expected, n, of), name
        assert metric.n <= metric.of


@settings(deadline=None, max_examples=60)
@given(ITEMS)
def test_swapping_the_two_responses_changes_nothing(items: list[Item]) -> None:
    other = {"first": "second", "second": "first", "tie": "tie", None: None}
    turned: list[Item] = [
        (
            [str(other[x]) for x in labels],
            {("BA" if o == "AB" else "AB", d): other[x] for (o, d), x in calls.items()},
        )
        for labels, calls in items
    ]
    before, after = (pair_metrics(*records(x), rounds=2)[0] for x in (items, turned))
    for name, metric in before.items():
        value = None if metric.value is None else pytest.approx(metric.value, abs=1e-12)
        assert (after[name].value, after[name].n) == (value, metric.n)


@settings(deadline=None, max_examples=60)
@given(ITEMS)
def test_human_agreement_counts_every_two_labels_once(items: list[Item]) -> None:
    pairs, _ = records(items)
    found, _ = human_agreement(pairs, rounds=2)
    for name, drop in (("human_agreement", ""), ("human_agreement_without_ties", "tie")):
        twos = [
            a == b
            for labels, _ in items
            for a, b in itertools.combinations([x for x in labels if x != drop], 2)
        ]
        value = pytest.approx(np.mean(twos)) if twos else None
        assert (found[name].value, found[name].n) == (value, len(twos))
