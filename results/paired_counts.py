"""Two models, right or wrong on the same samples: how surely one lost, and what could be seen.

All follows from three numbers: of ``n`` samples the candidate ``won`` some (right where the
incumbent was wrong) and ``lost`` some. Its loss is the drop of its accuracy, P(lost) - P(won).

- Any loss: McNemar's test, exact. Of the samples on which they differ, each is a win or a loss by
  the toss of a coin where there is no loss (McNemar 1947, Psychometrika 12, 153-157).
- A loss above a margin: the score statistic of Tango (1998, Statistics in Medicine 17, 891-908).
  Its normal approximation errs more often than it says where few samples differ, so its chance is
  summed up exactly, at the worst share of differing samples that these samples leave possible
  (Berger and Boos 1994, JASA 89, 1012-1016).
- What could have been seen: the exact power of either test (Duffy 1984, Biometrics 40, 1005-1015);
  Connor (1987, Biometrics 43, 207-211) is its normal approximation.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from results.stats import Array

POWER = 0.8  # what fields call a test that sees what it looks for
LEFT_OUT = 1e-5  # chance that the share of differing samples is none that was tried; in every p
TRIED = 33  # shares of differing samples
NEGLIGIBLE = 1e-13  # of a sum of chances
MANY = 100_000  # results that are kept: a family asks again for what its neighbours had


@lru_cache(maxsize=MANY)
def mcnemar(won: int, lost: int) -> tuple[float, float]:
    """Returns the exact p-values of a loss (one-sided) and of any difference (two-sided).

    Args:
        won: samples that the candidate alone has right, >= 0.
        lost: samples that the incumbent alone has right, >= 0.
    """
    from scipy.stats import binom  # a second to import

    apart = won + lost
    loss, gain = (float(binom.sf(side - 1, apart, 0.5)) for side in (lost, won))
    return loss, min(1.0, 2 * min(loss, gain))


@lru_cache(maxsize=MANY)
def loss_above(margin: float, won: int, lost: int, n: int) -> float:
    """Returns the p-value of "the loss is at most ``margin``": small where it is surely more.

    Whatever the true shares are, it is at most any alpha with a probability of at most alpha.

    Args:
        margin: a drop of accuracy, from 0 (then it is McNemar's) up.
        won: as in ``mcnemar``.
        lost: likewise.
        n: samples, >= won + lost.
    """
    if margin == 0:
        return mcnemar(won, lost)[0]
    if margin >= 1 or lost - won <= n * margin:
        return 1.0
    score = float(_score(np.array([won]), np.array([lost]), n, margin)[0])
    return min(1.0, _worst(score, margin, n, won + lost) + LEFT_OUT)


@lru_cache(maxsize=MANY)
def least_drop(n: int, apart: int, alpha: float, margin: float = 0.0,
               power: float = POWER) -> float | None:  # fmt: skip
    """Returns the smallest true drop that such a test at ``alpha`` finds with this ``power``.

    The models are taken to differ on as large a share of samples as they did, or on the drop's own
    share where that is larger. Null where not even a drop of 1 would be found.

    Args:
        n: samples, >= 0.
        apart: samples on which the two differ, 0 to n.
        alpha: of the one-sided test, in (0, 1).
        margin: a loss that is accepted, 0 to 1.
        power: in (0, 1).
    """
    if n == 0 or margin >= 1:
        return None
    first = _first_lost(n, apart, alpha, margin)

    def found(drop: float) -> bool:
        return _chance(first, n, np.array([max(apart / n, drop)]), drop) >= power

    if not found(1.0):
        return None
    low, high = margin, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if found(middle) else (middle, high)
    return high


def _first_lost(n: int, apart: int, alpha: float, margin: float) -> Array:
    """(n + 1,): by number of differing samples, how many lost ones are a finding at ``alpha``."""
    from scipy.stats import binom

    if margin == 0:
        first: Array = binom.isf(alpha, np.arange(n + 1), 0.5) + 1
        return first
    low, high = 0.0, 40.0
    for _ in range(20):
        middle = (low + high) / 2
        wrong = _worst(middle, margin, n, apart) + LEFT_OUT > alpha
        low, high = (middle, high) if wrong else (low, middle)
    return _least(high, margin, n)


def _score(won: Array, lost: Array, n: int, margin: float) -> Array:
    """Tango's statistic, standard normal where the loss is ``margin``: the loss that was seen above
    it, over its standard error at the likeliest share of won samples.
    """
    b = -lost - won + (2 * n - lost + won) * margin
    c = -won * margin * (1 - margin)
    share = (np.sqrt(np.maximum(b * b - 8 * n * c, 0)) - b) / (4 * n)
    found: Array = (lost - won - n * margin) / np.sqrt(n * (2 * share + margin * (1 - margin)))
    return found


def _least(score: float, margin: float, n: int) -> Array:
    """(n + 1,): by number of differing samples, the fewest lost ones with at least this score; one
    more than there are where none has.
    """
    apart = np.arange(n + 1.0)
    low, high = np.zeros(n + 1), apart + 1.0  # the score rises with the lost ones
    while (open_ := low < high).any():
        middle = np.minimum(np.floor((low + high) / 2), apart)  # what is settled may lie beyond
        enough = _score(apart - middle, middle, n, margin) >= score - 1e-9
        high = np.where(open_ & enough, middle, high)
        low = np.where(open_ & ~enough, middle + 1, low)
    first: Array = high
    return first


def _worst(score: float, margin: float, n: int, apart: int) -> float:
    """The chance of such a score where the loss is ``margin``: the largest over the shares of
    differing samples that ``apart`` of ``n`` leave possible (Clopper and Pearson 1934).
    """
    from scipy.stats import beta

    low = float(beta.ppf(LEFT_OUT / 2, apart, n - apart + 1)) if apart else 0.0
    high = float(beta.isf(LEFT_OUT / 2, apart + 1, n - apart)) if apart < n else 1.0
    first = _least(score, margin, n)
    # A loss needs samples that differ: below the margin there is no such loss.
    shares = np.linspace(max(low, margin), max(high, margin), TRIED)
    return _chance(first, n, shares, margin)


def _chance(first: Array, n: int, shares: Array, drop: float) -> float:
    """The chance of as many lost samples as ``first`` says, where the candidate loses ``drop`` of
    accuracy: the largest over the ``shares`` (rising, from drop up) of samples that differ.
    """
    from scipy.stats import binom

    ends = binom.ppf(NEGLIGIBLE, n, shares[0]), binom.isf(NEGLIGIBLE, n, shares[-1])
    apart = np.arange(max(int(ends[0]), 0), int(ends[1]) + 1)
    column = shares[:, None]
    lost = np.minimum((column + drop) / np.maximum(2 * column, 1e-300), 1.0)
    chances = binom.pmf(apart, n, column) * binom.sf(first[apart] - 1, apart, lost)
    return min(1.0, float(chances.sum(axis=1).max()))
