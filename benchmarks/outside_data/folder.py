"""The data folder: where outside files lie, and whether they are what they must be."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from benchmarks.outside_data.table import OutsideData, OutsideFile, find_data
from results.errors import SrlmError
from results.files import file_sha256, read_model, unreadable, write_json

State = Literal["ok", "missing", "wrong", "unrecorded"]


class Record(BaseModel):
    """What the first fetch of a file found. ``url`` is the table's, also where a mirror served."""

    model_config = ConfigDict(extra="forbid")

    name: str
    file: str
    url: str
    revision: str  # the source's commit where it named one
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    size: Annotated[int, Field(ge=0)]  # bytes
    date: str  # UTC


class Manifest(BaseModel):
    """All records of a data folder, as ``manifest.json`` holds them."""

    model_config = ConfigDict(extra="forbid")

    files: list[Record] = []


@dataclass(frozen=True)
class Checked:
    """A file that was hashed. ``expected`` is null where neither table nor manifest know it."""

    state: State
    sha256: str | None = None
    expected: str | None = None


@dataclass(frozen=True)
class DataFolder:
    """Outside files under ``path``, each at ``NAME/FILE``, and the manifest beside them."""

    path: Path

    @property
    def manifest(self) -> Path:
        """The file with the records."""
        return self.path / "manifest.json"

    def place(self, data: OutsideData, file: OutsideFile) -> Path:
        """Where ``file`` lies, or would."""
        return self.path / data.name / file.file

    def records(self) -> Manifest:
        """The manifest; an empty one where nothing was fetched. SrlmError when it is damaged."""
        if not self.manifest.is_file():
            return Manifest()
        return read_model(self.manifest, Manifest)

    def record(self, data: OutsideData, file: OutsideFile) -> Record | None:
        """What was recorded of ``file``; null also where that was of another source or revision."""
        url = data.url(file)
        return next((record for record in self.records().files if record.url == url), None)

    def keep_record(
        self, data: OutsideData, file: OutsideFile, revision: str, sha256: str, size: int
    ) -> None:
        """Writes the record of ``file``, in place of an older one."""
        record = Record(
            name=data.name,
            file=file.file,
            url=data.url(file),
            revision=revision,
            sha256=sha256,
            size=size,
            date=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        )
        others = [r for r in self.records().files if (r.name, r.file) != (data.name, file.file)]
        write_json(self.manifest, Manifest(files=[*others, record]).model_dump())

    def expected(self, data: OutsideData, file: OutsideFile) -> tuple[str | None, int | None]:
        """The sha256 and the size that ``file`` must have; null where not known."""
        if file.sha256 is not None and file.size is not None:
            return file.sha256, file.size
        record = self.record(data, file)
        if record is None:
            return file.sha256, file.size
        return file.sha256 or record.sha256, record.size if file.size is None else file.size

    def size(self, data: OutsideData, file: OutsideFile) -> int | None:
        """The bytes of ``file`` as it lies there; null where there is none.

        Raises SrlmError where something else is in its place, or it cannot be looked at.
        """
        path = self.place(data, file)
        try:
            stat = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise unreadable(path, error, "a data file") from None
        if not path.is_file():
            raise SrlmError(f"{path}: found a folder, expected a data file; move it away")
        return stat.st_size

    def check(self, data: OutsideData, file: OutsideFile) -> Checked:
        """Hashes ``file`` and compares. SrlmError when it cannot be read."""
        expected, _ = self.expected(data, file)
        if self.size(data, file) is None:
            return Checked("missing", expected=expected)
        path = self.place(data, file)
        try:
            found = file_sha256(path)
        except OSError as error:
            raise unreadable(path, error, "a data file") from None
        if expected is None:
            # A record of another revision: what lies there is that, not this.
            known = any((r.name, r.file) == (data.name, file.file) for r in self.records().files)
            return Checked("wrong" if known else "unrecorded", found)
        return Checked("ok" if found == expected else "wrong", found, expected)


def data_folder(to: Path | None = None) -> DataFolder:
    """The folder ``to``, else ``SRLM_DATA``, else ``srlm/data`` in the user's cache folder."""
    if to is not None:
        return DataFolder(to)
    if own := os.environ.get("SRLM_DATA"):
        return DataFolder(Path(own))
    base = Path(os.environ.get("XDG_CACHE_HOME") or "")
    if not base.is_absolute():  # which the XDG rule says to ignore
        try:
            base = Path.home() / ".cache"
        except RuntimeError:
            raise SrlmError("no home folder found for the data; set SRLM_DATA=FOLDER") from None
    return DataFolder(base / "srlm" / "data")


def outside_file(name: str, file: str) -> Path:
    """Returns the path of a fetched file: ``outside_file("mt_bench", "question.jsonl")``.

    Looks at its size, not at its hash: ``srlm data verify`` does that.

    Raises:
        UsageError: no such entry in the table, or no such file in the entry.
        SrlmError: it was not fetched, or is of another size; says how to get it, also by hand.
    """
    data = find_data(name)
    wanted = data.find(file)
    folder = data_folder()
    path = folder.place(data, wanted)
    found = folder.size(data, wanted)
    if found is None:
        raise SrlmError(
            f"{path}: missing; get it with: srlm data fetch {name} (without a net: put "
            f"{data.url(wanted)} there by hand)"
        )
    _, expected = folder.expected(data, wanted)
    if expected is not None and found != expected:
        raise SrlmError(
            f"{path}: found {found} bytes, expected {expected}; get it again with: "
            f"srlm data fetch {name}"
        )
    return path


def same_bytes(path: Path, name: str, file: str) -> bool:
    """Whether ``path`` holds what the table says of a file of the entry ``name``, by its hash."""
    wanted = find_data(name).find(file).sha256
    return wanted is not None and hashlib.sha256(path.read_bytes()).hexdigest() == wanted
