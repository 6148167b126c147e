"""Gathers the labels of several annotators on one pair, wherever in the file they stand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.human_data.notes import Notes
from benchmarks.human_data.source import Found
from judges.labels import Label, LabelledPair
from results.errors import SrlmError
from results.lines import to_record
from results.text import excerpt


@dataclass
class _Pair:
    line: int
    shown: dict[str, Any]
    labels: list[Label] = field(default_factory=list)


class PairTable:
    """Pairs by id, in the order of their first label. ``path`` is for messages."""

    def __init__(self, path: Path, notes: Notes) -> None:
        self._path = path
        self._notes = notes
        self._pairs: dict[str, _Pair] = {}

    def add(self, line: int, name: str, shown: dict[str, Any], label: Label) -> None:
        """Adds one label of the pair ``name``; ``shown`` are the other keys of a LabelledPair.

        A second label by one annotator is noted and kept. Raises SrlmError where an earlier line
        gives the pair another prompt or other responses.
        """
        pair = self._pairs.setdefault(name, _Pair(line, shown))
        for key in ("prompt", "first", "second"):
            if pair.shown[key] != shown[key]:
                raise SrlmError(
                    f"{self._path}:{line}: {key} of pair {excerpt(name)!r}: found "
                    f"{excerpt(str(shown[key]))!r}, expected that of {self._path}:{pair.line}, "
                    f"{excerpt(str(pair.shown[key]))!r}; give each pair an id of its own"
                )
        for key in ("category", "reference"):  # said once is enough
            if pair.shown.get(key) is None:
                pair.shown[key] = shown.get(key)
        who = label.annotator
        if who is not None and any(who == earlier.annotator for earlier in pair.labels):
            self._notes.add(
                line,
                "annotator has labelled this pair before, both labels kept",
                "pair {!r}, annotator {!r}",
                name,
                who,
            )
        pair.labels.append(label)

    def pairs(self) -> Iterator[Found]:
        """Yields (line of the first label, pair)."""
        for name, pair in self._pairs.items():
            found = {"id": name, "labels": pair.labels, **pair.shown}
            yield pair.line, to_record(self._path, pair.line, found, LabelledPair)
