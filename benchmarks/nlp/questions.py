"""The questions of local files, so that nothing of them is trained on."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.nlp.tasks import Planned


def questions(planned: Sequence[Planned]) -> Iterator[str]:
    """Every question of the asked splits, with single spaces: a sample's ``text`` fields joined.
    A file that cannot be read gives none: its task says so.
    """
    for metric in planned:
        fields = metric.entry.text
        for leaf in metric.leaves:
            if leaf.files is None or leaf.split is None:
                continue
            for path in leaf.files.splits[leaf.split]:
                for row in _rows(path, leaf.files.builder, fields):
                    if text := " ".join(" ".join(str(row.get(f) or "") for f in fields).split()):
                        yield text


def _rows(path: Path, builder: str, fields: Sequence[str]) -> Iterator[dict[str, Any]]:
    try:
        if builder == "json":
            opener = gzip.open if path.name.endswith(".gz") else open
            with opener(path, "rt", encoding="utf-8") as file:
                if ".jsonl" in path.name:
                    yield from (json.loads(line) for line in file if line.strip())
                else:
                    yield from json.load(file)
            return
        import pyarrow
        import pyarrow.parquet

        if builder == "parquet":
            table = pyarrow.parquet.read_table(path)
        else:
            with pyarrow.memory_map(str(path)) as source:
                table = pyarrow.ipc.open_stream(source).read_all()
        yield from table.select([f for f in fields if f in table.column_names]).to_pylist()
    except (OSError, ValueError, EOFError):  # pyarrow's errors are of these kinds
        return
