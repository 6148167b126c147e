"""How a judge uses its scale, and whether it agrees with itself from draw to draw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict

from judges.ranked_table import RankedTable
from judges.score_table import ScoreTable
from results.pooled import Codes, Pooled, ratio
from results.stats import Array

DISTINCT = 21  # this many different scores are counted one by one, more in 20 equal bins
_NO_PAIRS = "no response has two scored draws"


class Bin(BaseModel):
    """``n`` scored draws from ``low`` to below ``high`` (the last: to ``high``), or all equal."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Draws:
    """The judge's single draws: ``row`` (N,) of the table, ``score`` (N,), NaN when unscored."""

    row: Codes
    score: Array


def draws_of(table: RankedTable, scores: ScoreTable) -> Draws:
    """Returns the draws of the table's responses; those of other responses are left out."""
    ids = zip(table.prompt.tolist(), table.response_id, strict=True)
    rows = {(table.prompt_id[prompt], response): row for row, (prompt, response) in enumerate(ids)}
    found = np.array([rows.get(key, -1) for key in scores.keys], dtype=np.intp)[scores.response]
    return Draws(found[found >= 0], scores.score[found >= 0].round(9))


def histogram(draws: Draws, scale: tuple[int, int]) -> tuple[list[Bin], Codes]:
    """Returns the bins, and the bin of each scored draw in their order.

    Up to ``DISTINCT`` different scores have a bin each; more fall into 20 equal bins of the scale
    (what lies outside it into the first and the last).
    """
    scored = draws.score[~np.isnan(draws.score)]
    values, index = np.unique(scored, return_inverse=True)
    edges = np.linspace(*scale, DISTINCT)
    if len(values) > DISTINCT:
        index = np.clip(np.searchsorted(edges, scored, side="right") - 1, 0, DISTINCT - 2)
        lows, highs = edges[:-1], edges[1:]
    else:
        lows = highs = values
    counts = np.bincount(index, minlength=len(lows))
    rows = zip(lows.tolist(), highs.tolist(), counts.tolist(), strict=True)
    return [Bin(low=low, high=high, n=n) for low, high, n in rows], index


def spread_figures(table: RankedTable, draws: Draws, scale: tuple[int, int]) -> list[Pooled]:
    """Returns score_entropy, share_at_top, self_consistency and draw_sd.

    | metric | unit | ``n`` counts | ``of`` counts |
    |-|-|-|-|
    | score_entropy | bits, 0 to log2 of the bins | scored draws | draws |
    | share_at_top | share of responses | scored responses | responses |
    | self_consistency | share of draw pairs | pairs of scored draws | pairs of draws |
    | draw_sd | points of the scale | responses with two scored draws | with two draws |
    """
    return [_entropy(table, draws, scale), _top(table, scale), *_consistency(table, draws)]


def _entropy(table: RankedTable, draws: Draws, scale: tuple[int, int]) -> Pooled:
    bins, index = histogram(draws, scale)
    prompts, scored = len(table.prompt_id), ~np.isnan(draws.score)
    width = max(1, len(bins))
    cell = table.prompt[draws.row[scored]] * width + index
    counts = np.bincount(cell, minlength=prompts * width).reshape(prompts, width)
    return table.pooled(
        "score_entropy",
        counts.astype(np.float64),
        counts.sum(axis=1) > 0,
        (int(scored.sum()), len(scored)),
        "bits of the histogram of scored draws; unscored dropped",
        "no draw is scored",
        _bits,
    )


def _bits(sums: Array) -> Array:
    """The entropy of each row of counts (Shannon 1948), the plain estimate."""
    total = sums.sum(axis=1, keepdims=True)
    share = np.divide(sums, total, out=np.zeros_like(sums), where=total > 0)
    logs = np.log2(share, out=np.zeros_like(share), where=share > 0)
    return np.where(total[:, 0] > 0, -(share * logs).sum(axis=1) + 0.0, np.nan)


def _top(table: RankedTable, scale: tuple[int, int]) -> Pooled:
    prompts, scored = len(table.prompt_id), ~np.isnan(table.score)
    top = np.bincount(table.prompt, table.score == scale[1], prompts)
    den = np.bincount(table.prompt, scored, prompts)
    return table.pooled(
        "share_at_top",
        np.stack([top, den], axis=1),
        den > 0,
        (int(scored.sum()), len(scored)),
        "responses whose mean score is the top of the scale; unscored dropped",
        "no response is scored",
        share=True,
    )


def _consistency(table: RankedTable, draws: Draws) -> list[Pooled]:
    prompts, responses = len(table.prompt_id), len(table.prompt)
    scored = ~np.isnan(draws.score)
    row, score = draws.row[scored], draws.score[scored]
    asked = np.bincount(draws.row, minlength=responses)
    given = np.bincount(row, minlength=responses)

    def prompt_sums(values: Array | Codes) -> Array:
        return np.asarray(np.bincount(table.prompt, values, prompts), dtype=np.float64)

    order = np.lexsort((score, row))
    row, score = row[order], score[order]
    # Runs of equal scores of one response; a run of c holds c (c - 1) / 2 equal pairs.
    starts = np.flatnonzero(
        np.r_[np.ones(min(1, len(row)), bool), (np.diff(row) != 0) | (np.diff(score) != 0)]
    )
    runs = np.diff(np.r_[starts, len(row)])
    equal = prompt_sums(np.bincount(row[starts], _pairs(runs), responses))
    pairs = prompt_sums(_pairs(given))

    mean = np.bincount(row, score, responses) / np.maximum(given, 1)
    # A mean of equal draws differs from them in the last bit, which is no spread.
    off = (score - mean[row]).round(9)
    squares = prompt_sums(np.bincount(row, off * off, responses))
    free = prompt_sums(np.maximum(given - 1, 0))
    return [
        table.pooled(
            "self_consistency",
            np.stack([equal, pairs], axis=1),
            pairs > 0,
            (int(pairs.sum()), int(_pairs(asked).sum())),
            "share of pairs of draws of one response with the same score; unscored dropped",
            _NO_PAIRS,
            share=True,
        ),
        table.pooled(
            "draw_sd",
            np.stack([squares, free], axis=1),
            free > 0,
            (int((given > 1).sum()), int((asked > 1).sum())),
            "standard deviation of the draws within a response, pooled (n - 1); unscored dropped",
            _NO_PAIRS,
            _root_of_ratio,
        ),
    ]


def _root_of_ratio(sums: Array) -> Array:
    return np.sqrt(ratio(sums))


def _pairs(counts: Codes) -> Array:
    """Returns the number of pairs among each of ``counts`` things."""
    return (counts * (counts - 1) / 2).astype(np.float64)
