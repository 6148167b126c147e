"""Rankings and scores side by side in flat arrays: what the metrics of ranked data compute from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from judges.pointwise import Key, cluster_of
from judges.rankings import RankedPrompt
from results.pooled import Codes, Pooled, ratio
from results.stats import Array, Statistic

Signs = NDArray[np.int8]
Mask = NDArray[np.bool_]
BLOCK_CELLS = 4_000_000  # pairs in memory at a time


@dataclass(frozen=True)
class RankedTable:
    """P prompts and their R responses; those of one prompt stand together, in prompt order.

    | of prompts (P,) | | of responses (R,) | |
    |-|-|-|-|
    | ``prompt_id`` | | ``prompt`` | index of its prompt, ascending |
    | ``cluster_name`` | of the prompt's text | ``rank`` | lower is better, NaN is no human rank |
    | ``cluster`` | code, in name order | ``score`` | mean score, NaN is unscored |
    | ``order`` | prompts by cluster, then id | ``length`` | characters of its text |
    | | | ``response_id`` | |
    """

    prompt_id: Sequence[str]
    cluster_name: Sequence[str]
    cluster: Codes
    order: Codes
    prompt: Codes
    response_id: Sequence[str]
    rank: Array
    score: Array
    length: Array

    def only(self, rows: Mask) -> RankedTable:
        """Returns the table with all its prompts and the responses where ``rows`` (R,) is true."""
        ids = [self.response_id[row] for row in np.flatnonzero(rows).tolist()]
        return replace(
            self,
            prompt=self.prompt[rows],
            response_id=ids,
            rank=self.rank[rows],
            score=self.score[rows],
            length=self.length[rows],
        )

    def pooled(
        self,
        name: str,
        cells: Array,
        has: Mask,
        coverage: tuple[int, int],
        convention: str,
        missing: str,
        statistic: Statistic = ratio,
        undefined: str = "its denominators sum to 0",
        share: bool = False,
    ) -> Pooled:
        """Returns a metric from (P, width) ``cells`` of the prompts where ``has`` (P,) is true."""
        rows = self.order[has[self.order]]
        return Pooled(
            name, cells[rows], self.cluster[rows], *coverage, convention, missing, statistic,
            undefined, share,
        )  # fmt: skip


def ranked_table(
    rankings: Sequence[RankedPrompt], scores: Mapping[Key, float | None]
) -> RankedTable:
    """Returns every response of ``rankings`` with its score.

    Args:
        rankings: the human-ranked prompts.
        scores: mean score by (prompt_id, response_id), finite; None or no entry is unscored.
    """
    names = [cluster_of(item.prompt) for item in rankings]
    ids = [item.id for item in rankings]
    _, codes = np.unique(np.array(names, dtype=np.str_), return_inverse=True)
    responses = [response for item in rankings for response in item.responses]
    given = [scores.get((item.id, response.id)) for item in rankings for response in item.responses]
    ranks = [response.rank for response in responses]
    return RankedTable(
        prompt_id=ids,
        cluster_name=names,
        cluster=codes.astype(np.intp),
        order=np.array(sorted(range(len(ids)), key=lambda i: (names[i], ids[i])), dtype=np.intp),
        prompt=np.repeat(np.arange(len(ids)), [len(item.responses) for item in rankings]),
        response_id=[response.id for response in responses],
        rank=np.array(ranks, dtype=np.float64),
        # Means of decimals carry noise in the last bits; a tie is a tie.
        score=np.array(given, dtype=np.float64).round(9),
        length=np.array([len(response.text) for response in responses], dtype=np.float64),
    )


def blocks(prompt: Codes) -> Iterator[Codes]:
    """Yields (m, k) rows: m prompts with k responses each, every prompt with k >= 1 once.

    Equal group sizes are what makes arrays of them; a block holds ``BLOCK_CELLS`` pairs at most
    (one prompt where that alone has more).

    Args:
        prompt: (R,) index of each row's prompt, ascending.
    """
    sizes = np.bincount(prompt)
    starts = np.cumsum(sizes) - sizes
    for size in np.unique(sizes[sizes > 0]):
        begins = starts[sizes == size]
        step = max(1, BLOCK_CELLS // int(size) ** 2)
        for at in range(0, len(begins), step):
            yield begins[at : at + step, None] + np.arange(size)


def signs(values: Array) -> Signs:
    """Returns (m, k, k): the sign of ``values[i] - values[j]`` (m, k); 0 where one is NaN."""
    mine, other = values[:, :, None], values[:, None, :]
    return (mine > other).astype(np.int8) - (mine < other).astype(np.int8)


def places(values: Array) -> Codes:
    """Returns (m, k): the dense place of each value (m, k) in its row, 0 for the lowest."""
    order = np.argsort(values, axis=1, kind="stable")
    steps = np.diff(np.take_along_axis(values, order, axis=1), axis=1) > 0
    found = np.zeros(values.shape, dtype=np.intp)
    np.put_along_axis(found, order[:, 1:], np.cumsum(steps, axis=1), axis=1)
    return found


def by_prompt(table: RankedTable, figures: Callable[[Codes], Array], width: int) -> Array:
    """Returns (P, width): ``figures`` of every block of rows, 0 for prompts without a row.

    Args:
        table: the responses.
        figures: maps (m, k) rows to (m, width).
        width: the number of figures.
    """
    found = np.zeros((len(table.prompt_id), width))
    for rows in blocks(table.prompt):
        found[table.prompt[rows[:, 0]]] = figures(rows)
    return found
