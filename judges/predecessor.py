"""A judge against the one before it, on the same held-out responses: no extra call."""

from __future__ import annotations

import math
from collections.abc import Mapping

from judges.pointwise import Key, Score
from results.pooled import Pooled, prompt_ratio
from results.records import Value


def predecessor_figures(
    after: Mapping[Key, Score], before: Mapping[Key, Score], clusters: Mapping[str, str]
) -> list[Pooled]:
    """Returns judge_tau and judge_inflation between two judges' scores of the same responses.

    judge_tau is the mean over prompts of Kendall's tau-b between the two; prompts on which a side
    is constant or that have fewer than two responses with both scores are left out, and counted
    out of the coverage. judge_inflation is the mean of the later score minus the earlier, in points
    of the scale, over the responses that both scored.

    Args:
        after: scores by the later judge.
        before: by the earlier one.
        clusters: what is resampled, by prompt id.
    """
    groups: dict[str, list[tuple[float, float]]] = {}
    shared = after.keys() & before.keys()
    for key in sorted(shared):
        new, old = after[key].mean, before[key].mean
        scores = groups.setdefault(key[0], [])
        if new is not None and old is not None:
            # Means of decimals carry rounding noise, which is no order.
            scores.append((round(new, 9), round(old, 9)))
    tau = {p: found for p, scores in groups.items() if (found := _tau(scores)) is not None}
    moved = {p: math.fsum(new - old for new, old in scores) for p, scores in groups.items()}
    both = sum(map(len, groups.values()))
    return [
        prompt_ratio(
            "judge_tau",
            [
                Value(prompt_id=p, metric="judge_tau", num=t, cluster=clusters[p])
                for p, t in tau.items()
            ],
            len(tau),
            len(groups),
            "mean per-prompt Kendall tau-b with the judge before, same held-out responses",
            "no prompt has two responses that both judges score apart",
        ),
        prompt_ratio(
            "judge_inflation",
            [
                Value(
                    prompt_id=p,
                    metric="judge_inflation",
                    num=sum_,
                    den=len(groups[p]),
                    cluster=clusters[p],
                )
                for p, sum_ in moved.items()
                if groups[p]
            ],
            both,
            len(shared),
            "mean score minus that of the judge before, same held-out responses",
            "no response has a score of both judges",
        ),
    ]


def _tau(scores: list[tuple[float, float]]) -> float | None:
    """Kendall's tau-b; null where it is undefined."""
    if len(scores) < 2 or any(len(set(side)) < 2 for side in zip(*scores, strict=True)):
        return None
    from scipy.stats import kendalltau  # scipy takes a while to load

    return float(kendalltau(*zip(*scores, strict=True)).statistic)
