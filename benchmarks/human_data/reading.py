"""The way in: human data of any known format as ranked prompts or labelled pairs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from benchmarks.human_data.checks import usable_pairs, usable_ranked
from benchmarks.human_data.formats import FORMATS, split_format, tell_format
from benchmarks.human_data.notes import Notes
from benchmarks.human_data.opening import file_sha256, open_rows
from benchmarks.human_data.source import Reader, Row, Source
from judges.labels import LabelledPair
from judges.rankings import RankedPrompt
from results.errors import UsageError
from results.weights import text_hash


@dataclass(frozen=True)
class HumanData:
    """What people say of responses, ready to be held against a judge.

    Args:
        kind: which of the two lists is filled.
        ranked: prompts with two or more ranked responses.
        pairs: pairs with one label or more.
        notes: what was odd and what was done about it, one line each (``file:line: what``).
        name: the file's name, or the hub id.
        format: the format it was read as.
        sha256: of the file as it lies there (64 hex digits); over all files where the format takes
            several; of the rows for a hub data set.
        of: prompts or pairs that were there before unusable ones were left out and ``limit`` cut;
            those in another language do not count.
    """

    kind: Literal["ranked", "pairwise"]
    ranked: list[RankedPrompt]
    pairs: list[LabelledPair]
    notes: list[str]
    name: str
    format: str
    sha256: str
    of: int


def read_human_data(
    path_or_id: str,
    format: str | None = None,
    *,
    language: str | None = "en",
    first_turn: bool = True,
    limit: int | None = None,
) -> HumanData:
    """Reads human rankings or pairwise labels.

    Args:
        path_or_id: a file (JSON Lines or a JSON array, both perhaps gzipped; parquet), a folder of
            FastChat votes, or ``owner/name[@revision][:split]`` of the hub.
        format: one of ``formats.FORMATS``, perhaps with a part (``topical_chat:engagingness``);
            None tells it from the first object.
        language: of Open Assistant data, keep this language alone; None keeps all.
        first_turn: of Open Assistant conversations, keep the replies to the opening prompt alone.
            Other formats are read whole.
        limit: prompts or pairs at most, the first that can be used.

    Raises:
        UsageError: no such data, an unknown format (with the nearest name), or nothing in it that
            can be used.
        SrlmError: the file is damaged or not UTF-8, or a row is not of the format; names the line.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"limit is {limit}, expected 1 or more")
    base, part = split_format(format) if format is not None else ("", "")
    reader: Reader | None = FORMATS.load(base) if base else None
    opened = open_rows(path_or_id)
    (first_line, first), rows = _first(path_or_id, opened.rows)
    if reader is None:
        base = tell_format(f"{opened.path}:{first_line}", first)
        reader = FORMATS.load(base)
    notes = Notes(str(opened.path))
    source = Source(opened.path, rows, notes, language, first_turn, part)
    found = list(reader(source))
    # A format gives the one or the other, never both.
    ranked = usable_ranked(((n, x) for n, x in found if isinstance(x, RankedPrompt)), notes)
    pairs = usable_pairs(((n, x) for n, x in found if isinstance(x, LabelledPair)), notes)
    if not ranked and not pairs:
        why = next(iter(notes.lines()), f"{opened.path}: no prompt with human labels in it")
        raise UsageError(f"nothing that can be used as {base}: {why}")
    digest = opened.digest()
    if source.beside:
        digest = text_hash([digest, *(file_sha256(path) for path in source.beside)])
    return HumanData(
        kind="ranked" if ranked else "pairwise",
        ranked=ranked[:limit],
        pairs=pairs[:limit],
        notes=notes.lines(),
        name=opened.name,
        format=f"{base}:{part}" if part else base,
        sha256=digest,
        of=len(found) + len(source.unusable),
    )


def _first(name: str, rows: Iterator[Row]) -> tuple[tuple[int, dict[str, Any]], Iterator[Row]]:
    """Returns the first row, and all rows again."""
    first = next(rows, None)
    if first is None:
        raise UsageError(f"{name}: no rows in it, expected human data; get the file again")
    return first, itertools.chain([first], rows)
