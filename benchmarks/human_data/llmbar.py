"""LLMBar: two outputs for an instruction, one objectively better (label 1 or 2)."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.human_data.choices import label_of, pair_of
from benchmarks.human_data.source import Found, Source
from judges.labels import Choice

CHOICES: dict[int, Choice] = {1: "first", 2: "second"}


def read(source: Source) -> Iterator[Found]:
    """Yields every pair; its id is its number in the file, from 0, as the result files count."""
    for number, (line, row) in enumerate(source.rows):
        found = {
            "id": str(number),
            "prompt": row.get("input"),
            "first": row.get("output_1"),
            "second": row.get("output_2"),
            "labels": label_of(row.get("label"), CHOICES, None, line, source),
        }
        yield from pair_of(line, found, source)
