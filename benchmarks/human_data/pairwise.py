"""Our own pairwise JSON Lines (CONTRACT: pairwise human labels): one line for each annotator."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict

from benchmarks.human_data.pair_table import PairTable
from benchmarks.human_data.source import Found, Source
from judges.labels import Choice, Label
from results.lines import to_record
from results.records import Conversation


class PairLine(BaseModel):
    """One line: what one annotator says of two responses."""

    # Files of others carry keys of their own.
    model_config = ConfigDict(extra="ignore", frozen=True)
    id: str
    prompt: str | Conversation
    first: str
    second: str
    label: Choice
    annotator: str | None = None
    category: str | None = None
    reference: str | None = None


def read(source: Source) -> Iterator[Found]:
    """Yields one pair for each id, with the labels of all its lines.

    Raises SrlmError, naming both lines, where two lines with one id differ in prompt or responses.
    """
    table = PairTable(source.path, source.notes)
    for line, row in source.rows:
        pair = to_record(source.path, line, row, PairLine)
        label = Label(label=pair.label, annotator=pair.annotator)
        shown = pair.model_dump(include={"prompt", "first", "second", "category", "reference"})
        table.add(line, pair.id, shown, label)
    yield from table.pairs()
