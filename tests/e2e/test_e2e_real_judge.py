"""A real judge on real human rankings: the product's figures against a calculation in plain Python.

``make real-judge`` prints them.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from itertools import combinations

import pytest

from tests.proofs.parse_corpus import exceptions
from tests.proofs.real_judge import FOLDER, READINGS, answers, judged, measured
from tests.real_data import real_data

Answer = tuple[float, float | None]  # human rank, 0 is best, and the judge's score
Parts = dict[str, list[tuple[float, float]]]  # by metric: above and below the line, by question
TOP = 5


def mid_ranks(values: list[float]) -> list[float]:
    return [sum(v < x for v in values) + (sum(v == x for v in values) + 1) / 2 for x in values]


def pearson(a: list[float], b: list[float]) -> float | None:
    x, y = sum(a) / len(a), sum(b) / len(b)
    both = sum((p - x) * (q - y) for p, q in zip(a, b, strict=True))
    spread = sum((p - x) ** 2 for p in a) * sum((q - y) ** 2 for q in b)
    return both / math.sqrt(spread) if spread else None


def tau_b(scores: list[float], ranks: list[float]) -> float | None:
    kinds: Counter[str] = Counter()
    for (s, r), (t, q) in combinations(zip(scores, ranks, strict=True), 2):
        kinds["score tied" if s == t else "score apart"] += 1
        kinds["rank tied" if r == q else "rank apart"] += 1
        if s != t and r != q:
            kinds["same" if (s > t) == (r < q) else "reversed"] += 1
    below = math.sqrt(kinds["score apart"] * kinds["rank apart"])
    return (kinds["same"] - kinds["reversed"]) / below if below else None


def plain(groups: list[list[Answer]]) -> tuple[Parts, dict[str, tuple[int, int]]]:
    """Every metric's parts by question, and its coverage."""
    parts: Parts = {name: [] for name in
                    ("pairwise_accuracy", "pairwise_accuracy_half_ties", "five_best", "exact_match",
                     "spearman", "kendall_tau")}  # fmt: skip
    n: Counter[str] = Counter()
    of: Counter[str] = Counter()
    for group in groups:
        right = tied = pairs = apart = 0
        for (rank, score), (other, its) in combinations(group, 2):
            if rank == other:
                continue
            apart += 1
            if score is None or its is None:
                continue
            pairs += 1
            tied += score == its
            right += score != its and (score > its) == (rank < other)
        n["pairwise_accuracy"] += pairs
        of["pairwise_accuracy"] += apart
        of["exact_match"] += apart > 0
        if pairs:
            parts["pairwise_accuracy"].append((right, pairs))
            parts["pairwise_accuracy_half_ties"].append((right + tied / 2, pairs))
            parts["exact_match"].append((right == pairs, 1))
        best = min(rank for rank, _ in group)
        fives = [rank for rank, score in group if score == TOP]
        n["five_best"] += len(fives)
        of["five_best"] += len(fives) + sum(score is None for _, score in group)
        if fives:
            parts["five_best"].append((sum(rank == best for rank in fives), len(fives)))
        of["spearman"] += 1
        given = [(rank, score) for rank, score in group if score is not None]
        if len(given) > 1:
            ranks, scores = [r for r, _ in given], [s for _, s in given]
            rho = pearson(mid_ranks(scores), mid_ranks([-r for r in ranks]))
            tau = tau_b(scores, ranks)
            if rho is not None and tau is not None:
                parts["spearman"].append((rho, 1))
                parts["kendall_tau"].append((tau, 1))
    n["exact_match"], n["spearman"] = len(parts["exact_match"]), len(parts["spearman"])
    for one, other in (("pairwise_accuracy_half_ties", "pairwise_accuracy"),
                       ("kendall_tau", "spearman")):  # fmt: skip
        n[one], of[one] = n[other], of[other]
    return parts, {name: (n[name], of[name]) for name in parts}


def interval(parts: list[tuple[float, float]], rounds: int = 2000) -> tuple[float, float]:
    """Percentiles over questions drawn with replacement."""
    rng, found = random.Random(1), []
    for _ in range(rounds):
        drawn = rng.choices(parts, k=len(parts))
        found.append(sum(num for num, _ in drawn) / sum(den for _, den in drawn))
    found.sort()
    return found[round(0.025 * rounds)], found[round(0.975 * rounds) - 1]


def test_the_metrics_of_a_real_judge() -> None:
    folder = real_data(*FOLDER.split("/"))
    found = dict(measured(folder))
    texts = judged(folder)
    assert len(texts) == 1182
    for name, reading in READINGS.items():
        scores = {(r["question"], r["answer"], r["rank"]): reading(r) for r in texts}
        groups: dict[str, list[Answer]] = {}
        for row in answers(folder):
            key = (row["question"], row["answer"], row["rank"])
            groups.setdefault(row["question"], []).append((row["rank"], scores.get(key)))
        parts, coverage = plain([group for group in groups.values() if len(group) > 1])
        metrics = found[name]["metrics"]
        assert metrics.keys() == parts.keys()
        for metric, values in parts.items():
            got = metrics[metric]
            assert (got.n, got.of) == coverage[metric], (name, metric)
            if not values:
                assert got.value is None and got.reason
                continue
            mean = sum(num for num, _ in values) / sum(den for _, den in values)
            assert got.value == pytest.approx(mean, abs=1e-12), (name, metric)
            if len(values) > 1:
                assert (got.low, got.high) == pytest.approx(interval(values), abs=0.025)
            else:
                assert got.low is None and got.high is None


def test_how_the_texts_are_read() -> None:
    texts = judged(real_data(*FOLDER.split("/")))
    known = exceptions()["additive"]
    read = {name: [reading(row) for row in texts] for name, reading in READINGS.items()}
    first = read["first_score"]
    unlike = {str(i) for i, (a, b) in enumerate(zip(first, read["as published"], strict=True), 1)
              if a != b}  # fmt: skip
    assert unlike == known.keys() & unlike and unlike == set(known)
    # They put the score first: a parser that wants it in the last line reads few of them.
    assert sum(score is not None for score in read["final_score_line"]) < 100


def test_a_judge_no_better_than_the_longer_answer_is_not_fit() -> None:
    found = dict(measured(real_data(*FOLDER.split("/")), rounds=500))
    for name in ("as published", "first_score"):
        verdict = found[name]["fitness"]
        checks = {check.name: check.passed for check in verdict.checks}
        assert not verdict.fit and not checks["length"] and checks["prompts"]
        assert verdict.advice
    lost = found["final_score_line"]["fitness"]
    assert not lost.fit and not {c.name: c.passed for c in lost.checks}["unscored"]
