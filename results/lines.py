"""Reads JSON Lines files that people hand in, plain or gzipped, with errors that name the line."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import IO, Any, TypeVar, cast

from pydantic import BaseModel, ValidationError

from results.errors import SrlmError, UsageError
from results.files import parse_json, unreadable
from results.text import excerpt, lone_surrogate

R = TypeVar("R", bound=BaseModel)


def read_jsonl(path: Path, model: type[R]) -> list[R]:
    """Returns the records of ``path`` (``.gz`` accepted), in file order.

    Raises SrlmError on a missing or empty file and on the first line that is not a ``model``.
    """
    return list(iter_jsonl(path, model))


def iter_jsonl(path: Path, model: type[R]) -> Iterator[R]:
    """Yields what ``read_jsonl`` returns, one record at a time: for files larger than memory."""
    for _, record in numbered_records(path, model):
        yield record


def numbered_records(path: Path, model: type[R]) -> Iterator[tuple[int, R]]:
    """Yields (line number from 1, record); errors as ``read_jsonl``, while iterating."""
    for number, line in _filled_lines(path):
        try:
            record = model.model_validate_json(line)  # several times as fast as the two steps below
        except ValidationError:
            # A byte order mark is no fault; for the rest the slow way has the better words.
            record = to_record(path, number, parse_object(path, number, line), model)
        yield number, record


def read_json_lines(path: Path, nan: bool = False) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields (line number from 1, object) for every line of ``path`` that is not blank.

    Lines end at newlines only, so text with other separators inside stays whole. ``nan`` takes NaN
    and the infinities as floats. Raises SrlmError (while iterating) on a missing, empty or damaged
    file and on a line that is no JSON object.
    """
    for number, line in _filled_lines(path):
        yield number, parse_object(path, number, line, nan)


def _filled_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yields (line number from 1, line) for every line that is not blank; errors as above."""
    empty = True
    with closing(open_data(path)) as file:
        number = 0
        while True:
            try:
                line = file.readline()
            except (EOFError, zlib.error, OSError) as error:
                raise SrlmError(
                    f"{path}:{number + 1}: damaged ({error}), expected JSON Lines; "
                    "get the file again"
                ) from None
            if not line:
                break
            number += 1
            if line.strip():
                empty = False
                yield number, line
    if empty:
        raise SrlmError(
            f"{path}: the file is empty, expected one JSON object a line; write it again"
        )


def parse_object(path: Path, number: int, line: bytes, nan: bool = False) -> dict[str, Any]:
    """Returns one line as a JSON object; ``path`` and ``number`` are for the SrlmError."""
    where = f"{path}:{number}"
    try:
        obj = parse_json(line, nan)
    except UnicodeDecodeError as error:
        found = f"byte 0x{line[error.start]:02x} at column {error.start + 1}"
        raise SrlmError(f"{where}: found {found}, expected UTF-8; save it as UTF-8") from None
    except ValueError as error:
        why = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        shown = excerpt(line[:300].decode(errors="replace"))
        raise SrlmError(
            f"{where}: found {shown!r}, which is not JSON ({why}), "
            "expected one JSON object a line; mend or remove the line"
        ) from None
    if b"\\u" in line and (half := lone_surrogate(obj)):
        raise SrlmError(
            f"{where}: found {half}, half a character that no text can hold; "
            "mend or remove the line"
        )
    if not isinstance(obj, dict):
        raise SrlmError(
            f"{where}: found {excerpt(json.dumps(obj)[:300])}, expected one JSON object a line "
            "({...}); mend or remove the line"
        )
    return obj


def to_record(path: Path, number: int, obj: dict[str, Any], model: type[R]) -> R:
    """Returns ``obj`` as a ``model``; ``path`` and ``number`` are for the SrlmError."""
    try:
        return model.model_validate(obj)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        value = first["input"]
        found = repr(excerpt(value)) if isinstance(value, str) else excerpt(value)
        if first["type"] == "missing":
            found = "no such key"
        raise SrlmError(
            f"{path}:{number}: {key + ': ' if key else ''}found {found}, expected a "
            f"{model.__name__} record ({excerpt(first['msg'], 100)}); mend or remove the line"
        ) from None


def open_data(path: Path, expected: str = "a JSON Lines file") -> IO[bytes]:
    """Opens ``path``, gzipped or not: its first bytes decide, names are often wrong. Where it
    cannot be, UsageError says what was ``expected``.
    """
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == b"\x1f\x8b"
        return cast(IO[bytes], gzip.open(path)) if zipped else path.open("rb")
    except OSError as error:
        raise UsageError(str(unreadable(path, error, expected))) from None
