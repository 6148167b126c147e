"""Two pairwise judges: kappa and macro F1 are compared by their tables, pair by pair."""

from __future__ import annotations

import random

import pytest

from judges.compare import Side, compare
from judges.labels import Label, LabelledPair
from judges.pair_agreement import CELLS, pair_metrics
from results.records import PairJudgment

CHOICES = ("first", "second", "tie")


def data(n: int, seed: int) -> list[LabelledPair]:
    rng = random.Random(seed)
    return [
        LabelledPair(id=f"p{i}", prompt=f"Say {i}.", first="a", second="b",
                     labels=(Label(label=rng.choice(CHOICES)),))
        for i in range(n)
    ]  # fmt: skip


def judged(pairs: list[LabelledPair], right: float, seed: int) -> list[PairJudgment]:
    rng = random.Random(seed)
    return [
        PairJudgment(
            prompt_id=p.id, order=order, status="scored", text="",
            verdict=p.labels[0].label if rng.random() < right else rng.choice(CHOICES),
        )
        for p in pairs
        for order in ("AB", "BA")
    ]  # fmt: skip


def test_the_difference_is_that_of_the_two_figures() -> None:
    pairs = data(150, 0)
    sides = [pair_metrics(pairs, judged(pairs, right, s), rounds=50) for right, s in
             ((0.4, 1), (0.9, 2))]  # fmt: skip
    found = compare(*(Side(values) for _, values in sides), by="accuracy", rounds=400).metrics
    for name in ("accuracy", "cohen_kappa", "macro_precision", "macro_recall", "macro_f1"):
        one, two = (metrics[name].value for metrics, _ in sides)
        assert found[name].value == pytest.approx(two - one, abs=1e-12)
        assert found[name].low < found[name].value < found[name].high
        assert found[name].low > 0.1  # 0.4 and 0.9 are far apart
    assert not set(found) & set(CELLS)
    same = compare(Side(sides[0][1]), Side(sides[0][1]), by="accuracy", rounds=50).metrics
    assert same["cohen_kappa"].value == same["cohen_kappa"].low == same["cohen_kappa"].high == 0


def test_a_rare_class_does_not_pull_the_interval_down() -> None:
    """A perfect judge: every replicate that has all classes is perfect too."""
    pairs = [
        LabelledPair(id=f"p{i}", prompt=f"Say {i}.", first="a", second="b",
                     labels=(Label(label="tie" if i < 2 else CHOICES[i % 2]),))
        for i in range(60)
    ]  # fmt: skip
    metrics, _ = pair_metrics(pairs, judged(pairs, 1.0, 0), rounds=400)
    assert (metrics["macro_f1"].value, metrics["macro_f1"].low) == (1.0, 1.0)
