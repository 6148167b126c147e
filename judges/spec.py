"""A judge is data: rubric, parser, scale, decoding, draws. One YAML file and one rubric file each.

Shipped judges lie in ``judges/specs``; a user names a YAML file of their own; an outside package
registers its judges under the entry-point group ``srlm.judges``.
"""

from __future__ import annotations

import difflib
import hashlib
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from results.errors import SrlmError, UsageError
from results.plugins import Table
from results.text import excerpt, one_line

PLACEHOLDERS = ("{prompt}", "{response}")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Parser(_Part):
    """How the score is read. ``label`` is the word before the colon in the final line."""

    name: Literal["final_score_line"] = "final_score_line"
    label: str = "Score"

    @field_validator("label")
    @classmethod
    def _label_is_one_word_or_more(cls, label: str) -> str:
        # Other characters would be taken for decoration by the parser, and never match.
        if not label.replace(" ", "").isalnum():
            raise ValueError("expected letters, digits and spaces only")
        return label


class Decoding(_Part):
    """How the judge samples. ``temperature`` >= 0 (0: greedy), 0 < ``top_p`` <= 1, tokens >= 1."""

    temperature: float = Field(ge=0)
    top_p: float = Field(gt=0, le=1)
    max_tokens: int = Field(ge=1)


class JudgeSpec(_Part):
    """One judge.

    Args:
        name, version, description: how tables call it; the version rises with any change.
        kind: ``pointwise``: one response at a time gets a score.
        rubric: the template text; ``{prompt}`` and ``{response}`` stand in it once each, every
            other brace is literal.
        parser, scale: how the score is read, and its lowest and highest value (both included).
        decoding: the judge's sampling settings.
        draws: judge calls per response, >= 1.
        min_scored: scored draws that a response needs to have a score, 1 to ``draws``.
        aggregation: ``mean`` of the scored draws.
    """

    name: str = Field(min_length=1)
    version: int = Field(ge=1)
    description: str = ""
    kind: Literal["pointwise"] = "pointwise"
    rubric: str
    parser: Parser = Parser()
    scale: tuple[int, int]
    decoding: Decoding
    draws: int = Field(ge=1)
    min_scored: int = Field(default=1, ge=1)
    aggregation: Literal["mean"] = "mean"

    @field_validator("rubric")
    @classmethod
    def _has_each_slot_once(cls, rubric: str) -> str:
        for slot in PLACEHOLDERS:
            if (found := rubric.count(slot)) != 1:
                raise ValueError(f"expected {slot} exactly once, it is there {found} times")
        return rubric

    @field_validator("scale")
    @classmethod
    def _scale_rises(cls, scale: tuple[int, int]) -> tuple[int, int]:
        if scale[0] >= scale[1]:
            raise ValueError("expected [low, high] with low < high")
        return scale

    @model_validator(mode="after")
    def _enough_draws(self) -> JudgeSpec:
        if self.min_scored > self.draws:
            raise ValueError(
                f"min_scored {self.min_scored} is above draws {self.draws}, so nothing would ever "
                "be scored; lower min_scored or raise draws"
            )
        return self


def prompt_hash(spec: JudgeSpec) -> str:
    """Returns 16 hex digits that name the rubric's text: equal text, equal hash."""
    return hashlib.sha256(spec.rubric.encode()).hexdigest()[:16]


def describe(spec: JudgeSpec) -> str:
    """Returns name, version and how scores come about: what a figure of this judge rests on."""
    score = f"mean of {spec.draws} draws"
    if spec.min_scored > 1:
        score += f", {spec.min_scored} of them scored or the response is unscored"
    elif spec.draws > 1:
        score += ", the scored ones of them"
    return f"{spec.name} v{spec.version}, {score if spec.draws > 1 else '1 draw'}"


def load_spec(name_or_path: str) -> JudgeSpec:
    """Returns a judge by the name of a shipped or registered one, or from a YAML file.

    A registered entry point may be a JudgeSpec, the path of a YAML file, or a callable without
    arguments that returns either. Raises UsageError on an unknown name and on a file that does not
    hold a judge; the text names the file, the key and the mend.
    """
    shipped = _shipped()
    if name_or_path in shipped:
        return _read(shipped[name_or_path])
    path = Path(name_or_path).expanduser()
    if path.suffix in {".yaml", ".yml"} or "/" in name_or_path:
        return _read(path)
    return _resolve(name_or_path, _table().load(name_or_path))


def list_specs() -> dict[str, str]:
    """Returns every judge that can be named, with its description in one line, sorted by name.

    One that cannot be loaded says so here, so that a broken package does not hide the others.
    """
    found = {}
    for name in sorted(_table().names()):
        try:
            found[name] = one_line(load_spec(name).description)
        except SrlmError as error:
            found[name] = f"cannot be loaded: {error}"
    return found


def _shipped() -> dict[str, Path]:
    """The YAML files of this package by name."""
    folder = Path(str(files("judges") / "specs"))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def _table() -> Table:
    # Built at each call: names() refuses a registered judge that takes a shipped name.
    entries = {name: str(path) for name, path in _shipped().items()}
    return Table("judge", "srlm.judges", entries, {})


def _resolve(name: str, part: Any) -> JudgeSpec:
    """Turns what an entry point names into a spec."""
    if callable(part):
        part = part()
    if isinstance(part, str | Path):
        part = _read(Path(part))
    if not isinstance(part, JudgeSpec):
        raise UsageError(
            f"judge {name!r}: the entry point gives {excerpt(part)}, expected a JudgeSpec, "
            "the path of a YAML file or a callable that returns one; mend that package"
        )
    return part


def _read(path: Path) -> JudgeSpec:
    """Reads one YAML file and the rubric beside it."""
    try:
        data = yaml.safe_load(_text(path, "a judge in YAML"))
    except yaml.YAMLError as error:
        raise UsageError(f"{path}: not YAML ({excerpt(str(error), 160)}); mend it") from None
    if not isinstance(data, dict):
        raise UsageError(f"{path}: found {excerpt(data)}, expected keys such as name: and rubric:")
    if not isinstance(data.get("rubric"), str):
        raise UsageError(
            f"{path}: rubric: found {excerpt(data.get('rubric'))}, expected the path of a text "
            "file, relative to this one; add it"
        )
    # The newline that ends the file is no part of the prompt.
    rubric = _text(path.parent / data["rubric"], f"the rubric that {path} names").strip()
    try:
        return JudgeSpec.model_validate({**data, "rubric": rubric})
    except ValidationError as error:
        raise UsageError(f"{path}: {_explain(error)}") from None


def _text(path: Path, expected: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file, expected {expected}; check the path") from None
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be read ({error.strerror}), expected {expected}"
        ) from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: found bytes that are not UTF-8, expected {expected}") from None


def _explain(error: ValidationError) -> str:
    """The first thing wrong, in one line: key, what was found, what was expected."""
    first = error.errors(include_url=False)[0]
    where = [str(part) for part in first["loc"]]
    key = ".".join(where)
    if first["type"] == "extra_forbidden":
        parts: dict[str, type[BaseModel]] = {"parser": Parser, "decoding": Decoding}
        known = list(parts.get(where[0], JudgeSpec).model_fields)
        close = difflib.get_close_matches(where[-1], known, n=1)
        meant = f"; did you mean {close[0]!r}?" if close else ""
        return f"unknown key {key!r}{meant} (there are: {', '.join(known)})"
    if first["type"] == "missing":
        return f"the key {key!r} is missing; add it"
    why = excerpt(first["msg"].removeprefix("Value error, "), 160)
    return f"{key}: found {excerpt(first['input'])}; {why}" if key else why
