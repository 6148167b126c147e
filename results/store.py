"""Record files: append while the work goes on, finalise by rename, resume from what is there.

The state of a stage is derived from its file: finalised = done, ``.part`` = begun.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Generic

from results.errors import SrlmError
from results.files import (
    parse_json,
    read_json,
    sync_folder,
    unreadable,
    write_all,
    write_bytes,
    write_json,
    writing,
)
from results.lines import R, parse_object, read_json_lines, read_jsonl, to_record
from results.lock import RunLock

__all__ = [
    "RecordFile",
    "RunLock",
    "read_json",
    "read_json_lines",
    "read_jsonl",
    "write_json",
]


class RecordFile(Generic[R]):
    """The records of one stage at ``path``, each a ``model``; ``<path>.part`` until finalised.

    One process writes (see RunLock). What ``append`` returned from survives a crash.
    """

    def __init__(self, path: Path, model: type[R]) -> None:
        self.path = path
        self.model = model
        self.part = path.with_name(path.name + ".part")
        self._repaired = False

    @property
    def done(self) -> bool:
        """Whether the finalised file is there."""
        return self.path.exists()

    def read(self) -> list[R]:
        """Returns the finalised records, or else those of the ``.part`` file, in file order.

        Changes nothing: a torn last line of a ``.part`` file is only left out. No file at all is
        an empty list. Raises SrlmError on any other bad line.
        """
        if self.done:
            return self._parse(self.path, self._bytes(self.path))
        data = self._bytes(self.part) if self.part.exists() else b""
        return self._parse(self.part, data[: _whole(data)])

    def append(self, records: Iterable[R]) -> None:
        """Adds a batch; on return it is on the disk. Repairs a torn last line first.

        Raises SrlmError when the file is finalised, holds a bad line, or the disk is full (then
        the file is as before the call).
        """
        if self.done:
            raise SrlmError(f"{self.path}: is complete, nothing can be added; remove it to redo it")
        data = self._lines(records)
        with writing(self.part):
            fd = self._open()
            try:
                size = os.fstat(fd).st_size
                try:
                    write_all(fd, data)
                    os.fsync(fd)
                except BaseException:
                    # Interrupted or no room: leave no torn line; failing that, repair it later.
                    self._repaired = False
                    with suppress(OSError):
                        os.ftruncate(fd, size)
                    raise
            finally:
                os.close(fd)

    def finalise(self) -> None:
        """Declares the file complete: durable, under its own name. No records make an empty file.

        Does nothing when it is finalised already.
        """
        if self.done:
            return
        with writing(self.path):
            fd = self._open()
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
            self.part.replace(self.path)
            sync_folder(self.path.parent)

    def replace(self, records: Iterable[R]) -> None:
        """Writes the whole finalised file at once, over whatever was there."""
        write_bytes(self.path, self._lines(records))
        with writing(self.part):
            self.part.unlink(missing_ok=True)

    def reopen(self, keep: Callable[[R], bool]) -> int:
        """Turns a finalised file into a begun one without the records that ``keep`` refuses.

        Returns how many those are; with none the file stays as it is.
        """
        if not self.done:
            return 0
        records = self.read()
        kept = [record for record in records if keep(record)]
        if len(kept) < len(records):
            # A crash between the two leaves both files, and the finalised one counts.
            write_bytes(self.part, self._lines(kept))
            with writing(self.path):
                self.path.unlink()
        return len(records) - len(kept)

    def _open(self) -> int:
        """Opens the ``.part`` file for appending, repaired once per object."""
        self.part.parent.mkdir(parents=True, exist_ok=True)
        new = not self.part.exists()
        fd = os.open(self.part, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            if new:
                sync_folder(self.part.parent)
            elif not self._repaired:
                data = self._bytes(self.part)
                whole = _whole(data)
                self._parse(self.part, data[:whole])
                if whole < len(data):
                    os.ftruncate(fd, whole)
            self._repaired = True
        except BaseException:
            os.close(fd)
            raise
        return fd

    def _bytes(self, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            raise unreadable(path, error, f"{self.model.__name__} records") from None

    def _parse(self, path: Path, data: bytes) -> list[R]:
        """Returns every line of ``data`` as a record; blank lines and a missing last newline are
        errors here, because we never write them.
        """
        lines = data.split(b"\n")
        if lines.pop():
            raise SrlmError(
                f"{path}:{len(lines) + 1}: found a cut-off last line, expected a "
                f"{self.model.__name__} record; remove the file and run the same command again"
            )
        return [
            to_record(path, number, parse_object(path, number, line), self.model)
            for number, line in enumerate(lines, start=1)
        ]

    def _lines(self, records: Iterable[R]) -> bytes:
        """Returns the records as JSON lines. Raises SrlmError on NaN, which JSON has not."""
        lines = []
        for record in records:
            try:
                # Not model_dump_json: that silently writes NaN as null.
                obj = record.model_dump(mode="json")
                lines.append(json.dumps(obj, ensure_ascii=False, allow_nan=False).encode() + b"\n")
            except ValueError as error:
                raise SrlmError(
                    f"{self.path}: a {self.model.__name__} record cannot be written ({error}), "
                    "expected finite numbers and valid text"
                ) from None
        return b"".join(lines)


def _whole(data: bytes) -> int:
    """Returns how many bytes of a ``.part`` file are whole lines.

    The last line is torn when its newline is missing or it is not JSON (a crash of the machine can
    leave zeros). Only that one: each batch is on the disk before the next is begun.
    """
    end = data.rfind(b"\n") + 1
    if end < len(data) or not end:
        return end
    start = data.rfind(b"\n", 0, end - 1) + 1
    try:
        parse_json(data[start:end])
    except ValueError:
        return start
    return end
