"""JudgeBench (arXiv 2410.12784): two responses to a hard question, one objectively right."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.human_data.choices import label_of, pair_of
from benchmarks.human_data.source import Found, Source
from judges.labels import Choice

CHOICES: dict[str, Choice] = {"A>B": "first", "B>A": "second", "A=B": "tie"}


def read(source: Source) -> Iterator[Found]:
    """Yields every pair; its id is ``pair_id``, its category the set the question comes from."""
    for line, row in source.rows:
        found = {
            "id": row.get("pair_id"),
            "prompt": row.get("question"),
            "first": row.get("response_A"),
            "second": row.get("response_B"),
            "labels": label_of(row.get("label"), CHOICES, None, line, source),
            "category": row.get("source"),
        }
        yield from pair_of(line, found, source)
