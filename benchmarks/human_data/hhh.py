"""HHH alignment pairs (Askell et al. 2021, arXiv 2112.00861) as Prometheus has them: the better
and the worse answer, each inside the prompt of its own judge, from which both are taken out.

Source of the layout: Kim et al. 2023 (arXiv 2310.08491), evaluation data of the repository.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from benchmarks.human_data.source import Found, Source
from judges.rankings import RankedPrompt
from results.errors import SrlmError
from results.lines import to_record
from results.text import excerpt

KEYS = ("chosen_instruction", "rejected_instruction")
_SHOWN = re.compile(
    r"###The instruction to evaluate:\n(?P<prompt>.*?)\n\n"
    r"###Response to evaluate:\n(?P<response>.*)\n\n###Score Rubrics:",
    re.DOTALL,
)


def read(source: Source) -> Iterator[Found]:
    """Yields every pair as a prompt with the responses ``chosen`` (rank 0) and ``rejected`` (1).

    Its id is its number in the file, from 0; its category is ``source``: harmless, helpful,
    honest or other.
    """
    for number, (line, row) in enumerate(source.rows):
        (prompt, chosen), (other, rejected) = (_taken(source, line, row, key) for key in KEYS)
        if prompt != other:
            raise SrlmError(
                f"{source.path}:{line}: {KEYS[0]} and {KEYS[1]} ask different things, expected "
                "two answers to one instruction; get the file again"
            )
        found = {
            "id": str(number),
            "prompt": prompt,
            "responses": [
                {"id": "chosen", "text": chosen, "rank": 0},
                {"id": "rejected", "text": rejected, "rank": 1},
            ],
            "category": row.get("source"),
        }
        yield line, to_record(source.path, line, found, RankedPrompt)


def _taken(source: Source, line: int, row: dict[str, Any], key: str) -> tuple[str, str]:
    """Instruction and response as the judge's prompt under ``key`` shows them."""
    match = _SHOWN.search(row[key]) if isinstance(row.get(key), str) else None
    if match is None:
        raise SrlmError(
            f"{source.path}:{line}: {key}: found {excerpt(row.get(key))!r}, expected a prompt of "
            "Prometheus with an instruction and a response to evaluate; get the file again"
        )
    return match["prompt"], match["response"]
