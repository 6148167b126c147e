"""How well a judge's scores agree with human rankings: the metrics of the source paper.

Source: Yuan et al. 2024 (arXiv 2401.10020), judge evaluation; the conventions that it leaves open
(ties, tau-b, averaging, unscored responses) are fixed here and named beside each figure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from judges.pointwise import Key
from judges.ranked_table import Mask, RankedTable, by_prompt, ranked_table, signs
from judges.rankings import RankedPrompt
from results.pooled import Codes, Pooled, pooled_metrics
from results.records import Metric, Value
from results.stats import Array, divide

Whole = NDArray[np.signedinteger]
Unscored = Literal["drop", "wrong", "tie"]

_PAIRS = "pooled over response pairs that humans rank apart; tied score = {tie}; {unscored}"
_CORRELATION = "{kind}, mean over prompts; constant prompts left out; unscored dropped"
CONVENTIONS = {
    "pairwise_accuracy": _PAIRS.replace("{tie}", "wrong"),
    "pairwise_accuracy_half_ties": _PAIRS.replace("{tie}", "0.5"),
    "five_best": "pooled over responses with the top score; human top = best rank of the prompt; "
    "unscored dropped",
    "exact_match": "over prompts with a pair that humans rank apart; tied score = no match; human "
    "ties do not count; {unscored}",
    "spearman": _CORRELATION.replace("{kind}", "rho with mid-ranks"),
    "kendall_tau": _CORRELATION.replace("{kind}", "tau-b"),
}
_NO_PAIR = "no pair that people rank apart has a score on both sides"
_CONSTANT = "scores or ranks are constant in every prompt"
_MISSING = {
    "pairwise_accuracy": _NO_PAIR,
    "pairwise_accuracy_half_ties": _NO_PAIR,
    "five_best": "no ranked response has the top score",
    "exact_match": _NO_PAIR,
    "spearman": _CONSTANT,
    "kendall_tau": _CONSTANT,
}
_UNSCORED = {
    "drop": "unscored dropped",
    "wrong": "unscored = wrong",
    "tie": "unscored = tied score",
}


@dataclass
class MetricValues:
    """A metric's values by prompt, and its coverage ``n`` of ``of`` in its own unit."""

    values: list[Value] = field(default_factory=list)
    n: int = 0
    of: int = 0


@dataclass(frozen=True)
class Part:
    """A metric before pooling: ``num`` / ``den`` of the prompts where ``has`` is true, all (P,)."""

    num: Array
    den: Array
    has: Mask
    n: int
    of: int


def judge_metrics(
    rankings: Sequence[RankedPrompt],
    scores: Mapping[Key, float | None],
    scale: tuple[int, int],
    unscored: Unscored = "drop",
    seed: int = 0,
    rounds: int = 2000,
    confidence: float = 0.95,
) -> tuple[dict[str, Metric], list[Value]]:
    """Returns the judge metrics by name, and the values by prompt behind them.

    Arguments and the meaning of ``n`` and ``of`` as in ``agreement_values``; ``seed``, ``rounds``
    and ``confidence`` as in ``results.stats.ratio_metric`` (resampled by prompt text).
    """
    table = ranked_table(rankings, scores)
    parts = agreement_parts(table, scale[1], unscored)
    metrics = pooled_metrics(agreement_pooled(table, parts, unscored), seed, rounds, confidence)
    return metrics, [v for name, part in parts.items() for v in _values(table, name, part)]


def agreement_values(
    rankings: Sequence[RankedPrompt],
    scores: Mapping[Key, float | None],
    scale: tuple[int, int],
    unscored: Unscored = "drop",
) -> dict[str, MetricValues]:
    """Returns each metric's values by prompt. Responses without a human rank take no part.

    | metric | ``n`` counts | ``of`` counts |
    |-|-|-|
    | pairwise accuracies | pairs ranked apart, both scored | pairs ranked apart |
    | five_best | responses with the top score | those and the unscored, which might have had it |
    | exact_match | prompts with a scored pair ranked apart | prompts with a pair ranked apart |
    | spearman, kendall_tau | prompts neither side of which is constant | prompts with >= 2 ranked |

    Args:
        rankings: the human-ranked prompts.
        scores: mean score by (prompt_id, response_id), finite; None or no entry is unscored.
        scale: lowest and highest score of the judge; five_best needs the highest.
        unscored: what a pair with an unscored response is: ``drop``: left out; ``wrong``: wrong in
            both accuracies; ``tie``: as if the scores were tied. The latter two also make it no
            match in exact_match. The other metrics always leave unscored responses out.
    """
    table = ranked_table(rankings, scores)
    return {
        name: MetricValues(_values(table, name, part), part.n, part.of)
        for name, part in agreement_parts(table, scale[1], unscored).items()
    }


def agreement_pooled(
    table: RankedTable, parts: Mapping[str, Part], unscored: Unscored = "drop"
) -> list[Pooled]:
    """Returns the parts as metrics that want nothing but their intervals."""
    return [
        table.pooled(
            name,
            np.stack([part.num, part.den], axis=1),
            part.has,
            (part.n, part.of),
            CONVENTIONS[name].replace("{unscored}", _UNSCORED[unscored]),
            _MISSING[name],
        )
        for name, part in parts.items()
    ]


def agreement_parts(table: RankedTable, top: float, unscored: Unscored = "drop") -> dict[str, Part]:
    """Returns each metric's numerators and denominators by prompt, all prompts at once.

    Every metric follows from the signs of all differences. With S and H the (k, k) signs of score
    and preference differences, tau-b = sum(S H) / sqrt(sum(S^2) sum(H^2)) (Kendall 1945), and the
    row sums of S are twice the centred mid-ranks, so Spearman's rho is their cosine.

    Args:
        table: the responses; those without a human rank take no part.
        top: the highest score of the judge's scale.
        unscored: as in ``agreement_values``.
    """
    table = table.only(~np.isnan(table.rank))

    def figures(rows: Codes) -> Array:
        return _figures(table.rank[rows], table.score[rows], top, unscored)

    (sizes, apart, pairs, agree, half, fives, best, silent, rho, tau) = by_prompt(
        table, figures, 10
    ).T
    ones = np.ones(len(sizes))
    has_pair, has_five = pairs > 0, fives > 0
    n_pairs, of_pairs, n_fives = int(pairs.sum()), int(apart.sum()), int(fives.sum())
    match = (agree == pairs).astype(np.float64)
    parts = {
        "pairwise_accuracy": Part(agree, pairs, has_pair, n_pairs, of_pairs),
        "pairwise_accuracy_half_ties": Part(half, pairs, has_pair, n_pairs, of_pairs),
        "five_best": Part(best, fives, has_five, n_fives, n_fives + int(silent.sum())),
        "exact_match": Part(match, ones, has_pair, int(has_pair.sum()), int((apart > 0).sum())),
    }
    for name, correlation in (("spearman", rho), ("kendall_tau", tau)):
        # A prompt without a row has 0 there, which is no correlation either.
        has = ~np.isnan(correlation) & (sizes > 0)
        of = int((sizes > 1).sum())
        parts[name] = Part(correlation, ones, has, int(has.sum()), of)
    return parts


def _figures(ranks: Array, scores: Array, top: float, unscored: Unscored) -> Array:
    """Returns (m, 10) figures of m prompts with (m, k) ranks and scores, in the caller's order."""
    scored = ~np.isnan(scores)
    both = scored[:, :, None] & scored[:, None, :]
    prefer, order = signs(-ranks), signs(scores)
    apart = prefer > 0  # holds one of (i, j) and (j, i): the one with i the better response
    used = apart & both if unscored == "drop" else apart
    agree = _count(used & (order > 0))
    ties = _count(used & (order == 0) & (both | (unscored == "tie")))
    at_top = scores == top
    best = ranks == ranks.min(axis=1, keepdims=True)

    prefer = np.where(both, prefer, np.int8(0))
    rho = _cosine(prefer.sum(axis=2, dtype=np.int64), order.sum(axis=2, dtype=np.int64))
    tau = _cosine(prefer, order)
    size = np.full(len(ranks), ranks.shape[1])
    columns = [
        size, _count(apart), _count(used), agree, agree + 0.5 * ties, at_top.sum(axis=1),
        (at_top & best).sum(axis=1), (~scored).sum(axis=1), rho, tau,
    ]  # fmt: skip
    return np.stack(columns, axis=1).astype(np.float64)


def _values(table: RankedTable, name: str, part: Part) -> list[Value]:
    return [
        Value(
            prompt_id=table.prompt_id[i],
            metric=name,
            num=num,
            den=den,
            cluster=table.cluster_name[i],
        )
        for i, num, den in zip(
            np.flatnonzero(part.has).tolist(),
            part.num[part.has].tolist(),
            part.den[part.has].tolist(),
            strict=True,
        )
    ]


def _count(mask: Mask) -> Codes:
    """Returns (m,): how many cells of each prompt's (k, k) are true."""
    return np.asarray(np.count_nonzero(mask, axis=(1, 2)))


def _cosine(a: Whole, b: Whole) -> Array:
    """Returns (m,): the cosine of each prompt's whole numbers, NaN where one side is all zeros."""
    axes = tuple(range(1, a.ndim))

    def product(x: Whole, y: Whole) -> Array:
        return np.asarray((x * y).sum(axis=axes, dtype=np.int64), dtype=np.float64)

    # One root of the product, not a product of roots: then a perfect judge gets 1.0 exactly.
    return divide(product(a, b), np.sqrt(product(a, a) * product(b, b)))
