"""Metrics with intervals: a seeded bootstrap that resamples clusters (prompts), not rows.

The interval is the percentile interval of Efron and Tibshirani, An Introduction to the Bootstrap
(1993), chapter 13; whole clusters are resampled because answers to one prompt are not independent
(the cluster bootstrap: Davison and Hinkley, Bootstrap Methods and their Application, 1997, 3.8).
A percentile interval from few clusters is too narrow: ``n`` stands beside it for that reason.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from results.errors import SrlmError
from results.records import Metric, Value

Array = NDArray[np.float64]
Statistic = Callable[[Array], Array]
Ends = tuple[float | None, float | None]  # low and high
CHUNK_CELLS = 4_000_000  # weights in memory at a time: 32 MB as integers, 32 MB more as floats
NO_INTERVAL = "fewer than two different prompts have a usable value"
NO_PAIR = "no prompt has a value on both sides"
MANY_CLUSTERS = 5_000  # above it the weights are drawn in a way that is ten times as fast


def ratio_metric(
    name: str,
    values: Sequence[Value],
    of: int,
    convention: str,
    seed: int = 0,
    rounds: int = 2000,
    confidence: float = 0.95,
    missing: str = "",
) -> Metric:
    """Returns sum(num) / sum(den) over ``values`` with its bootstrap interval.

    The order of ``values`` does not matter. The value is null without values or when the
    denominators sum to 0; the interval is null with fewer than two clusters.

    Args:
        name: the metric's name.
        values: one per prompt that has a value; ``n`` is their number.
        of: how many there could have been.
        convention: what the figure counts, in words.
        seed: decides the interval, together with the values.
        rounds: bootstrap replicates, >= 1. Those with a zero denominator are left out.
        confidence: of the interval, in (0, 1).
        missing: the reason that the metric gives when there are no values.

    Raises:
        SrlmError: a value is NaN or infinite.
    """
    rows = sorted(values, key=lambda v: (v.cluster, v.prompt_id, v.num, v.den))
    totals = _cluster_totals([v.cluster for v in rows], [cells(name, v) for v in rows], 2)
    value = ratio(rows)
    low, high = (
        (None, None)
        if value is None
        else interval(totals, lambda s: divide(s[:, 0], s[:, 1]), value, seed, rounds, confidence)
    )
    return Metric(
        name=name,
        value=value,
        low=low,
        high=high,
        confidence=confidence,
        n=len(values),
        of=of,
        convention=convention,
        reason=why_null(value, low, values, missing or f"none of {of} has a value"),
    )


def paired_difference(
    name: str,
    candidate: Sequence[Value],
    incumbent: Sequence[Value],
    convention: str = "candidate minus incumbent, paired by prompt",
    seed: int = 0,
    rounds: int = 2000,
    confidence: float = 0.95,
) -> Metric:
    """Returns the candidate's ratio minus the incumbent's, over the prompts that both have.

    Both sides of a prompt are resampled together. ``n`` counts the shared prompts, ``of`` all
    prompts of either side. Null and other arguments as in ``ratio_metric``.

    Raises:
        SrlmError: a value is NaN or infinite, a side has two values for one prompt, or the two
            sides put a prompt in different clusters (then its id does not name one prompt).
    """
    pairs = paired(name, candidate, incumbent)
    low = high = None
    if pairs.value is not None:
        low, high = interval(
            _cluster_totals(pairs.clusters, pairs.cells, 4),
            lambda s: divide(s[:, 0], s[:, 1]) - divide(s[:, 2], s[:, 3]),
            pairs.value,
            seed,
            rounds,
            confidence,
        )
    return Metric(
        name=name,
        value=pairs.value,
        low=low,
        high=high,
        confidence=confidence,
        n=len(pairs.cells),
        of=pairs.of,
        convention=convention,
        reason=why_null(pairs.value, low, pairs.cells, NO_PAIR),
    )


class Paired(NamedTuple):
    """Two models' values of one metric on the prompts that both have.

    Attributes:
        cells: of each such prompt: the candidate's num and den, the incumbent's num and den.
        clusters: of each of them.
        value: the candidate's ratio minus the incumbent's; null when one of them is undefined.
        of: prompts of either side.
    """

    cells: list[tuple[float, ...]]
    clusters: list[str]
    value: float | None
    of: int


def paired(name: str, candidate: Sequence[Value], incumbent: Sequence[Value]) -> Paired:
    """Pairs the values of two models by prompt; raises as ``paired_difference``."""
    ours, theirs = _by_prompt(name, candidate), _by_prompt(name, incumbent)
    shared = sorted(ours.keys() & theirs.keys(), key=lambda key: (ours[key].cluster, key))
    for key in shared:
        if ours[key].cluster != theirs[key].cluster:
            raise SrlmError(
                f"metric {name}: prompt {key!r} is in cluster {ours[key].cluster!r} of the "
                f"candidate and {theirs[key].cluster!r} of the incumbent, expected one prompt; "
                "evaluate both on the same data"
            )
    rows = [cells(name, ours[key]) + cells(name, theirs[key]) for key in shared]
    after, before = ratio([ours[key] for key in shared]), ratio([theirs[key] for key in shared])
    value = None if after is None or before is None else after - before
    clusters = [ours[key].cluster for key in shared]
    return Paired(rows, clusters, value, len(ours.keys() | theirs.keys()))


def interval(
    totals: Array,
    statistic: Statistic,
    value: float,
    seed: int = 0,
    rounds: int = 2000,
    confidence: float = 0.95,
) -> Ends:
    """Returns the percentile interval of any statistic of sums over clusters.

    Args:
        totals: (clusters, k): each cluster's contribution to k sums.
        statistic: maps resampled sums (r, k) to (r,); NaN where it is undefined.
        value: the statistic of the data itself.
        seed: decides the draws.
        rounds: replicates, >= 1.
        confidence: in (0, 1).

    Returns:
        (low, high); both None with fewer than two clusters or no defined replicate.
    """
    return intervals([(totals, statistic, value)], seed, rounds, confidence)[0]


def intervals(
    figures: Sequence[tuple[Array, Statistic, float]],
    seed: int = 0,
    rounds: int = 2000,
    confidence: float = 0.95,
) -> list[Ends]:
    """Returns ``interval`` of every (totals, statistic, value), number for number.

    The draws depend on nothing but the number of clusters and the seed, so figures with equally
    many clusters share them: they are made once.
    """
    if not (rounds >= 1 and 0 < confidence < 1):
        raise ValueError(f"rounds {rounds} (>= 1), confidence {confidence} (in (0, 1))")
    replicates: list[list[Array]] = [[] for _ in figures]
    for clusters in sorted({len(totals) for totals, _, _ in figures if len(totals) > 1}):
        for weights in cluster_weights(clusters, rounds, seed):
            for (totals, statistic, _), found in zip(figures, replicates, strict=True):
                if len(totals) == clusters:
                    found.append(statistic(weights @ totals))
    return [
        _percentiles(np.concatenate(found), value, confidence) if found else (None, None)
        for found, (_, _, value) in zip(replicates, figures, strict=True)
    ]


def _percentiles(replicates: Array, value: float, confidence: float) -> Ends:
    replicates = replicates[np.isfinite(replicates)]
    if not len(replicates):
        return None, None
    tail = (1 - confidence) / 2
    low, high = (float(end) for end in np.quantile(replicates, [tail, 1 - tail]))
    # Replicates of a constant differ from it in the last bit, which would fail "low >= threshold".
    noise = 1e-12 * max(1.0, abs(value))
    return (
        value if abs(low - value) <= noise else low,
        value if abs(high - value) <= noise else high,
    )


def cluster_weights(clusters: int, rounds: int, seed: int) -> Iterator[Array]:
    """Yields (r, clusters) counts of how often each replicate drew each cluster.

    The rows of all chunks together are ``rounds``; each row sums to ``clusters``. Memory stays
    under 100 MB, and the size of a chunk does not change the draws. Above ``MANY_CLUSTERS`` the
    same distribution is drawn cluster by cluster: a multinomial takes a second per hundred rows.
    """
    rng = np.random.default_rng(seed)
    share = np.full(clusters, 1 / clusters)
    size = max(1, CHUNK_CELLS // clusters)
    for begin in range(0, rounds, size):
        rows = min(size, rounds - begin)
        if clusters <= MANY_CLUSTERS:
            yield rng.multinomial(clusters, share, size=rows).astype(np.float64)
            continue
        drawn = np.empty((rows, clusters))
        for row in drawn:
            row[:] = np.bincount(rng.integers(0, clusters, clusters), minlength=clusters)
        yield drawn


def cells(name: str, value: Value) -> tuple[float, ...]:
    """Returns the value's num and den.

    Raises:
        SrlmError: one of them is NaN or infinite.
    """
    if not (math.isfinite(value.num) and math.isfinite(value.den)):
        raise SrlmError(
            f"metric {name}: prompt {value.prompt_id!r} has {value.num} / {value.den}, "
            "expected finite numbers; leave out prompts without a value"
        )
    return value.num, value.den


def _cluster_totals(clusters: list[str], cells: list[tuple[float, ...]], width: int) -> Array:
    """Returns (distinct clusters, width): the sums of ``cells`` by cluster, in sorted order."""
    names = {name: row for row, name in enumerate(dict.fromkeys(clusters))}
    totals = np.zeros((len(names), width))
    index = np.array([names[name] for name in clusters], dtype=np.intp)
    np.add.at(totals, index, np.array(cells, dtype=np.float64).reshape(-1, width))
    return totals


def ratio(values: Sequence[Value]) -> float | None:
    """Returns sum(num) / sum(den), None when undefined; exact sums, so in any order."""
    den = math.fsum(v.den for v in values)
    return math.fsum(v.num for v in values) / den if den != 0 else None


def why_null(
    value: float | None, low: float | None, used: Sequence[object], missing: str
) -> str | None:
    """Why a figure or its interval is null, in words; null when neither is."""
    if value is None:
        return "its denominators sum to 0" if used else missing
    return None if low is not None else NO_INTERVAL


def divide(num: Array, den: Array) -> Array:
    """Returns num / den, NaN where den is 0."""
    return np.divide(num, den, out=np.full_like(num, np.nan), where=den != 0)


def _by_prompt(name: str, values: Sequence[Value]) -> dict[str, Value]:
    by_prompt: dict[str, Value] = {}
    for value in values:
        if value.prompt_id in by_prompt:
            raise SrlmError(
                f"metric {name}: two values for prompt {value.prompt_id!r}, expected one; "
                "add them up before pairing"
            )
        by_prompt[value.prompt_id] = value
    return by_prompt
