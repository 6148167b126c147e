"""What a judge's scores of one iteration's candidates look like, and the pairs made of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from judges.pointwise import Key, Score
from judges.selection import NOISE
from results.diversity import repeats
from results.monitors import Bar
from results.pooled import Pooled, prompt_ratio
from results.records import Candidate, Judgment, Pair, Value
from results.stats import Array, divide

BARS = 10  # a judge's scale has more steps than that at most when it is finer than a point

Clusters = Mapping[str, str]  # prompt id -> what is resampled


def bars(scores: Iterable[float], scale: tuple[int, int]) -> list[Bar]:
    """Returns the histogram of ``scores``: half points on a scale up to five points, else ten
    bars; what lies outside the scale falls into the first and the last.
    """
    low, high = scale
    count = 2 * (high - low) if high - low <= BARS // 2 else BARS
    edges = np.linspace(low, high, count + 1)
    given = np.clip(np.fromiter(scores, np.float64), low, high)
    # Means of decimals carry rounding noise: 3.9999999 belongs to 4.
    counts, _ = np.histogram(np.minimum(given + NOISE, high), edges)
    rows = zip(edges[:-1].tolist(), edges[1:].tolist(), counts.tolist(), strict=True)
    return [Bar(low=a, high=b, n=n) for a, b, n in rows]


def self_score_figures(
    scores: Mapping[Key, Score], judgments: Sequence[Judgment], clusters: Clusters, top: float
) -> list[Pooled]:
    """Returns the figures of the scores that the candidates got.

    | figure | unit | ``n`` of ``of`` counts |
    |-|-|-|
    | self_score | points of the judge's scale | candidates with a score of those judged |
    | share_at_top | share | the same |
    | within_prompt_sd | points | prompts with two scored candidates of those judged |
    | prompts_tied | share | the same |
    | unscored_rate | share | single judgments |

    Args:
        scores: of the judged candidates.
        judgments: the single ones behind them.
        clusters: of every judged prompt.
        top: of the judge's scale.
    """
    groups: dict[str, list[float | None]] = {}
    for (prompt, _), score in scores.items():
        groups.setdefault(prompt, []).append(score.mean)
    given = {prompt: [m for m in means if m is not None] for prompt, means in groups.items()}
    draws: dict[str, list[bool]] = {}
    for judgment in judgments:
        draws.setdefault(judgment.prompt_id, []).append(judgment.score is None)
    several = {prompt: means for prompt, means in given.items() if len(means) > 1}
    scored, spread = (sum(map(len, given.values())), len(scores)), (len(several), len(groups))
    return [
        _figure("self_score", {p: (math.fsum(m), len(m)) for p, m in given.items()}, clusters,
                scored, "mean of the candidates' mean scores"),
        _figure("share_at_top",
                {p: (sum(x >= top - NOISE for x in m), len(m)) for p, m in given.items()}, clusters,
                scored, "share of scored candidates whose mean score is the top of the scale",
                share=True),
        _figure("within_prompt_sd", {p: (float(np.std(m)), 1) for p, m in several.items()},
                clusters, spread,
                "mean over prompts of the standard deviation of their candidates' scores"),
        _figure("prompts_tied", {p: (max(m) - min(m) <= NOISE, 1) for p, m in several.items()},
                clusters, spread, "share of prompts whose scored candidates all have one score",
                share=True),
        _figure("unscored_rate", {p: (sum(d), len(d)) for p, d in draws.items()}, clusters,
                (len(judgments), len(judgments)), "share of single judgments without a score",
                share=True),
    ]  # fmt: skip


def pair_figures(pairs: Sequence[Pair], kept: Sequence[str], clusters: Clusters) -> list[Pooled]:
    """Returns pair_yield, score_gap (points), length_gap (characters) and chosen_longer.

    Args:
        pairs: at most one a prompt.
        kept: the prompts that could give one.
        clusters: of those.
    """
    found = {pair.prompt_id: pair for pair in pairs}
    gap = {p: len(pair.chosen) - len(pair.rejected) for p, pair in found.items()}
    paired = (len(found), len(pairs))
    return [
        _figure("pair_yield", {p: (p in found, 1) for p in kept}, clusters, (len(kept), len(kept)),
                "share of kept prompts that give a preference pair", share=True),
        _figure("score_gap", {p: (pair.margin, 1) for p, pair in found.items()}, clusters, paired,
                "chosen minus rejected mean score"),
        _figure("length_gap", {p: (g, 1) for p, g in gap.items()}, clusters, paired,
                "chosen minus rejected, characters"),
        _figure("chosen_longer", {p: ((g > 0) + (g == 0) / 2, 1) for p, g in gap.items()}, clusters,
                paired,
                "share of pairs whose chosen answer is the longer; equal length counts half",
                share=True),
    ]  # fmt: skip


def text_figures(candidates: Sequence[Candidate], clusters: Clusters) -> list[Pooled]:
    """Returns candidate_length (characters), repeated and unterminated, over all candidates."""
    groups: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        groups.setdefault(candidate.prompt_id, []).append(candidate)
    again = repeats([[c.text for c in group] for group in groups.values()])
    repeated = dict(zip(groups, again, strict=True))
    every = (len(candidates), len(candidates))
    return [
        _figure("candidate_length", {p: (sum(len(c.text) for c in g), len(g))
                                     for p, g in groups.items()}, clusters,
                every, "mean length of the candidates, characters"),
        _figure("repeated", {p: (repeated[p], len(g)) for p, g in groups.items()}, clusters,
                every, "share of candidates that repeat another of their prompt", share=True),
        _figure("unterminated", {p: (sum(c.finish_reason != "stop" for c in g), len(g))
                                 for p, g in groups.items()}, clusters,
                every, "share of candidates that did not end by themselves", share=True),
    ]  # fmt: skip


def change(name: str, after: Pooled, before: Pooled, convention: str) -> Pooled:
    """Returns the difference of two ratios over prompts of two iterations, which are different
    ones: both sides are resampled, not paired.
    """
    cells = np.vstack(
        [np.pad(after.cells, ((0, 0), (0, 2))), np.pad(before.cells, ((0, 0), (2, 0)))]
    )
    shift = int(after.cluster.max(initial=-1)) + 1
    cluster = np.concatenate([after.cluster, before.cluster + shift])
    return Pooled(name, cells, cluster, after.n, after.of, convention, "a side has no value",
                  _difference, "a side has no value")  # fmt: skip


def _difference(sums: Array) -> Array:
    return divide(sums[:, 0], sums[:, 1]) - divide(sums[:, 2], sums[:, 3])


def _figure(name: str, rows: Mapping[str, tuple[float, float]], clusters: Clusters,
            coverage: tuple[int, int], convention: str, share: bool = False) -> Pooled:  # fmt: skip
    """A ratio of sums over prompts; a prompt that has nothing to divide by is left out.

    Args:
        name: of the figure.
        rows: numerator and denominator by prompt.
        clusters: of those prompts.
        coverage: ``n`` and ``of``.
        convention: what the figure is.
        share: whether it is one.
    """
    values = [
        Value(prompt_id=p, metric=name, num=float(num), den=float(den), cluster=clusters[p])
        for p, (num, den) in rows.items()
        if den
    ]
    return prompt_ratio(name, values, *coverage, convention, share=share)
