"""AlpacaEval's own files: annotations (a judged pair a row) and model outputs (an answer a row)."""

from __future__ import annotations

import gzip
import math
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StrictStr, ValidationError

from results.errors import SrlmError
from results.files import parse_json, unreadable
from results.text import excerpt, lone_surrogate

R = TypeVar("R", bound=BaseModel)
DRAW = 1.5  # upstream also writes 0


class Annotation(BaseModel):
    """One row: the baseline's output (1) and the model's (2), and who is preferred, 1 to 2.

    Upstream's files have more keys; those that no figure needs are not read.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=True)
    instruction: StrictStr
    output_1: StrictStr
    output_2: StrictStr
    generator_1: StrictStr
    generator_2: StrictStr
    annotator: StrictStr = "not said"
    dataset: StrictStr | None = None
    preference: float | None = Field(default=None, strict=True)

    @property
    def share(self) -> float | None:
        """P(model beats baseline), 0 to 1; null where there is no verdict.

        Upstream writes 1 (baseline) to 2 (model), and 0 or 1.5 for a draw; what lies elsewhere is
        no verdict to it.
        """
        preference = DRAW if self.preference == 0 else self.preference
        if preference is None or not 1 <= preference <= 2:
            return None
        return preference - 1

    @property
    def reason(self) -> str | None:
        """Why there is no verdict; null where there is one."""
        if self.share is not None:
            return None
        missing = self.preference is None or math.isnan(self.preference)
        return "no_preference" if missing else "preference_out_of_range"


class Instruction(BaseModel):
    """One prompt of a set, and the part of the set that it belongs to."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    instruction: StrictStr
    dataset: StrictStr | None = None


class Output(Instruction):
    """One row of a ``model_outputs.json``."""

    output: StrictStr
    generator: StrictStr = "not said"


@dataclass(frozen=True)
class Annotations:
    """The rows of one model against one baseline by one annotator, in file order."""

    model: str
    baseline: str
    annotator: str
    rows: list[Annotation]


def read_annotations(path: Path) -> list[Annotations]:
    """The models of an ``annotations.json`` (.gz too), in the order in which they first appear.

    Raises SrlmError on a file that is none, on one model with two baselines or annotators, and on a
    prompt that a model has twice.
    """
    rows = _read(path, Annotation)
    by_model: dict[str, list[tuple[int, Annotation]]] = {}
    for number, row in enumerate(rows):
        by_model.setdefault(row.generator_2, []).append((number, row))
    found = []
    for model, theirs in by_model.items():
        _refuse_twice(path, ((n, row.instruction) for n, row in theirs), f"model {model!r}")
        found.append(
            Annotations(
                model,
                _one(path, theirs, "generator_1", "baseline"),
                _one(path, theirs, "annotator", "annotator"),
                [row for _, row in theirs],
            )
        )
    return found


def read_outputs(path: Path) -> list[Output]:
    """The rows of a ``model_outputs.json`` (.gz too); SrlmError on a prompt that is there twice or
    on rows of several models.
    """
    rows = _read(path, Output)
    _refuse_twice(path, ((n, row.instruction) for n, row in enumerate(rows)), "the outputs")
    several = Counter(row.generator for row in rows)
    if len(several) > 1:
        raise SrlmError(
            f"{path}: found outputs of {len(several)} models ({excerpt(list(several))}), expected "
            "one; split the file"
        )
    return rows


def read_instructions(path: Path) -> list[Instruction]:
    """The prompts of a set (.gz too): rows of ``model_outputs.json``, or such without an output.

    Raises SrlmError on a prompt that is there twice, and on one without text.
    """
    rows = _read(path, Instruction)
    _refuse_twice(path, ((n, row.instruction) for n, row in enumerate(rows)), "the set")
    for number, row in enumerate(rows):
        if not row.instruction.strip():
            raise SrlmError(f"{path}: row {number}: instruction: found no text; remove the row")
    return rows


def _read(path: Path, model: type[R]) -> list[R]:
    """The rows of a JSON list of objects; SrlmError names the row (from 0) and the key."""
    data = _document(path)
    kind = f"{model.__name__.lower()}s"
    if not isinstance(data, list) or not data:
        shown = "an empty list" if data == [] else excerpt(data)
        raise SrlmError(f"{path}: found {shown}, expected a JSON list of AlpacaEval {kind}")
    rows = []
    for number, item in enumerate(data):
        if (half := lone_surrogate(item)) is not None:
            raise SrlmError(
                f"{path}: row {number}: found half a character ({half}), expected valid text (a "
                "cut emoji, perhaps); mend or remove the row"
            )
        try:
            rows.append(model.model_validate(item))
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(map(str, first["loc"])) or "the whole"
            raise SrlmError(
                f"{path}: row {number}: {key}: {first['msg']}, found {excerpt(first['input'])}; "
                f"expected AlpacaEval {kind}"
            ) from None
    return rows


def _document(path: Path) -> Any:
    try:
        data = path.read_bytes()
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SrlmError(f"{path}: damaged ({error}); get the file again") from None
    except OSError as error:
        raise unreadable(path, error, "a JSON list") from None
    try:
        return parse_json(data, nan=True)
    except ValueError as error:
        raise SrlmError(f"{path}: not JSON ({excerpt(str(error))}); mend the file") from None


def _one(path: Path, rows: Sequence[tuple[int, Annotation]],
         key: Literal["generator_1", "annotator"], what: str) -> str:  # fmt: skip
    """What all rows of a model share under ``key``; SrlmError where they differ."""
    first: str = getattr(rows[0][1], key)
    for number, row in rows:
        other: str = getattr(row, key)
        if other != first:
            raise SrlmError(
                f"{path}: row {number}: {key}: found {what} {excerpt(other)!r} after "
                f"{excerpt(first)!r} for model {excerpt(row.generator_2)!r}, expected one; split "
                "the file"
            )
    return first


def _refuse_twice(path: Path, prompts: Iterator[tuple[int, str]], whose: str) -> None:
    seen: dict[str, int] = {}
    for number, prompt in prompts:
        if prompt in seen:
            raise SrlmError(
                f"{path}: row {number}: the prompt {excerpt(prompt)!r} is in row {seen[prompt]} "
                f"too, expected each prompt once in {whose}; remove one of the rows"
            )
        seen[prompt] = number
