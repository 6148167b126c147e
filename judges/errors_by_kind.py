"""On which pairs a judge is wrong: by rank gap, by category, on its own answers, and where most."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from judges.ranked_table import Mask, RankedTable, by_prompt, places, signs
from results.pooled import Codes, Pooled
from results.stats import Array, divide

GAPS = {"gap_1": (1, 1), "gap_2": (2, 2), "gap_3_or_more": (3, None)}
_PAIRS = "pooled over scored response pairs that humans rank apart; tied score = wrong"
_NO_PAIR = "no pair that people rank apart has a score on both sides"
_OWN = "pooled over scored pairs of an own and another response"


class WorstPrompt(BaseModel):
    """A prompt on which the judge is wrong. Of ``pairs`` scored pairs that humans rank apart it
    turns ``reversed`` round and ties ``tied``.

    ``margin`` is the mean over these pairs of how far it puts the worse response above the better
    one (0 where it does not), in points of its scale. ``human_best`` and ``judge_best`` are the
    first response at the top for each, by id.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    prompt_id: str
    pairs: int
    reversed: int
    tied: int
    margin: float
    human_best: str
    judge_best: str


def gap_figures(table: RankedTable) -> list[Pooled]:
    """Returns the pairwise accuracy by how many places apart people put the two.

    Places are dense among a prompt's ranked responses: ranks that nobody has do not count.
    ``n`` counts scored pairs of that gap, ``of`` all of them.
    """
    table = table.only(~np.isnan(table.rank))

    def figures(rows: Codes) -> Array:
        place = places(table.rank[rows])
        gap = place[:, None, :] - place[:, :, None]  # cell (i, j), i the better where > 0
        right, both = _right(table, rows)
        sums = []
        for low, high in GAPS.values():
            here = (gap >= low) & (gap <= (gap if high is None else high))
            sums += [here & right, here & both, here]
        return np.stack([np.count_nonzero(cell, axis=(1, 2)) for cell in sums], axis=1)

    found = by_prompt(table, figures, 3 * len(GAPS))
    return [
        _accuracy(table, f"pairwise_accuracy_{name}", found[:, 3 * i : 3 * i + 3])
        for i, name in enumerate(GAPS)
    ]


def category_figures(table: RankedTable, categories: Sequence[str | None]) -> list[Pooled]:
    """Returns the pairwise accuracy of each category, named by it; prompts without one left out.

    Args:
        table: the responses.
        categories: (P,) the category of each prompt.
    """
    names = sorted({category for category in categories if category is not None})
    if not names:
        return []
    code = {name: i for i, name in enumerate(names)}
    codes = np.array([-1 if name is None else code[name] for name in categories])
    found = _pair_counts(table.only(~np.isnan(table.rank)))
    return [
        _accuracy(table, name, np.where((codes == i)[:, None], found, 0.0))
        for i, name in enumerate(names)
    ]


def own_figures(table: RankedTable, own: Mask) -> list[Pooled]:
    """Returns self_preference and, beside it, how often own responses win with judge and people.

    self_preference is the share of pairs that the judge gets right where people prefer its own
    response, minus that share where they prefer the other (equal opportunity: Wataoka et al. 2024,
    arXiv 2410.21819); a tied score is half right. 0 is fair, above 0 favours itself.

    Args:
        table: the responses; those without a human rank take no part.
        own: (R,) whether the judge's own model wrote it.
    """
    ranked = ~np.isnan(table.rank)
    table, own = table.only(ranked), own[ranked]

    def figures(rows: Codes) -> Array:
        mine = own[rows]
        pair = mine[:, :, None] & ~mine[:, None, :]  # cell (i, j): i own, j another's
        scored = ~np.isnan(table.score[rows])
        used = pair & scored[:, :, None] & scored[:, None, :]
        judge = (1 + signs(table.score[rows])) / 2  # 1: the judge prefers its own
        people = (1 - signs(table.rank[rows])) / 2
        better, worse = used & (people == 1), used & (people == 0)
        sums = [better * judge, better, worse * (1 - judge), worse]
        sums += [used * judge, used * people, used, pair]
        return np.stack([cell.sum(axis=(1, 2), dtype=np.float64) for cell in sums], axis=1)

    found = by_prompt(table, figures, 8)
    judge, people, used, pairs = found[:, 4:].T
    apart = found[:, 1] + found[:, 3]
    coverage = int(used.sum()), int(pairs.sum())
    missing = "no scored pair of an own response and another"
    return [
        table.pooled(
            "self_preference",
            found[:, :4],
            apart > 0,
            (int(apart.sum()), int(pairs.sum())),
            f"right where humans prefer the own minus right where they prefer the other; {_OWN} "
            "that humans rank apart; tied score = 0.5",
            missing,
            lambda sums: divide(sums[:, 0], sums[:, 1]) - divide(sums[:, 2], sums[:, 3]),
            "people never prefer the own response, or always",
        ),
        *(
            table.pooled(
                name,
                np.stack([share, used], axis=1),
                used > 0,
                coverage,
                f"share preferring the own; {_OWN}; tie = 0.5",
                missing,
                share=True,
            )
            for name, share in (("own_preferred", judge), ("own_preferred_by_humans", people))
        ),
    ]


def worst_prompts(table: RankedTable, most: int) -> list[WorstPrompt]:
    """Returns up to ``most`` prompts with a reversed pair, largest margin first.

    Equal margins: the larger share of reversed pairs first, then by prompt id.
    """
    table = table.only(~np.isnan(table.rank))

    def figures(rows: Codes) -> Array:
        score = table.score[rows]
        over = score[:, None, :] - score[:, :, None]  # cell (i, j): how far j is above i
        used = (signs(-table.rank[rows]) > 0) & ~np.isnan(over)
        cells = [used, used & (over > 0), used & (over == 0), np.where(used & (over > 0), over, 0)]
        return np.stack([cell.sum(axis=(1, 2), dtype=np.float64) for cell in cells], axis=1)

    pairs, turned, tied, margin = by_prompt(table, figures, 4).T
    mean = divide(margin, pairs)
    at = np.flatnonzero(turned > 0).tolist()
    at.sort(key=lambda p: (-mean[p], -turned[p] / pairs[p], table.prompt_id[p]))
    return [
        WorstPrompt(
            prompt_id=table.prompt_id[p],
            pairs=int(pairs[p]),
            reversed=int(turned[p]),
            tied=int(tied[p]),
            margin=float(mean[p]),
            human_best=_best(table, p, -table.rank),
            judge_best=_best(table, p, table.score),
        )
        for p in at[:most]
    ]


def _best(table: RankedTable, prompt: int, value: Array) -> str:
    rows = np.flatnonzero((table.prompt == prompt) & ~np.isnan(value))
    return min(table.response_id[row] for row in rows.tolist() if value[row] == value[rows].max())


def _right(table: RankedTable, rows: Codes) -> tuple[Mask, Mask]:
    """Returns (m, k, k): whether the judge puts i above j, and whether both have a score."""
    scored = ~np.isnan(table.score[rows])
    return signs(table.score[rows]) > 0, scored[:, :, None] & scored[:, None, :]


def _pair_counts(table: RankedTable) -> Array:
    """Returns (P, 3): pairs ranked apart that are right, that are scored, and all of them."""

    def figures(rows: Codes) -> Array:
        apart = signs(-table.rank[rows]) > 0
        right, both = _right(table, rows)
        cells = [apart & right, apart & both, apart]
        return np.stack([np.count_nonzero(cell, axis=(1, 2)) for cell in cells], axis=1)

    return by_prompt(table, figures, 3)


def _accuracy(table: RankedTable, name: str, counts: Array) -> Pooled:
    """Returns an accuracy from (P, 3) right, scored and all pairs."""
    coverage = int(counts[:, 1].sum()), int(counts[:, 2].sum())
    return table.pooled(
        name,
        counts[:, :2],
        counts[:, 1] > 0,
        coverage,
        f"{_PAIRS}; unscored dropped",
        _NO_PAIR,
        share=True,
    )
