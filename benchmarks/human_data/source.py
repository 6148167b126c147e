"""What a format's reader is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.human_data.notes import Notes
from judges.labels import LabelledPair
from judges.rankings import RankedPrompt

Row = tuple[int, dict[str, Any]]  # line (or row of a table) from 1, object
Found = tuple[int, RankedPrompt | LabelledPair]


@dataclass
class Source:
    """Human data as rows.

    Args:
        path: the file, for messages and to find files beside it; a hub id reads as a path too.
        rows: its objects, in order; iterated once.
        notes: where the reader says what it found odd.
        language: keep this language alone, where the data name languages; None keeps all.
        first_turn: of conversation trees, keep the answers to the opening prompt alone.
        part: what stands behind the colon in ``topical_chat:engagingness``, else empty.
        beside: files that the reader read besides ``path``.
        unusable: ids of the pairs that the reader could not make, for the coverage.
    """

    path: Path
    rows: Iterator[Row]
    notes: Notes
    language: str | None = "en"
    first_turn: bool = True
    part: str = ""
    beside: list[Path] = field(default_factory=list)
    unusable: set[str] = field(default_factory=set)


# Yields prompts or pairs with the line that each begins at. Raises SrlmError, naming the line, on
# a row that is not of the format at all; what is merely odd is noted and used as far as it goes.
Reader = Callable[[Source], Iterator[Found]]
