"""Seed data from a user's own files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from benchmarks.human_data import read_answers
from benchmarks.human_data.split import split_prompts
from benchmarks.registry import SeedData
from results.errors import UsageError
from results.records import Example
from results.store import read_json_lines


def seed_data(
    seed: int,
    ift: str,
    eft: str | None = None,
    ranked: str | None = None,
    held_out_share: Annotated[float, Field(ge=0, le=1)] = 0.0,
) -> SeedData:
    """IFT and EFT from JSON Lines with ``prompt`` (text or messages) and ``completion`` (text); an
    EFT line may have ``instruction`` (text), whose answer is judged in it.

    Args:
        seed: not used; the files decide.
        ift: the answered instructions.
        eft: judge prompts, rendered, with the judge's answer as completion.
        ranked: human-ranked answers from which EFT can be judged: any ranked data that
            ``read_human_data`` reads.
        held_out_share: of the ranked prompts, left to the evaluation; must be the evaluation's.
    """
    pool = [] if ranked is None else split_prompts(read_answers(ranked).ranked, held_out_share)[0]
    return SeedData(_read(Path(ift), "ift"), _read(Path(eft), "eft") if eft else [], pool)


def _read(path: Path, kind: Literal["ift", "eft"]) -> list[Example]:
    return [_example(path, line, row, kind) for line, row in read_json_lines(path)]


def _example(path: Path, line: int, row: dict[str, Any], kind: Literal["ift", "eft"]) -> Example:
    for key in ("prompt", "completion"):
        text = row.get(key)
        if isinstance(text, str) and not text.strip():
            raise UsageError(f"{path}:{line}: {key!r} is blank; write it or remove the line")
    instruction = row.get("instruction") if kind == "eft" else None
    if not (instruction is None or isinstance(instruction, str)):
        raise UsageError(
            f"{path}:{line}: 'instruction' is no text; write it as text or leave it out"
        )
    try:
        return Example(
            id=str(row.get("id", f"{kind}-{line}")),
            prompt=row["prompt"],
            completion=row["completion"],
            kind=kind,
            meta={} if instruction is None else {"instruction": instruction},
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
