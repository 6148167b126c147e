"""PandaLM's test set: two answers to an instruction, three annotators (0 = tie, 1, 2)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.human_data.choices import label_of, pair_of, text_of
from benchmarks.human_data.source import Found, Source
from judges.labels import Choice

CHOICES: dict[int, Choice] = {1: "first", 2: "second", 0: "tie"}
LABELS = "annotator"  # annotator1, annotator2, ...


def read(source: Source) -> Iterator[Found]:
    """Yields every pair; its id is ``idx``, its category the application the instruction is for."""
    for number, (line, row) in enumerate(source.rows):
        labels = [
            label
            for key in row
            if key.startswith(LABELS)
            for label in label_of(row[key], CHOICES, key, line, source)
        ]
        found = {
            "id": str(row.get("idx", number)),
            "prompt": _prompt(row.get("instruction"), row.get("input")),
            "first": text_of(row.get("response1"), "response1", line, source),
            "second": text_of(row.get("response2"), "response2", line, source),
            "labels": labels,
            "category": row.get("motivation_app"),
        }
        yield from pair_of(line, found, source)


def _prompt(instruction: Any, given: Any) -> Any:
    if not isinstance(instruction, str) or not isinstance(given, str) or not given.strip():
        return instruction
    return f"{instruction}\n\n{given}"
