"""A JSON file that is one array of objects, read with the line that each object begins at."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from results.errors import SrlmError
from results.lines import open_data
from results.text import excerpt, lone_surrogate


def is_json_array(path: Path) -> bool:
    """Whether the first character of the file (``.gz`` accepted) opens an array."""
    with closing(open_data(path)) as file:
        try:
            start = file.read(64)
        except (EOFError, zlib.error, OSError):  # said with its line by whoever reads the file
            return False
    return start.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"["


def read_json_array(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields (line from 1, object) for every element; NaN and the infinities become floats.

    Raises SrlmError (while iterating) on a damaged file, a byte that is not UTF-8, text that is
    not JSON and an element that is no object, naming the line.
    """
    text = _text(path)
    decoder = json.JSONDecoder()
    at = _skip(text, _skip(text, 0) + 1)  # behind the bracket
    line, counted = 1 + text.count("\n", 0, at), at
    more = text[at : at + 1] != "]"
    while more:
        obj, end = _element(path, decoder, text, at, line)
        yield line, obj
        at = _skip(text, end)
        more = text[at : at + 1] == ","
        if not more and text[at : at + 1] != "]":
            line += text.count("\n", counted, at)
            raise SrlmError(
                f"{path}:{line}: found {excerpt(text[at : at + 30]) or 'the end of the file'!r}, "
                "expected ',' or ']' after an element of the array; get the file again"
            )
        if more:
            at = _skip(text, at + 1)
        line, counted = line + text.count("\n", counted, at), at
    if rest := text[at + 1 :].strip():
        raise SrlmError(
            f"{path}:{line}: found {excerpt(rest)!r} after the array, expected nothing; "
            "remove it or write one object a line"
        )


def _text(path: Path) -> str:
    with closing(open_data(path)) as file:
        try:
            data = file.read()
        except (EOFError, zlib.error, OSError) as error:
            raise SrlmError(f"{path}: damaged ({error}); get the file again") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line, column = before.count(b"\n") + 1, error.start - (before.rfind(b"\n") + 1) + 1
        raise SrlmError(
            f"{path}:{line}: found byte 0x{data[error.start]:02x} at column {column}, "
            "expected UTF-8; save it as UTF-8"
        ) from None


def _skip(text: str, at: int) -> int:
    """Returns the place of the next character at or behind ``at`` that is not JSON's blank."""
    while text[at : at + 1] in (" ", "\t", "\n", "\r"):
        at += 1
    return at


def _element(
    path: Path, decoder: json.JSONDecoder, text: str, at: int, line: int
) -> tuple[dict[str, Any], int]:
    try:
        obj, end = decoder.raw_decode(text, at)
    except RecursionError:
        raise SrlmError(f"{path}:{line}: nested too deeply; mend or remove the element") from None
    except json.JSONDecodeError as error:
        raise SrlmError(
            f"{path}:{error.lineno}: not JSON ({error.msg}, column {error.colno}), expected an "
            "array of objects; mend that line"
        ) from None
    except ValueError as error:  # a number of more digits than Python reads
        why = excerpt(str(error))
        raise SrlmError(f"{path}:{line}: not JSON ({why}); mend or remove the element") from None
    if not isinstance(obj, dict):
        raise SrlmError(
            f"{path}:{line}: found {excerpt(obj)} in the array, expected an object ({{...}}); "
            "mend or remove it"
        )
    if "\\u" in text[at:end] and (half := lone_surrogate(obj)):
        raise SrlmError(
            f"{path}:{line}: found {half}, half a character that no text can hold; "
            "mend or remove the element"
        )
    return obj, end
