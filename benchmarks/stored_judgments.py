"""Judgments that lie in a file: used as they stand, and every line that is odd is said.

Our own files are read at once; those of others may lack keys, have more, or hold NaN.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Set
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks.human_data.notes import Notes
from judges.pointwise import Key
from results.errors import SrlmError
from results.lines import numbered_records, read_json_lines, to_record
from results.records import Judgment, PairJudgment
from results.text import excerpt


def pointwise_judgments(
    path: Path, known: Set[Key], scale: tuple[float, float], notes: Notes
) -> Iterator[Judgment]:
    """Yields the judgments of ``path`` that concern ``known`` responses.

    One of an unknown response is left out; a score off the scale is unscored; a repeated draw is
    kept. Each is noted with its line.

    Raises:
        SrlmError: a line is no judgment, or the file none of judgments.
    """
    seen: set[tuple[Key, int]] = set()
    for number, judgment in _lines(path, Judgment, notes):
        key = (judgment.prompt_id, judgment.response_id)
        if key not in known:
            notes.add(number, "a judgment of a response that the data do not have, left out",
                      excerpt("/".join(key)))  # fmt: skip
            continue
        if (key, judgment.draw) in seen:
            notes.add(number, "the same draw of a response again, kept as another draw",
                      excerpt("/".join(key)))  # fmt: skip
        seen.add((key, judgment.draw))
        score = judgment.score
        if score is not None and not scale[0] <= score <= scale[1]:
            notes.add(number, f"a score off the scale {scale[0]:g} to {scale[1]:g} (--scale), "
                      "counted as unscored", f"{score:g}")  # fmt: skip
            judgment = judgment.model_copy(
                update={"status": "unscored", "score": None, "reason": "out_of_range"}
            )
        yield judgment


def is_pointwise(path: Path) -> bool:
    """Whether the first line of a file of judgments is of one response, not of a pair.

    Raises:
        SrlmError: it is neither.
    """
    number, first = next(iter(read_json_lines(path)))
    if "response_id" in first:
        return True
    if "order" in first or "verdict" in first:
        return False
    raise SrlmError(
        f"{path}:{number}: found {excerpt(', '.join(first), 100)}, expected a judgment with "
        "response_id and score, or with order and verdict"
    )


def pair_judgments(path: Path, known: Set[str], notes: Notes) -> list[PairJudgment]:
    """Returns the judgments of ``path`` that concern ``known`` pairs; otherwise as above."""
    found, seen = [], set()
    for number, judgment in _lines(path, PairJudgment, notes):
        if judgment.prompt_id not in known:
            notes.add(number, "a judgment of a pair that the data do not have, left out",
                      excerpt(judgment.prompt_id))  # fmt: skip
            continue
        call = (judgment.prompt_id, judgment.order, judgment.draw)
        if call in seen:
            notes.add(number, "the same draw of a pair and order again, kept as another draw",
                      excerpt("/".join(map(str, call))))  # fmt: skip
        seen.add(call)
        found.append(judgment)
    return found


def _lines(path: Path, model: Any, notes: Notes) -> Iterator[tuple[int, Any]]:
    """Yields (line, record); the fast way as far as it goes, from there on the patient one."""
    done = 0
    try:
        for number, record in numbered_records(path, model):
            yield number, record
            done = number
    except SrlmError:
        repeats = count()
        for number, obj in read_json_lines(path, nan=True):
            if number > done:
                mended = _mended(obj, number, model, notes, repeats)
                yield number, to_record(path, number, mended, model)


def _mended(obj: dict[str, Any], number: int, model: Any, notes: Notes,
            repeats: Iterable[int]) -> dict[str, Any]:  # fmt: skip
    """A line of others as one of ours: what is missing has its plain default."""
    if "prompt_id" not in obj or ("response_id" not in obj and model is Judgment):
        kind = "ranked" if model is Judgment else "pairwise"
        missing = "prompt_id" if "prompt_id" not in obj else "response_id"
        raise SrlmError(
            f"{notes.name}:{number}: found no key {missing!r}, expected a judgment of {kind} data; "
            "give the judgments that belong to these data"
        )
    field = "score" if model is Judgment else "verdict"
    kept = {key: value for key, value in obj.items() if key in model.model_fields}
    value = kept.get(field)
    if isinstance(value, float) and not math.isfinite(value):
        notes.add(number, "a score that is no finite number, counted as unscored", str(value))
        value = None
    kept[field] = value
    kept.setdefault("text", "")
    kept["status"] = "unscored" if value is None else "scored"
    kept["reason"] = None if value is not None else kept.get("reason") or "not_said"
    if "draw" not in kept:
        kept["draw"] = 0 if model is PairJudgment else next(iter(repeats))
    return kept
