"""How large a share must at least be, by a random sample of a finite set: exact, no approximation.

The bound is the one of the hypergeometric test, turned round: of all numbers of good ones that do
not make the sample too good to be chance, the lowest (Wright, Exact Confidence Bounds when Sampling
from Small Finite Universes, 1991, after Konijn 1973). Drawn without replacement from few, it is
tighter than that of Clopper and Pearson (1934), to which it tends when the set is large.
"""

from __future__ import annotations

from bisect import bisect_right


def share_at_least(good: int, drawn: int, of: int, confidence: float) -> float:
    """Returns the one-sided lower bound of the share of good ones among ``of``, 0 to 1.

    Whatever that share is, the bound of a random sample lies above it with a probability of at most
    1 - ``confidence``. It is the share itself when all are drawn.

    Args:
        good: of the drawn ones, 0 to ``drawn``.
        drawn: at random and without replacement, 1 to ``of``.
        of: the size of the whole set.
        confidence: of the bound, in (0, 1).

    Raises:
        ValueError: the counts do not fit each other.
    """
    if not (0 <= good <= drawn <= of and drawn and 0 < confidence < 1):
        raise ValueError(f"{good} good of {drawn} drawn of {of} at {confidence}")
    if good == 0:
        return 0.0
    from scipy.stats import hypergeom  # takes a second to import, and few commands come here

    def chance(all_good: int) -> float:
        """Of a sample as good as this one; it rises with how many of all are good."""
        return float(hypergeom.sf(good - 1, of, all_good, drawn))

    possible = range(good, of - (drawn - good) + 1)
    return possible[bisect_right(possible, 1 - confidence, key=chance)] / of
