"""Paired differences of what is no mean over prompts: kappa and the macro averages of two judges.

Their confusion tables are kept prompt by prompt as values, a cell each; both judges' cells of a
prompt are resampled together.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from judges.pair_agreement import CELLS, SHAPE, TABLE_METRICS, table_statistic
from results.pooled import Pooled, pooled_metrics
from results.records import Metric, Value
from results.stats import Array, Statistic


def table_differences(
    first: Sequence[Value],
    second: Sequence[Value],
    seed: int = 0,
    rounds: int = 2000,
    confidence: float = 0.95,
) -> dict[str, Metric]:
    """Returns second minus first of kappa and the macro averages, over the pairs that both have.

    Args:
        first: one judge's values, cells of its tables among them; others are left out.
        second: the other's.
        seed: as in ``results.stats``; so ``rounds`` and ``confidence``.
        rounds: see ``seed``.
        confidence: see ``seed``.

    Returns:
        The differences by metric; none where neither side has tables (ranked data).
    """
    theirs, ours = _tables(first), _tables(second)
    if not theirs and not ours:
        return {}
    shared = sorted(theirs.keys() & ours.keys())
    cells = np.array([np.concatenate([ours[i][1], theirs[i][1]]) for i in shared])
    names = np.array([ours[i][0] for i in shared], dtype=np.str_)
    codes = np.unique(names, return_inverse=True)[1] if len(shared) else np.zeros(0, dtype=np.intp)
    width = SHAPE[0] * SHAPE[1]

    def difference(statistic: Statistic) -> Statistic:
        return lambda sums: statistic(sums[:, :width]) - statistic(sums[:, width:])

    whole = cells[:, :width].sum(axis=0).reshape(SHAPE) if len(shared) else np.zeros(SHAPE)
    three = bool(whole.sum(axis=1).all())
    return pooled_metrics(
        [
            Pooled(
                name=name,
                cells=cells.reshape(len(shared), 2 * width),
                cluster=codes,
                n=len(shared),
                of=len(theirs.keys() | ours.keys()),
                convention="second minus first, of the tables over the pairs that both have",
                missing="no pair has a verdict on both sides",
                statistic=difference(table_statistic(name, three)),
                undefined="it is not defined on both sides",
            )
            for name in TABLE_METRICS
        ],
        seed,
        rounds,
        confidence,
    )


def _tables(values: Sequence[Value]) -> dict[str, tuple[str, Array]]:
    """Cluster and table, flat, by prompt id."""
    place = {name: at for at, name in enumerate(CELLS)}
    found: dict[str, tuple[str, Array]] = {}
    for value in values:
        if value.metric in place:
            zeros = (value.cluster, np.zeros(len(CELLS)))
            found.setdefault(value.prompt_id, zeros)[1][place[value.metric]] = value.num
    return found
