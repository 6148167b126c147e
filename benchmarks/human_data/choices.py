"""Pairs with labels in one row: what the formats of published pairwise sets have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.human_data.source import Source
from judges.labels import Choice, Label, LabelledPair
from results.lines import to_record


def label_of(
    value: Any, choices: Mapping[Any, Choice], annotator: str | None, line: int, source: Source
) -> list[Label]:
    """Returns one annotator's label, or none (noted) where ``value`` is not among ``choices``."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # as a table program writes whole numbers
    known = isinstance(value, str | int) and not isinstance(value, bool) and value in choices
    if known:
        return [Label(label=choices[value], annotator=annotator)]
    source.notes.add(
        line,
        f"label is none of {', '.join(map(repr, choices))}, left out",
        "found {}",
        repr(value),
    )
    return []


def text_of(value: Any, what: str, line: int, source: Source) -> Any:
    """Returns a text that a table program took for true, false or a number as text again, noted."""
    if isinstance(value, bool | int | float):
        source.notes.add(line, "text is no text, read as its letters", what + " is {}", value)
        return str(value)
    return value


def pair_of(line: int, found: dict[str, Any], source: Source) -> list[tuple[int, LabelledPair]]:
    """Returns ``found`` as a pair, or nothing (noted) where no label of it could be used."""
    if not found["labels"]:
        name = str(found["id"])
        source.unusable.add(name)
        what = "pair has no label that can be used, left out"
        source.notes.add(line, what, "pair {!r}", name)
        return []
    return [(line, to_record(source.path, line, found, LabelledPair))]
