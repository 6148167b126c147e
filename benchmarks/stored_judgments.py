"""Judgments that lie in a file: used as they stand, and every line that is odd is said.

Our own files are read at once; those of others may lack keys, have more, or hold NaN.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Set
from pathlib import Path
from typing import Any

from benchmarks.human_data.notes import Notes
from judges.pointwise import Key
from results.errors import SrlmError
from results.lines import numbered_records, read_json_lines, to_record
from results.records import Judgment, PairJudgment
from results.text import excerpt

# What is read of a line of others; the rest says how a judgment came about, each in its own way.
USED = ("v", "prompt_id", "response_id", "order", "draw", "reason", "text")


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
                      "{}", "/".join(key))  # fmt: skip
            continue
        if (key, judgment.draw) in seen:
            notes.add(number, "the same draw of a response again, kept as another draw",
                      "{}", "/".join(key))  # fmt: skip
        seen.add((key, judgment.draw))
        score = judgment.score
        if score is not None and not scale[0] <= score <= scale[1]:
            notes.add(number, f"a score off the scale {scale[0]:g} to {scale[1]:g} (--scale), "
                      "counted as unscored", "{}", f"{score:g}")  # fmt: skip
            judgment = judgment.model_copy(
                update={"status": "unscored", "score": None, "reason": "out_of_range"}
            )
        yield judgment


def is_pointwise(path: Path) -> bool:
    """Whether the first line of a file of judgments is of one response, not of a pair.

    Raises:
        SrlmError: it is neither.
    """
    number, first = next(iter(read_json_lines(path, nan=True)))
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
    found = []
    taken: dict[tuple[str, str], set[int]] = {}
    for number, judgment in _lines(path, PairJudgment, notes):
        if judgment.prompt_id not in known:
            notes.add(number, "a judgment of a pair that the data do not have, left out",
                      "{}", judgment.prompt_id)  # fmt: skip
            continue
        draws = taken.setdefault((judgment.prompt_id, judgment.order), set())
        if judgment.draw in draws:
            call = (judgment.prompt_id, judgment.order, judgment.draw)
            notes.add(number, "the same draw of a pair and order again, kept as another draw",
                      "{}", "/".join(map(str, call)))  # fmt: skip
            # Under a number of its own: of two judgments of one draw the metrics take the first.
            judgment = judgment.model_copy(update={"draw": max(draws) + 1})
        draws.add(judgment.draw)
        found.append(judgment)
    return found


def _lines(path: Path, model: Any, notes: Notes) -> Iterator[tuple[int, Any]]:
    """Yields (line, record); the fast way as far as it goes, from there on the patient one."""
    done = 0
    drawn: Counter[Key] = Counter()
    try:
        for number, record in numbered_records(path, model):
            if model is Judgment:
                drawn[(record.prompt_id, record.response_id)] += 1
            yield number, record
            done = number
    except SrlmError:
        for number, obj in read_json_lines(path, nan=True):
            if number > done:
                mended = _mended(obj, number, model, notes, drawn)
                yield number, to_record(path, number, mended, model)


def _mended(obj: dict[str, Any], number: int, model: Any, notes: Notes,
            drawn: Counter[Key]) -> dict[str, Any]:  # fmt: skip
    """A line of others as one of ours: what is missing has its plain default."""
    pointwise = model is Judgment
    for key in ("prompt_id", *(["response_id"] if pointwise else [])):
        if key not in obj:
            raise SrlmError(
                f"{notes.name}:{number}: found no key {key!r}, expected a judgment of "
                f"{'ranked' if pointwise else 'pairwise'} data; give the judgments that belong to "
                "these data"
            )
    kept = {key: obj[key] for key in USED if obj.get(key) is not None and key in model.model_fields}
    for key in ("prompt_id", "response_id"):
        if isinstance(kept.get(key), int):
            kept[key] = str(kept[key])
    field = "score" if pointwise else "verdict"
    value, why = _usable(obj.get(field), field)
    if why is not None:
        notes.add(number, f"{why}, counted as unscored", "{}", obj[field])
    elif value is not None and obj.get("status") == "unscored":
        notes.add(number, f"a {field} in a judgment that is called unscored, counted as unscored",
                  "{}", value)  # fmt: skip
        value = None
    scored = value is not None
    reason = None if scored else kept.get("reason") or ("not_said" if why is None else "no_value")
    kept |= {field: value, "status": "scored" if scored else "unscored", "reason": reason}
    kept.setdefault("text", "")
    if pointwise:
        call = (str(kept.get("prompt_id")), str(kept.get("response_id")))
        kept.setdefault("draw", drawn[call])
        drawn[call] += 1
    return kept


def _usable(value: object, field: str) -> tuple[object, str | None]:
    """The value as we would have it, or null with what is wrong with it."""
    if value is None:
        return None, None
    if field == "verdict":
        known = value in ("first", "second", "tie")
        return (value, None) if known else (None, "a verdict that is not first, second or tie")
    try:
        number = float(value) if isinstance(value, str | int | float) else math.nan
        if isinstance(value, bool):
            number = math.nan
    except (ValueError, OverflowError):
        number = math.nan
    return (number, None) if math.isfinite(number) else (None, "a score that is no finite number")
