"""The judge metrics prompt by prompt, in a loop: the reference of the vectorised ones in tests.

Every number, its interval and its coverage must come out the same, to the last bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from judges.agreement import _MISSING, _UNSCORED, CONVENTIONS, MetricValues, Unscored
from judges.pointwise import Key, cluster_of
from judges.rankings import RankedPrompt
from results.records import Metric, Value
from results.stats import Array, ratio_metric


@dataclass(frozen=True)
class Figure:
    """One prompt's part in a metric: ``num`` / ``den``, None when the prompt has no value.

    ``n`` and ``of`` count in the metric's own unit what was used and what could have been.
    """

    ratio: tuple[float, float] | None
    n: int
    of: int


def slow_metrics(
    rankings: Sequence[RankedPrompt],
    scores: Mapping[Key, float | None],
    top: float,
    unscored: Unscored,
    seed: int = 0,
    rounds: int = 2000,
) -> tuple[dict[str, Metric], list[Value]]:
    """As ``judges.agreement.judge_metrics``."""
    metrics = {}
    values = []
    for name, part in slow_values(rankings, scores, top, unscored).items():
        convention = CONVENTIONS[name].replace("{unscored}", _UNSCORED[unscored])
        metric = ratio_metric(
            name, part.values, part.of, convention, seed, rounds, missing=_MISSING[name]
        )
        # ratio_metric counts prompts; coverage is in the metric's own unit.
        metrics[name] = metric.model_copy(update={"n": part.n, "of": part.of})
        values += part.values
    return metrics, values


def slow_values(
    rankings: Sequence[RankedPrompt],
    scores: Mapping[Key, float | None],
    top: float,
    unscored: Unscored = "drop",
) -> dict[str, MetricValues]:
    """As ``judges.agreement.agreement_values``."""
    found = {name: MetricValues() for name in CONVENTIONS}
    for item in rankings:
        ranked = [(r.id, r.rank) for r in item.responses if r.rank is not None]
        ranks = np.array([rank for _, rank in ranked], dtype=np.float64)
        given = np.array([scores.get((item.id, rid)) for rid, _ in ranked], dtype=np.float64)
        cluster = cluster_of(item.prompt)
        for name, figure in prompt_figures(ranks, given, top, unscored).items():
            part = found[name]
            part.n += figure.n
            part.of += figure.of
            if figure.ratio:
                num, den = figure.ratio
                part.values.append(
                    Value(prompt_id=item.id, metric=name, num=num, den=den, cluster=cluster)
                )
    return found


def prompt_figures(
    ranks: Array, scores: Array, top: float, unscored: Unscored = "drop"
) -> dict[str, Figure]:
    """Returns one prompt's part in each metric.

    Every metric follows from the signs of all differences. With S and H the (k, k) signs of score
    and preference differences, tau-b = sum(S H) / sqrt(sum(S^2) sum(H^2)) (Kendall 1945), and the
    row sums of S are twice the centred mid-ranks, so Spearman's rho is their cosine.

    Args:
        ranks: (k,) human ranks, lower is better.
        scores: (k,) mean scores, NaN is unscored.
        top: the highest score of the judge's scale.
        unscored: as in ``agreement_values``.
    """
    # Means of decimals carry noise in the last bits; a tie is a tie.
    scores = np.round(scores, 9)
    scored = ~np.isnan(scores)
    both = scored[:, None] & scored[None, :]
    prefer = np.sign(ranks[None, :] - ranks[:, None])
    order = np.where(both, np.sign(scores[:, None] - scores[None, :]), 0.0)

    apart = prefer > 0  # holds one of (i, j) and (j, i): the one with i the better response
    used = apart & both if unscored == "drop" else apart
    agree, pairs = int((used & (order > 0)).sum()), int(used.sum())
    ties = int((used & (order == 0) & (both | (unscored == "tie"))).sum())
    ratio = (float(agree), float(pairs)) if pairs else None
    half = (agree + 0.5 * ties, float(pairs)) if pairs else None
    match = float(agree == pairs) if pairs else None

    at_top = scores == top
    n_top = int(at_top.sum())
    n_best = int((at_top & (ranks == ranks.min())).sum()) if n_top else 0

    prefer = np.where(both, prefer, 0.0)
    tau = _cosine(prefer.ravel(), order.ravel())
    rho = _cosine(prefer.sum(axis=1), order.sum(axis=1))
    of_pairs, enough = int(apart.sum()), int(len(ranks) > 1)
    return {
        "pairwise_accuracy": Figure(ratio, pairs, of_pairs),
        "pairwise_accuracy_half_ties": Figure(half, pairs, of_pairs),
        "five_best": Figure(
            (float(n_best), float(n_top)) if n_top else None, n_top, n_top + int((~scored).sum())
        ),
        "exact_match": _per_prompt(match, int(of_pairs > 0)),
        "spearman": _per_prompt(rho, enough),
        "kendall_tau": _per_prompt(tau, enough),
    }


def _per_prompt(value: float | None, of: int) -> Figure:
    """A figure whose unit is the prompt."""
    return Figure(None, 0, of) if value is None else Figure((value, 1.0), 1, of)


def _cosine(a: Array, b: Array) -> float | None:
    """Returns the cosine of two vectors of small whole numbers, None when one is all zeros."""
    # One root of the product, not a product of roots: then a perfect judge gets 1.0 exactly.
    scale = float(a @ a) * float(b @ b)
    return float(a @ b) / float(np.sqrt(scale)) if scale > 0 else None
