"""The pairwise metrics that are ratios, pair by pair: what each pair adds to above and below.

A comparison is one human label of one pair (or the majority of its labels). Each is weighed as one,
however many verdicts the judge gave on its pair: its verdicts are averaged over the draws of an
order, and then over the orders that were run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from judges.pair_counts import CLASSES, NOT_ASKED, UNSCORED, Verdicts
from results.stats import Array, divide

Unscored = Literal["wrong", "drop", "tie"]


@dataclass(frozen=True)
class Ratio:
    """A metric sum(num) / sum(den) over the pairs; ``n`` of ``of`` in the metric's own unit."""

    num: Array
    den: Array
    n: int
    of: int


def as_counted(given: Verdicts, unscored: Unscored) -> Verdicts:
    """Returns the verdicts with the unscored ones as the convention takes them."""
    instead = {"wrong": UNSCORED, "drop": NOT_ASKED, "tie": CLASSES.index("tie")}[unscored]
    codes = np.where(given.codes == UNSCORED, instead, given.codes).astype(np.int8)
    return Verdicts(given.pair, codes)


def answer_shares(given: Verdicts, pairs: int) -> Array:
    """Returns (pairs, 4): the share of each answer, a mean over draws and then over orders.

    The last column is unscored. A pair's row sums to 1, to 0 where it has no verdict.
    """
    total, orders = np.zeros((pairs, UNSCORED + 1)), np.zeros((pairs, 1))
    for order in (0, 1):
        column = given.codes[:, order]
        counts = [_by_pair(given, column == code, pairs) for code in range(UNSCORED + 1)]
        table = np.stack(counts, axis=1)
        asked = table.sum(axis=1, keepdims=True)
        total += _shares(table, asked)
        orders += asked > 0
    return _shares(total, orders)


def accuracies(labels: Array, answers: Array, comparisons: Array) -> dict[str, Ratio]:
    """Returns ``accuracy``, and the same where neither side says tie.

    Args:
        labels: (pairs, 3) comparisons by label.
        answers: (pairs, 4), of ``answer_shares``.
        comparisons: (pairs,) how many there could have been.
    """
    judged = answers.sum(axis=1) > 0
    of = int(comparisons.sum())
    used = labels.sum(axis=1) * judged
    decided = labels[:, :2].sum(axis=1) * judged
    named = decided * (1 - answers[:, 2])
    return {
        "accuracy": Ratio((labels * answers[:, :3]).sum(axis=1), used, int(used.sum()), of),
        "accuracy_without_ties": Ratio(
            (labels[:, :2] * answers[:, :2]).sum(axis=1),
            named,
            int(decided[named > 0].sum()),
            of,
        ),
    }


def scored_ratios(given: Verdicts, labels: Array, comparisons: Array) -> dict[str, Ratio]:
    """Returns the metrics over single verdicts, which leave out unscored ones by definition."""
    pairs = len(labels)
    counts = [
        _by_pair(given, (given.codes == code).sum(axis=1), pairs) for code in range(UNSCORED + 1)
    ]
    table = np.stack(counts, axis=1)
    calls, failed = table.sum(axis=1), table[:, UNSCORED]
    scored = labels.sum(axis=1) * (calls - failed)
    shown_first = given.codes == np.array([0, 1])  # first won in AB, second in BA
    wins = _by_pair(given, shown_first.sum(axis=1), pairs)
    winners = table[:, :2].sum(axis=1)
    return {
        "accuracy_scored_only": Ratio(
            (labels * table[:, :3]).sum(axis=1),
            scored,
            int(scored.sum()),
            int((comparisons * calls).sum()),
        ),
        "position_bias": Ratio(wins - 0.5 * winners, winners, int(winners.sum()), int(calls.sum())),
        "unscored_rate": Ratio(failed, calls, int(calls.sum()), int(calls.sum())),
    }


def both_order_ratios(counted: Verdicts, labels: Array, comparisons: Array) -> dict[str, Ratio]:
    """Returns ``consistency`` and ``agreement``; ``counted`` as ``as_counted`` gives it.

    A pair's part is the mean over the draws that were asked in both orders.
    """
    pairs = len(labels)
    first, second = counted.codes.T
    both = (counted.codes != NOT_ASKED).all(axis=1)
    rows = _by_pair(counted, both, pairs)
    same = np.stack(
        [
            _by_pair(counted, both & (first == code) & (second == code), pairs)
            for code in range(len(CLASSES))
        ],
        axis=1,
    )
    shares = _shares(same, rows[:, None])
    asked = (rows > 0).astype(np.float64)
    compared = asked * labels.sum(axis=1)
    return {
        "consistency": Ratio(shares.sum(axis=1), asked, int(asked.sum()), pairs),
        "agreement": Ratio(
            (labels * shares).sum(axis=1), compared, int(compared.sum()), int(comparisons.sum())
        ),
    }


def _by_pair(given: Verdicts, amounts: NDArray[np.generic], pairs: int) -> Array:
    """Returns (pairs,): the sums of ``amounts`` (rows,) by pair."""
    return np.bincount(given.pair, weights=amounts, minlength=pairs).astype(np.float64)


def _shares(part: Array, whole: Array) -> Array:
    """Returns part / whole, 0 where the whole is 0; ``whole`` is (pairs, 1)."""
    return np.nan_to_num(divide(part, np.broadcast_to(whole, part.shape)))
