"""Seed data from a user's own files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from benchmarks.registry import SeedData
from results.errors import UsageError
from results.records import Example
from results.store import read_json_lines


def seed_data(seed: int, ift: str, eft: str | None = None) -> SeedData:
    """IFT and EFT from JSON Lines with ``prompt`` (text or messages) and ``completion`` (text).

    Args:
        seed: not used; the files decide.
        ift: the answered instructions.
        eft: judge prompts, rendered, with the judge's answer as completion.
    """
    return SeedData(_read(Path(ift), "ift"), _read(Path(eft), "eft") if eft else [])


def _read(path: Path, kind: Literal["ift", "eft"]) -> list[Example]:
    return [_example(path, line, row, kind) for line, row in read_json_lines(path)]


def _example(path: Path, line: int, row: dict[str, Any], kind: Literal["ift", "eft"]) -> Example:
    for key in ("prompt", "completion"):
        text = row.get(key)
        if isinstance(text, str) and not text.strip():
            raise UsageError(f"{path}:{line}: {key!r} is blank; write it or remove the line")
    try:
        return Example(
            id=str(row.get("id", f"{kind}-{line}")),
            prompt=row["prompt"],
            completion=row["completion"],
            kind=kind,
        )
    except KeyError as error:
        raise UsageError(
            f"{path}:{line}: no {error.args[0]!r}; expected 'prompt' and 'completion'"
        ) from error
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        raise UsageError(
            f"{path}:{line}: {where}: {error.errors()[0]['msg']}; expected text or messages"
        ) from error
