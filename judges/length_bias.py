"""Does the judge like length for its own sake? Figures that set its scores beside lengths.

The partial correlation is the correlation of the residuals of two regressions on the control
(Fisher 1924, "The distribution of the partial correlation coefficient"), on ranks as Spearman's:

    s, l = centred mid-ranks of score and length among the scored responses of a prompt, over k
    r = sum (s - s_cell)(l - l_cell) / sqrt(sum (s - s_cell)^2 sum (l - l_cell)^2)

A cell is all responses with one human mid-rank in groups of one size k, so the control is the
human rank as a category, with no straight line assumed; s_cell and l_cell are means over a cell.
A judge that scores by human rank and noise gets 0 however much people like long answers. One that
sees quality more finely than the human ranks do may get more than 0 where quality goes with
length: the figure is then what length explains beyond the ranks, not proof of a bias.
"""

from __future__ import annotations

import numpy as np

from judges.ranked_table import RankedTable, blocks, by_prompt, signs
from results.pooled import Codes, Pooled
from results.stats import Array, divide

_PAIRS = "pooled over scored response pairs of unequal length that humans rank apart"
_NO_PAIR = "no scored pair that people rank apart differs in length"


def length_figures(table: RankedTable) -> list[Pooled]:
    """Returns length_bias, longer_preferred and longer_preferred_by_humans.

    | metric | ``n`` counts | ``of`` counts |
    |-|-|-|
    | length_bias | responses in a cell of two or more | ranked responses of prompts with >= 2 |
    | the others | pairs as the convention says | pairs ranked apart |

    Lengths are in characters. Responses without a human rank take no part.
    """
    table = table.only(~np.isnan(table.rank))
    return [_partial_correlation(table), *_longer_preferred(table)]


def _partial_correlation(table: RankedTable) -> Pooled:
    sizes = np.bincount(table.prompt, minlength=len(table.prompt_id))
    of = int(sizes[sizes > 1].sum())
    table = table.only(~np.isnan(table.score))
    length, cell = _mid_ranks(table, table.length), _cells(table)
    score = _mid_ranks(table, table.score)
    # As in spearman, a prompt that one side does not order says nothing.
    orders = np.bincount(table.prompt, np.abs(score), len(sizes)) > 0
    orders &= np.bincount(table.prompt, np.abs(length), len(sizes)) > 0
    rows = orders[table.prompt]
    score, length, prompt = score[rows], length[rows], table.prompt[rows]
    _, cell, members = np.unique(cell[rows], return_inverse=True, return_counts=True)
    score -= (np.bincount(cell, score) / members)[cell]
    length -= (np.bincount(cell, length) / members)[cell]
    # The only member of a cell has no residual.
    told = members[cell] > 1
    score, length, prompt = score[told], length[told], prompt[told]
    cells = np.stack(
        [
            np.bincount(prompt, product, len(sizes))
            for product in (score * length, score * score, length * length)
        ],
        axis=1,
    )
    return table.pooled(
        "length_bias",
        cells.astype(np.float64),
        np.bincount(prompt, minlength=len(sizes)) > 0,
        (len(prompt), of),
        "partial correlation of score and length (mid-ranks in the prompt) given human rank and "
        "group size; constant prompts left out; unscored dropped",
        "no prompt in which both scores and lengths differ shares its human ranks with another",
        _correlation,
        "at equal human rank scores or lengths do not differ",
    )


def _correlation(sums: Array) -> Array:
    # Residuals of a constant differ from 0 in the last bits.
    spread = np.where((sums[:, 1] > 1e-9) & (sums[:, 2] > 1e-9), sums[:, 1] * sums[:, 2], 0.0)
    return np.clip(divide(sums[:, 0], np.sqrt(spread)), -1, 1)


def _mid_ranks(table: RankedTable, values: Array) -> Array:
    """Returns (R,): the centred mid-rank of each value in its prompt, over the group's size."""
    found = np.zeros(len(values))
    for rows in blocks(table.prompt):
        found[rows] = signs(values[rows]).sum(axis=2, dtype=np.int64) / (2 * rows.shape[1])
    return found


def _cells(table: RankedTable) -> Codes:
    """Returns (R,): one code for each human mid-rank in groups of one size."""
    found = np.zeros(len(table.rank), dtype=np.intp)
    largest = int(np.bincount(table.prompt).max(initial=0))
    for rows in blocks(table.prompt):
        twice = signs(table.rank[rows]).sum(axis=2, dtype=np.int64)
        found[rows] = rows.shape[1] * 2 * largest + twice
    return found


def _longer_preferred(table: RankedTable) -> list[Pooled]:
    def figures(rows: Codes) -> Array:
        # Cell (i, j) with i the better response to people; longer: +1 where that is the longer.
        apart = signs(-table.rank[rows]) > 0
        longer, order = signs(table.length[rows]), signs(table.score[rows])
        scored = ~np.isnan(table.score[rows])
        used = apart & (longer != 0) & scored[:, :, None] & scored[:, None, :]
        judge = used * (1 + longer * order) / 2
        sums = [np.where(used, longer > 0, False), judge, used, apart]
        return np.stack([cell.sum(axis=(1, 2), dtype=np.float64) for cell in sums], axis=1)

    people, judge, pairs, apart = by_prompt(table, figures, 4).T
    return [
        table.pooled(
            name,
            np.stack([share, pairs], axis=1),
            pairs > 0,
            (int(pairs.sum()), int(apart.sum())),
            f"share preferring the longer, {_PAIRS}{end}",
            _NO_PAIR,
            share=True,
        )
        for name, share, end in (
            ("longer_preferred", judge, "; tied score = 0.5"),
            ("longer_preferred_by_humans", people, ""),
        )
    ]
