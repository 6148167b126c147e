"""Opens human data wherever it lies: JSON Lines, a JSON array, a parquet file, a hub data set."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.human_data.json_array import is_json_array, read_json_array
from benchmarks.human_data.source import Row
from results.errors import SrlmError, UsageError
from results.files import file_sha256
from results.lines import read_json_lines
from results.plugins import require
from results.text import excerpt

EXTRA = "install it with: pip install 'srlm[local]'"
# owner/name, then perhaps @revision, then perhaps :split
HUB_ID = re.compile(r"([\w.-]+/[\w.-]+?)(?:@([\w./-]+))?(?::(\w+))?")
HUB = "hub:"
DATA_SUFFIXES = (".jsonl", ".json", ".gz", ".parquet")
ARCHIVES = (".tar", ".tar.gz", ".tgz", ".zip")
PARTS = {"train", "validation", "test"}  # splits of one set, read together
VOTES = ("human.jsonl", "human.jsonl.gz")  # of FastChat votes, where a folder is named


@dataclass
class Opened:
    """Rows to be read once. ``digest`` gives their sha256 (64 hex digits) when they are read."""

    path: Path
    name: str
    rows: Iterator[Row]
    digest: Callable[[], str]


def open_rows(path_or_id: str) -> Opened:
    """Opens a file, a folder of FastChat votes or ``owner/name[@revision][:split]`` of the hub.

    A hub id stands behind ``hub:``, or it is what reads like one and is neither there as a path nor
    inside a folder that is.

    Raises:
        UsageError: nothing is there, or it is not a kind of file that holds human data.
        SrlmError: the hub, or the package that reads it, is out of reach.
    """
    if path_or_id.startswith(HUB):
        name = path_or_id.removeprefix(HUB)
        if (named := HUB_ID.fullmatch(name)) is None:
            raise UsageError(f"{path_or_id}: expected {HUB}owner/name[@revision][:split]")
        return _open_hub(name, *named.groups())
    path = Path(path_or_id)
    if path.is_dir():
        path = _votes_in(path)
    elif not path.exists():
        found = HUB_ID.fullmatch(path_or_id)
        if found and not path_or_id.endswith(DATA_SUFFIXES) and not path.parent.exists():
            return _open_hub(path_or_id, *found.groups())
        raise UsageError(
            f"{path_or_id}: no such file, expected human data; check the path "
            "(a data set of the hub is owner/name)"
        )
    if path.suffix == ".parquet":
        return Opened(path, path.name, _parquet_rows(path), lambda: file_sha256(path))
    if path.name.endswith(ARCHIVES):
        raise UsageError(f"{path}: found an archive; unpack it and name a file in it")
    rows = read_json_array(path) if is_json_array(path) else read_json_lines(path, nan=True)
    return Opened(path, path.name, rows, lambda: file_sha256(path))


def _votes_in(folder: Path) -> Path:
    for name in VOTES:
        if (folder / name).is_file():
            return folder / name
    raise UsageError(
        f"{folder}: found a folder without {VOTES[0]}, expected a file, or a folder of "
        "FastChat votes; name a file in it"
    )


def _parquet_rows(path: Path) -> Iterator[Row]:
    # pyarrow comes with `datasets`, which would copy the file into its cache first.
    require(["pyarrow"], "a parquet file", EXTRA)
    import pyarrow.parquet

    try:
        number = 0
        with pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches():
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except (pyarrow.ArrowException, UnicodeDecodeError, OSError) as error:
        raise SrlmError(
            f"{path}: cannot be read as parquet ({excerpt(str(error), 100)}); get the file again"
        ) from None


def _open_hub(full: str, name: str, revision: str | None, split: str | None) -> Opened:
    require(["datasets"], f"the data set {name!r} of the hub", EXTRA)
    import datasets

    try:
        found = datasets.load_dataset(name, revision=revision, split=split)
    except Exception as error:  # whatever the hub, the net or a file of theirs comes up with
        why = excerpt(f"{type(error).__name__}: {error}", 120)
        raise SrlmError(
            f"{full}: no such file, and not to be had as a data set of the hub ({why}); "
            "check the name and the net, or name a local file"
        ) from None
    splits: Mapping[str, Any] = found if isinstance(found, dict) else {split or "": found}
    if len(splits) > 1 and not PARTS.issuperset(splits):
        raise UsageError(
            f"{full}: has the splits {', '.join(splits)}; name one of them, "
            f"as in {name}:{min(splits)}"
        )
    digest = hashlib.sha256()

    def rows() -> Iterator[Row]:
        number = 0
        for part in splits.values():
            for row in part:
                number += 1
                digest.update(json.dumps(row, sort_keys=True, default=str).encode())
                yield number, row

    return Opened(Path(full), full, rows(), digest.hexdigest)
