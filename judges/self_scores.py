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
    n, of = sum(map(len, given.values())), len(scores)
    several = {prompt: means for prompt, means in given.items() if len(means) > 1}

    def figure(name: str, rows: Mapping[str, tuple[float, float]], n: int, of: int, what: str,
               share: bool = False) -> Pooled:  # fmt: skip
        return prompt_ratio(name, _values(name, rows, clusters), n, of, what, share=share)

    return [
        figure("self_score", {p: (math.fsum(m), len(m)) for p, m in given.items()}, n, of,
               "mean of the candidates' mean scores"),
        figure("share_at_top",
               {p: (sum(x >= top - NOISE for x in m), len(m)) for p, m in given.items()}, n, of,
               "share of scored candidates whose mean score is the top of the scale", True),
        figure("within_prompt_sd", {p: (float(np.std(m)), 1) for p, m in several.items()},
               len(several), len(groups),
               "mean over prompts of the standard deviation of their candidates' scores"),
        figure("prompts_tied",
               {p: (max(m) - min(m) <= NOISE, 1) for p, m in several.items()},
               len(several), len(groups),
               "share of prompts whose scored candidates all have one score", True),
        figure("unscored_rate", {p: (sum(d), len(d)) for p, d in draws.items()},
               len(judgments), len(judgments), "share of single judgments without a score", True),
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

    def figure(name: str, rows: Mapping[str, float], what: str, share: bool = False) -> Pooled:
        cells = {p: (value, 1.0) for p, value in rows.items()}
        of = len(kept) if name == "pair_yield" else len(pairs)
        return prompt_ratio(name, _values(name, cells, clusters), len(rows), of, what, share=share)

    return [
        figure("pair_yield", {p: p in found for p in kept}, "share of kept prompts that give a "
               "preference pair", True),
        figure("score_gap", {p: pair.margin for p, pair in found.items()},
               "chosen minus rejected mean score"),
        figure("length_gap", gap, "chosen minus rejected, characters"),
        figure("chosen_longer", {p: (g > 0) + (g == 0) / 2 for p, g in gap.items()},
               "share of pairs whose chosen answer is the longer; equal length counts half", True),
    ]  # fmt: skip


def text_figures(candidates: Sequence[Candidate], clusters: Clusters) -> list[Pooled]:
    """Returns candidate_length (characters), repeated and unterminated, over all candidates."""
    groups: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        groups.setdefault(candidate.prompt_id, []).append(candidate)
    again = repeats([[c.text for c in group] for group in groups.values()])
    open_ended = {p: sum(c.finish_reason != "stop" for c in g) for p, g in groups.items()}
    length = {p: sum(len(c.text) for c in g) for p, g in groups.items()}

    def figure(name: str, sums: Mapping[str, float], what: str, share: bool = False) -> Pooled:
        cells = {p: (value, float(len(groups[p]))) for p, value in sums.items()}
        n = len(candidates)
        return prompt_ratio(name, _values(name, cells, clusters), n, n, what, share=share)

    return [
        figure("candidate_length", length, "mean length of the candidates, characters"),
        figure("repeated", dict(zip(groups, again, strict=True)),
               "share of candidates that repeat another of their prompt", True),
        figure("unterminated", open_ended, "share of candidates that did not end by themselves",
               True),
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


def _values(
    name: str, rows: Mapping[str, tuple[float, float]], clusters: Clusters
) -> list[Value]:  # fmt: skip
    return [
        Value(prompt_id=p, metric=name, num=float(num), den=float(den), cluster=clusters[p])
        for p, (num, den) in rows.items()
        if den
    ]
