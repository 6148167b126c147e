"""Fewer of what there is too much of: no score may hold more than a share of the examples.

A judge that is trained on scores which pile up at one value learns that value (Yuan et al. 2024,
arXiv 2401.10020: score 4 was resampled down).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")


def cap(counts: Mapping[str, int], max_share: float, least: int = 1) -> int:
    """The most examples that each score may keep, so that none holds more than ``max_share``.

    With ``m_s = min(n_s, c)`` the share of the fullest score, ``c / sum(m_s)``, never falls as the
    cap ``c`` rises, and is ``1 / k`` for ``k`` scores while ``c`` is at most the rarest one's
    count. So the answer is the largest ``c`` whose share is at most ``max(max_share, 1 / k)``: with
    too few scores for the target they are made equal.

    Args:
        counts: examples of each score; scores without any do not count.
        max_share: in (0, 1].
        least: a cap that would leave fewer examples than these (or than there are) is raised.
    """
    there = [n for n in counts.values() if n]
    if not there:
        return 0
    target = max(max_share, 1 / len(there))

    def left(c: int) -> int:
        return sum(min(n, c) for n in there)

    low, high = 1, max(there)  # the answer lies in between: a cap of 1 has the share 1 / k
    while low < high:
        middle = (low + high + 1) // 2
        if middle <= target * left(middle) * (1 + 1e-12):
            low = middle
        else:
            high = middle - 1
    while left(low) < min(least, sum(there)):
        low += 1
    return low


def resample(
    items: Sequence[T], score: Callable[[T], str], max_share: float, seed: str, least: int = 1
) -> list[T]:
    """Returns ``items`` without some of each over-represented score, in their order.

    Which ones go is drawn with ``seed`` from each score's own items; ``max_share`` and ``least`` as
    in ``cap``.
    """
    most = cap(Counter(map(score, items)), max_share, least)
    places: dict[str, list[int]] = {}
    for place, item in enumerate(items):
        places.setdefault(score(item), []).append(place)
    kept: set[int] = set()
    for name, own in places.items():
        rng = random.Random(f"resample:{seed}:{name}")
        kept.update(own if len(own) <= most else rng.sample(own, most))
    return [item for place, item in enumerate(items) if place in kept]


def largest_share(counts: Mapping[str, int]) -> float | None:
    """The share of the fullest score; null where there is nothing."""
    total = sum(counts.values())
    return max(counts.values()) / total if total else None
