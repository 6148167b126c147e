"""The way in: human data of any known format as ranked prompts or labelled pairs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from benchmarks.human_data.checks import Pair, Ranked, usable_pairs, usable_ranked
from benchmarks.human_data.formats import FORMATS, split_format, tell_format
from benchmarks.human_data.notes import Notes
from benchmarks.human_data.opening import Opened, open_rows
from benchmarks.human_data.source import Reader, Row, Source
from judges.labels import LabelledPair
from judges.rankings import RankedPrompt
from results.errors import UsageError
from results.files import file_sha256
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


@dataclass(frozen=True)
class Answers:
    """Prompts with answers to learn from, rather than to hold a judge against.

    Args:
        answered: prompts with one ranked response or more, in the order of the file.
        ranked: those of them that order something.
        name, format: as in ``HumanData``.
    """

    answered: list[RankedPrompt]
    ranked: list[RankedPrompt]
    name: str
    format: str


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
            FastChat votes, or ``owner/name[@revision][:split]`` of the hub, perhaps after ``hub:``.
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
    rows = _read(path_or_id, format, language, first_turn)
    notes, source = rows.source.notes, rows.source
    ranked = usable_ranked(rows.ranked, notes)
    pairs = usable_pairs(rows.pairs, notes)
    if not ranked and not pairs:
        why = next(iter(notes.lines()), f"{source.path}: no prompt with human labels in it")
        raise UsageError(
            f"{path_or_id}: nothing that can be used as {rows.base}: {why}; expected prompts with "
            "two answers or more that people rank apart, or labelled pairs: name other data"
        )
    digest = rows.opened.digest()
    if source.beside:
        digest = text_hash([digest, *(file_sha256(path) for path in source.beside)])
    return HumanData(
        kind="ranked" if ranked else "pairwise",
        ranked=ranked[:limit],
        pairs=pairs[:limit],
        notes=notes.lines(),
        name=rows.opened.name,
        format=rows.format,
        sha256=digest,
        of=len(rows.ranked) + len(rows.pairs) + len(source.unusable),
    )


def read_answers(path_or_id: str, language: str | None = "en") -> Answers:
    """Reads the first-turn prompts of human rankings, also those with one ranked response alone.

    Arguments and errors as in ``read_human_data``.

    Raises:
        UsageError: labels of pairs, or no prompt in ``language`` with a ranked response.
    """
    rows = _read(path_or_id, None, language, True)
    if rows.pairs:
        raise UsageError(
            f"{path_or_id}: found pairwise labels ({rows.format}), expected ranked responses"
        )
    answered = {
        prompt.id: prompt
        for _, prompt in reversed(rows.ranked)  # of prompts with one id the first counts
        if any(r.rank is not None for r in prompt.responses)
    }
    if not answered:
        spoken = "" if language is None else f" in the language {language!r}"
        mend = "" if language is None else "; name another language, or null for all"
        raise UsageError(f"{path_or_id}: no prompt with a ranked response{spoken}{mend}")
    ranked = usable_ranked(rows.ranked, rows.source.notes)
    found = list(reversed(answered.values()))
    return Answers(found, ranked, rows.opened.name, rows.format)


@dataclass(frozen=True)
class _Rows:
    """What a format's reader gave. A format gives ranked prompts or pairs, never both."""

    opened: Opened
    source: Source
    base: str
    ranked: list[Ranked]
    pairs: list[Pair]

    @property
    def format(self) -> str:
        return f"{self.base}:{self.source.part}" if self.source.part else self.base


def _read(path_or_id: str, format: str | None, language: str | None, first_turn: bool) -> _Rows:
    base, part = split_format(format) if format is not None else ("", "")
    reader: Reader | None = FORMATS.load(base) if base else None
    opened = open_rows(path_or_id)
    (first_line, first), rows = _first(path_or_id, opened.rows)
    if reader is None:
        base = tell_format(f"{opened.path}:{first_line}", first)
        reader = FORMATS.load(base)
    source = Source(opened.path, rows, Notes(str(opened.path)), language, first_turn, part)
    found = list(reader(source))
    ranked = [(n, x) for n, x in found if isinstance(x, RankedPrompt)]
    pairs = [(n, x) for n, x in found if isinstance(x, LabelledPair)]
    return _Rows(opened, source, base, ranked, pairs)


def _first(name: str, rows: Iterator[Row]) -> tuple[tuple[int, dict[str, Any]], Iterator[Row]]:
    """Returns the first row, and all rows again."""
    first = next(rows, None)
    if first is None:
        raise UsageError(f"{name}: no rows in it, expected human data; get the file again")
    return first, itertools.chain([first], rows)
