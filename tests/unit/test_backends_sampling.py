"""The sampler draws from the model's distribution, and from nothing else."""

from __future__ import annotations

import pytest
import torch
from scipy.stats import chisquare

from backends.engines.sampling import SeededSampler


def draw(logits: list[float], n: int, temperature: float, top_p: float, steps: int = 1):
    """``steps`` tokens for each of ``n`` rows with seeds 0 to n - 1: rows x steps."""
    sampler = SeededSampler(range(n), 2, steps, temperature, top_p)
    scores = torch.tensor(logits).expand(n, -1)
    ids = torch.zeros(n, 2, dtype=torch.long)
    for _ in range(steps):
        left = sampler(ids, scores)
        assert (torch.isfinite(left).sum(dim=-1) == 1).all()
        ids = torch.cat([ids, left.argmax(dim=-1, keepdim=True)], dim=-1)
    return ids[:, 2:]


LOGITS = [0.3, 2.0, -1.0, 1.2, 0.0, -0.4]


@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.5, 1.0), (2.0, 1.0), (1.0, 0.7)])
@pytest.mark.parametrize("step", [0, 3])
def test_frequencies_are_those_of_the_softmax(temperature: float, top_p: float, step: int) -> None:
    n = 4000
    tokens = draw(LOGITS, n, temperature, top_p, steps=4)[:, step]
    share = torch.softmax(torch.tensor(LOGITS, dtype=torch.float64) / temperature, dim=-1)
    order = share.argsort(descending=True)
    before = share[order].cumsum(0) - share[order]
    kept = order[before < top_p]
    expected = torch.zeros_like(share)
    expected[kept] = share[kept] / share[kept].sum()
    counts = torch.bincount(tokens, minlength=len(LOGITS))
    assert counts[expected == 0].sum() == 0
    used = expected > 0
    found = chisquare(counts[used].numpy(), (expected[used] * n).numpy())
    assert found.pvalue > 1e-4


def test_steps_of_a_row_are_independent() -> None:
    tokens = draw([0.0, 0.0], 4000, 1.0, 1.0, steps=2)
    pairs = torch.bincount(tokens[:, 0] * 2 + tokens[:, 1], minlength=4)
    assert chisquare(pairs.numpy()).pvalue > 1e-4


def test_more_steps_do_not_change_the_first_ones() -> None:
    short, long = draw(LOGITS, 50, 1.0, 1.0, steps=3), draw(LOGITS, 50, 1.0, 1.0, steps=40)
    assert torch.equal(short, long[:, :3])
    assert len({tuple(row.tolist()) for row in long}) == 50


def test_a_tiny_nucleus_is_greedy() -> None:
    assert set(draw(LOGITS, 200, 1.0, 1e-6).flatten().tolist()) == {1}


def test_impossible_tokens_are_never_drawn() -> None:
    tokens = draw([0.0, float("-inf"), 0.0, float("-inf")], 500, 1.0, 1.0)
    assert set(tokens.flatten().tolist()) == {0, 2}
