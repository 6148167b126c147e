"""A small version of the proof of coverage; ``python -m tests.proofs.coverage`` is the whole."""

from __future__ import annotations

from tests.proofs.coverage import coverage, truths


def test_intervals_hold_the_true_value() -> None:
    found = coverage(100, 25, truths(10_000), rounds=100, seed=2)
    assert len(found) == 19
    for name, (held, *_) in found.items():
        assert held >= 0.72, name  # of 25 at a true 92 % fewer than 18 have probability 1e-4
    assert sum(held for held, *_ in found.values()) / len(found) >= 0.85
