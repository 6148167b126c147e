"""Near copies by ROUGE-L, with an index that stays fast among tens of thousands of texts.

ROUGE-L as the package rouge-score defines it, without a stemmer: tokens are runs of a-z and 0-9 in
the lower-cased text, and with L = the length of the longest common subsequence of two token lists
of lengths m and n, precision is L/m, recall L/n, F1 their harmonic mean = 2L/(m + n).
"""

from __future__ import annotations

import re
from array import array
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

_TOKENS = re.compile(r"[a-z0-9]+")


@dataclass(frozen=True)
class Match:
    """A text of the index, by its name, and its ROUGE-L F1 (0 to 1)."""

    name: str
    f1: float


def tokens_of(text: str) -> list[str]:
    """The tokens that ROUGE-L compares; of a text in another script there are none."""
    return _TOKENS.findall(text.lower())


class SimilarTexts:
    """Texts that later ones are compared with.

    L is at most the number of tokens that two texts share, each counted as often as it is in both.
    An inverted index (a token's first, second, ... occurrence -> the texts that have it) counts
    them for all texts at once; L itself is computed only where F1 can come to be above the
    ``threshold`` (0 to 1) with as many. Nothing is missed by that.
    """

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self.names: list[str] = []
        self._texts: list[list[int]] = []
        self._lengths = array("I")
        self._numbers: dict[str, int] = {}
        self._holders: dict[tuple[int, int], array[int]] = {}

    def add(self, name: str, text: str) -> None:
        """Adds one text."""
        numbers = [self._numbers.setdefault(t, len(self._numbers)) for t in tokens_of(text)]
        for part in _occurrences(numbers):
            self._holders.setdefault(part, array("I")).append(len(self._texts))
        self.names.append(name)
        self._texts.append(numbers)
        self._lengths.append(len(numbers))

    def most_similar(self, text: str) -> Match | None:
        """The text with the highest F1 above the threshold, the first of equal ones; null where
        none is above.
        """
        from rapidfuzz.distance import LCSseq

        # A token that no text has is in no common subsequence; it only counts in the length.
        numbers = [self._numbers.get(t, -1 - i) for i, t in enumerate(tokens_of(text))]
        best: Match | None = None
        for at in self._possible(numbers):
            theirs = self._texts[at]
            f1 = _f1(LCSseq.similarity(numbers, theirs), len(numbers), len(theirs))
            if f1 > self.threshold and (best is None or f1 > best.f1):
                best = Match(self.names[at], f1)
        return best

    def _possible(self, numbers: list[int]) -> list[int]:
        """The texts that share enough tokens with these, in their order."""
        holders = [held for part in _occurrences(numbers) if (held := self._holders.get(part))]
        if not holders:
            return []
        at = np.concatenate([np.frombuffer(held, dtype=np.uint32) for held in holders])
        shared = np.bincount(at, minlength=len(self._texts))
        lengths: np.ndarray[Any, Any] = np.frombuffer(self._lengths, dtype=np.uint32)
        # 2L/(m+n) > threshold; the slack leaves cases on the edge to the exact formula.
        needed = self.threshold * (lengths + float(len(numbers))) / 2 - 1e-6
        return [int(i) for i in np.flatnonzero(shared >= needed)]


def _occurrences(numbers: list[int]) -> list[tuple[int, int]]:
    """Each token with how often it was there before: two lists share as many of these as tokens."""
    seen: Counter[int] = Counter()
    parts = []
    for number in numbers:
        parts.append((number, seen[number]))
        seen[number] += 1
    return parts


def _f1(common: int, m: int, n: int) -> float:
    """In rouge-score's own steps, so that a value on the threshold falls on the same side."""
    if not common:
        return 0.0
    precision, recall = common / m, common / n
    return 2 * precision * recall / (precision + recall)
