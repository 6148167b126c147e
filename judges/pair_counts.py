"""Labelled pairs and a judge's verdicts on them, joined and as arrays; and what is odd in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from judges.labels import LabelledPair
from judges.pointwise import prompt_text
from results.errors import SrlmError
from results.records import PairJudgment
from results.stats import Array
from results.text import excerpt

Annotators = Literal["each", "majority"]

CLASSES = ("first", "second", "tie")
UNSCORED, NOT_ASKED = 3, -1  # codes of a verdict beside 0, 1, 2 for CLASSES
_CODE: dict[str | None, int] = {name: code for code, name in enumerate(CLASSES)} | {None: UNSCORED}


@dataclass(frozen=True)
class Verdicts:
    """A judge's verdicts: one row for every (pair, draw) that was asked in either order.

    ``codes`` is (rows, 2), the orders AB and BA: an index into CLASSES, UNSCORED or NOT_ASKED.
    ``pair`` is (rows,), each row's index into the labelled pairs. Rows are sorted by pair.
    """

    pair: NDArray[np.intp]
    codes: NDArray[np.int8]


def label_counts(pairs: Sequence[LabelledPair], annotators: Annotators = "each") -> Array:
    """Returns (pairs, 3): how many comparisons with each label of CLASSES a pair gives.

    ``each``: every label is one; ``majority``: the most frequent label is the only one, and a pair
    whose most frequent labels are tied gives none.
    """
    codes = [(row, _CODE[given.label]) for row, pair in enumerate(pairs) for given in pair.labels]
    counts = np.zeros((len(pairs), len(CLASSES)))
    np.add.at(counts, tuple(np.array(codes, dtype=np.intp).reshape(-1, 2).T), 1.0)
    if annotators == "each":
        return counts
    top = counts == counts.max(axis=1, keepdims=True)
    alone: Array = (top & (top.sum(axis=1, keepdims=True) == 1)).astype(np.float64)
    return alone


def verdicts(pairs: Sequence[LabelledPair], judgments: Iterable[PairJudgment]) -> Verdicts:
    """Returns the verdicts on ``pairs``. Of two judgments of one call the first counts.

    Judgments of other pairs are left out; ``pair_notes`` says so.

    Raises:
        SrlmError: two pairs have one id.
    """
    rows = _rows(pairs)
    found: dict[tuple[int, int], list[int]] = {}
    for judgment in judgments:
        row = rows.get(judgment.prompt_id)
        if row is None:
            continue
        orders = found.setdefault((row, judgment.draw), [NOT_ASKED, NOT_ASKED])
        order = 0 if judgment.order == "AB" else 1
        if orders[order] == NOT_ASKED:
            orders[order] = _CODE[judgment.verdict]
    keys = sorted(found)
    return Verdicts(
        np.array([row for row, _ in keys], dtype=np.intp),
        np.array([found[key] for key in keys], dtype=np.int8).reshape(-1, 2),
    )


def pair_notes(pairs: Sequence[LabelledPair], judgments: Iterable[PairJudgment] = ()) -> list[str]:
    """Returns what is odd in the data, one line a kind: how many, the first, what is done."""
    rows = _rows(pairs)
    asked = Counter((j.prompt_id, j.order, j.draw) for j in judgments)
    stray = [key for key in asked if key[0] not in rows]
    twice = [key for key, n in asked.items() if n > 1 and key[0] in rows]
    blank = [pair.id for pair in pairs if not (pair.first.strip() and pair.second.strip())]
    alike = [pair.id for pair in pairs if pair.first == pair.second]
    texts: dict[tuple[str, str, str], str] = {}
    again = []
    for pair in pairs:
        low, high = sorted((pair.first, pair.second))
        if texts.setdefault((prompt_text(pair.prompt), low, high), pair.id) != pair.id:
            again.append(pair.id)
    return [
        *_note(sum(asked[key] for key in stray), "judgments of pairs that the data do not have",
               [key[0] for key in stray], "left out"),
        *_note(sum(asked[key] - 1 for key in twice), "judgments of a pair, order and draw that an "
               "earlier one has", [key[0] for key in twice], "the first one counts"),
        *_note(len(blank), "pairs with a blank response", blank, "kept"),
        *_note(len(alike), "pairs of two identical responses", alike, "kept"),
        *_note(len(again), "pairs with the prompt and responses of an earlier pair", again, "kept"),
    ]  # fmt: skip


def _note(count: int, what: str, ids: list[str], done: str) -> list[str]:
    return [f"{count} {what} (the first is {excerpt(ids[0])!r}): {done}"] if ids else []


def _rows(pairs: Sequence[LabelledPair]) -> dict[str, int]:
    rows = {pair.id: row for row, pair in enumerate(pairs)}
    if len(rows) < len(pairs):  # judgments are joined by id, so two pairs would share them
        twice = next(pair.id for row, pair in enumerate(pairs) if rows[pair.id] != row)
        raise SrlmError(
            f"pair id {excerpt(twice)!r} is there more than once, expected one pair with all of "
            "its labels; give each pair an id of its own"
        )
    return rows
