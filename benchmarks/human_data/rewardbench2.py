"""RewardBench 2 (arXiv 2506.01937): right and wrong completions of a prompt, most one of four.

In the subset Ties several completions are equally right. A right one has rank 0, a wrong one 1.
Prompts with one chosen and one rejected text (RewardBench 1) are read the same way.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.human_data.source import Found, Source
from judges.rankings import RankedPrompt
from results.lines import to_record


def read(source: Source) -> Iterator[Found]:
    """Yields every prompt, its subset as category; responses are chosen-0, ..., rejected-0, ..."""
    for line, row in source.rows:
        responses = [
            {"id": f"{key}-{number}", "text": text, "rank": rank}
            for rank, key in enumerate(("chosen", "rejected"))
            for number, text in enumerate(_texts(row.get(key)))
        ]
        found = {
            "id": str(row.get("id")),
            "prompt": row.get("prompt"),
            "responses": responses,
            "category": row.get("subset"),
        }
        yield line, to_record(source.path, line, found, RankedPrompt)


def _texts(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
