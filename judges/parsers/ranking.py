"""Rankings of two models as JSON or as a Python literal: AlpacaEval's annotators."""

from __future__ import annotations

import ast
import json
import re
import warnings
from typing import Any

from judges.parsers.parsed import Parsed, none, opening

_FENCED = re.compile(r"```(?:json|python)?\s*(.*?)```", re.DOTALL)


def ranking(
    text: str,
    cut: bool,
    scale: tuple[int, int],
    first: str = "model_1",
    second: str = "model_2",
    key: str = "",
) -> Parsed:
    """Reads ``[{"model": name, "rank": 1}, {"model": name, "rank": 2}]``; rank 1 is the better,
    and two of rank 1 are a tie.

    Args:
        text: the judge's completion: the list alone, or in a fence; under ``key`` in an object.
        cut: a cut completion is never read.
        scale: not used.
        first: the name of the response that is shown first.
        second: the name of the other.
        key: the object's key that holds the list; "" where the list is the whole answer.
    """
    if cut:
        return none("length")
    begun = opening(text, "no_verdict")
    if isinstance(begun, Parsed):
        return begun
    seen, start = begun
    rows = _data(seen[start:])
    if key and isinstance(rows, dict):
        rows = rows.get(key)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        return none("no_verdict")
    ranks: dict[str, set[Any]] = {first: set(), second: set()}
    for row in rows:
        name, rank = row.get("model"), row.get("rank")
        if isinstance(name, str) and name in ranks and isinstance(rank, int | float):
            ranks[name].add(rank)
    of_first, of_second = ranks[first], ranks[second]
    if of_first == of_second == {1}:
        return Parsed(None, None, "tie")
    if of_first == {1} and of_second in ({2}, set()):
        return Parsed(None, None, "A")
    if of_second == {1} and of_first in ({2}, set()):
        return Parsed(None, None, "B")
    if of_first == {2} and not of_second:
        return Parsed(None, None, "B")
    return none("no_verdict" if not any(ranks.values()) else "ambiguous")


def _data(text: str) -> Any:
    """The JSON document or Python literal that ``text`` is, fenced or not, else None."""
    fenced = _FENCED.findall(text)
    body = (fenced[-1] if fenced else text).strip()
    if len(body) > 100_000 or max(map(body.count, "[{(")) > 1000:
        return None  # neither reader is made for hostile depth
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        pass
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd escapes in hostile text
            return ast.literal_eval(body)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
