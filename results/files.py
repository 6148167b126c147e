"""Whole files: written so that a reader finds the old or the new one, never half of it."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError

from results.errors import SrlmError
from results.text import excerpt

M = TypeVar("M", bound=BaseModel)
# What "no room" looks like: the disk, a quota, or a limit on the size of one file.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def full_disk(path: Path) -> SrlmError:
    """Returns the error for a write to ``path`` that found no room."""
    return SrlmError(f"{path}: the disk is full; free space, then run the same command again")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns an ``OSError`` inside into a SrlmError that names ``path`` and the mend."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise full_disk(path) from error
        raise SrlmError(
            f"{path}: cannot be written ({error.strerror or error}); "
            "make the folder writable or choose another"
        ) from error


def write_all(fd: int, data: bytes) -> None:
    """Writes all of ``data``: ``os.write`` may stop short, at a signal or a filling disk."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def sync_folder(folder: Path) -> None:
    """Makes names created or renamed in ``folder`` survive a power cut."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_bytes(path: Path, data: bytes) -> None:
    """Writes ``path`` atomically and durably, with its parent folders.

    Raises SrlmError on failure; then ``path`` is as it was before.
    """
    # The process id keeps two processes that write one file (the weights memo) apart.
    temp = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with writing(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            fd = os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
            try:
                write_all(fd, data)
                os.fsync(fd)
            finally:
                os.close(fd)
            temp.replace(path)
            sync_folder(path.parent)
        except BaseException:
            with suppress(OSError):
                temp.unlink(missing_ok=True)
            raise


def write_json(path: Path, obj: Any) -> None:
    """Writes ``obj`` as indented JSON, keys in their order, with a newline at the end.

    Raises SrlmError when it holds NaN, an infinity or a thing that JSON has not.
    """
    try:
        text = json.dumps(obj, indent=2, ensure_ascii=False, allow_nan=False)
        data = text.encode()
    except (TypeError, ValueError) as error:
        raise SrlmError(f"{path}: not written: {excerpt(str(error))}; expected JSON data") from None
    write_bytes(path, data + b"\n")


def read_json(path: Path) -> Any:
    """Returns the JSON document in ``path``.

    Raises SrlmError when it is missing, empty, not UTF-8 or not JSON (NaN is not JSON).
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise unreadable(path, error, "a JSON file") from None
    if not data.strip():
        raise SrlmError(f"{path}: the file is empty, expected a JSON document; write it again")
    try:
        return parse_json(data)
    except UnicodeDecodeError:
        raise SrlmError(f"{path}: found bytes that are not UTF-8; save it as UTF-8") from None
    except json.JSONDecodeError as error:
        raise SrlmError(
            f"{path}:{error.lineno}: not JSON ({error.msg}, column {error.colno}), "
            "expected one JSON document; mend that line"
        ) from None
    except ValueError as error:
        raise SrlmError(f"{path}: not JSON ({error}), expected one JSON document") from None


def read_model(path: Path, model: type[M]) -> M:
    """Reads a JSON file that holds one ``model``; SrlmError names the key that is wrong."""
    try:
        return model.model_validate(read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise SrlmError(
            f"{path}: {where}: {first['msg']}; not a {model.__name__} of this version, restore "
            "the file or remove it and run again"
        ) from error


def file_sha256(path: Path) -> str:
    """Returns the sha256 (64 hex digits) of the file as it lies there."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def parse_json(data: bytes, nan: bool = False) -> Any:
    """Returns ``data``, UTF-8 with or without a byte order mark, as JSON.

    ``nan`` takes NaN and the infinities as floats, for a reader that reports them itself. Raises
    ValueError (UnicodeDecodeError, json.JSONDecodeError or plain) on anything else.
    """
    text = data.decode("utf-8-sig")
    try:
        return json.loads(text, parse_constant=None if nan else _no_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def unreadable(path: Path, error: OSError, expected: str) -> SrlmError:
    """Returns the error for a file that could not be opened; ``expected`` says what it holds."""
    if isinstance(error, FileNotFoundError):
        return SrlmError(f"{path}: no such file, expected {expected}; check the path")
    if isinstance(error, IsADirectoryError):
        return SrlmError(f"{path}: found a folder, expected {expected}; name a file in it")
    return SrlmError(f"{path}: cannot be read ({error.strerror or error}), expected {expected}")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")
