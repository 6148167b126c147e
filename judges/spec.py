"""A judge is data: rubric, parser, scale, decoding, draws. One YAML file, and the rubric beside it.

Shipped judges lie in ``judges/specs``; a user names a YAML file of their own; an outside package
registers its judges under the entry-point group ``srlm.judges``; and ``judges/borrowed`` builds
specs from the judges of AlpacaEval and MT-Bench, where those are on this machine.
"""

from __future__ import annotations

import hashlib
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from judges.parsers.parsed import Parsed
from judges.parsers.table import read
from judges.spec_parts import Decoding, Example, Kind, Orders, Parser, Part
from judges.template import refuse_slots, slots
from results.errors import SrlmError, UsageError, did_you_mean
from results.plugins import Table
from results.text import excerpt, one_line


class JudgeSpec(Part):
    """One judge.

    Args:
        name, version, description: how tables call it; the version rises with any change.
        kind: ``pointwise``: one response at a time gets a score; ``pairwise``: of two responses
            the better one is named.
        rubric: the template text; ``{prompt}`` and ``{response}`` stand in it once each (pairwise:
            ``{prompt}``, ``{first}`` and ``{second}``), ``{reference}`` at most once, every other
            brace is literal. ``judges.template.slots`` tells of turns.
        system: the system message, "" for none.
        parser, scale: how the answer is read, and the lowest and highest score (both included). A
            pairwise judge has no scale.
        decoding: the judge's sampling settings.
        draws: judge calls per response, or per pair and order, >= 1.
        min_scored: scored draws that a response (an order of a pair) needs, 1 to ``draws``.
        aggregation: ``mean`` of the scored draws (pairwise: their majority); ``expected``: each
            draw is the mean over the probabilities of the score's token (pairwise: the verdict
            whose token is likeliest), which needs an engine that gives log-probabilities.
        orders: ``both``: each pair is judged in both orders; ``AB``: as the data have it;
            ``random``: in one order, by the seed and the pair's id. Pairwise only.
        example: a completion that the parser must read as said; a spec that cannot is refused.
    """

    name: str = Field(min_length=1)
    version: int = Field(ge=1)
    description: str = ""
    kind: Kind = "pointwise"
    rubric: str
    system: str = ""
    parser: Parser = Parser()
    scale: tuple[int, int] = (0, 1)
    decoding: Decoding
    draws: int = Field(ge=1)
    min_scored: int = Field(default=1, ge=1)
    aggregation: Literal["mean", "expected"] = "mean"
    orders: Orders = "both"
    example: Example | None = None

    @field_validator("scale")
    @classmethod
    def _scale_rises(cls, scale: tuple[int, int]) -> tuple[int, int]:
        if scale[0] >= scale[1]:
            raise ValueError("expected [low, high] with low < high")
        return scale

    @model_validator(mode="after")
    def _parts_fit(self) -> JudgeSpec:
        try:
            refuse_slots(self.rubric, self.kind)
        except ValueError as error:
            raise ValueError(f"rubric: {error}") from None
        if self.kind == "pointwise" and "scale" not in self.model_fields_set:
            raise ValueError("the key 'scale' is missing; add it")
        if self.min_scored > self.draws:
            raise ValueError(
                f"min_scored {self.min_scored} is above draws {self.draws}, so nothing would ever "
                "be scored; lower min_scored or raise draws"
            )
        if self.kind == "pairwise" and self.min_scored > 1:
            raise ValueError(
                f"min_scored {self.min_scored}: a pairwise judge's figures are means over its "
                "draws, each counts by itself; leave it out"
            )
        if self.example is not None:
            self._read_example(self.example)
        return self

    def _read_example(self, example: Example) -> None:
        """Raises ValueError when the parser does not find in the example what it must."""
        wanted = example.score if example.verdict is None else example.verdict
        if (example.verdict is None) != (self.kind == "pointwise"):
            needed = "score" if self.kind == "pointwise" else "verdict"
            raise ValueError(f"example: a {self.kind} judge needs a {needed} in it")
        found = self.read(example.text)
        if (found.score if example.verdict is None else found.verdict) != wanted:
            shown = found.reason or (found.verdict if found.score is None else found.score)
            raise ValueError(
                f"example: the parser {self.parser.name!r} reads {shown} in it, expected {wanted}; "
                "mend the parser's options, the scale or the example"
            )

    def read(self, text: str, finish_reason: str = "stop") -> Parsed:
        """Returns what the parser finds in a completion of this judge, or the reason for nothing.

        A pointwise judge gives no verdict and a pairwise one no score.
        """
        found = read(text, finish_reason, self.parser.name, self.parser.options, self.scale)
        if self.kind == "pointwise" and found.verdict is not None:
            return Parsed(None, "no_score")
        if self.kind == "pairwise" and found.score is not None:
            return Parsed(None, "no_verdict")
        return found

    @property
    def slots(self) -> set[str]:
        """The rubric's slots by name, without braces."""
        return slots(self.rubric, self.kind)


def with_draws(spec: JudgeSpec, draws: int | None) -> JudgeSpec:
    """Returns the judge with another number of draws (None: its own), never asking for more scored
    draws than there are.
    """
    if draws is None:
        return spec
    update = {"draws": draws, "min_scored": min(spec.min_scored, draws)}
    return JudgeSpec.model_validate({**spec.model_dump(exclude_unset=True), **update})


def prompt_hash(spec: JudgeSpec) -> str:
    """Returns 16 hex digits that name the prompt's text: equal texts, equal hash."""
    text = spec.rubric + (f"\0{spec.system}" if spec.system else "")
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def describe(spec: JudgeSpec) -> str:
    """Returns name, version and how scores come about: what a figure of this judge rests on."""
    expected = spec.aggregation == "expected"
    if spec.kind == "pairwise":
        draw = "likeliest verdict token of " if expected else ""
        orders = {"both": "both orders", "AB": "order of the data",
                  "random": "one random order"}[spec.orders]  # fmt: skip
        score = f"{draw}{_draws(spec.draws)}, {orders}"
        return f"{spec.name} v{spec.version}, {score}"
    draw = " of the mean over the score token's probabilities" if expected else ""
    score = f"mean of {_draws(spec.draws)}{draw}"
    if spec.min_scored > 1:
        score += f", {spec.min_scored} of them scored or the response is unscored"
    elif spec.draws > 1:
        score += ", the scored ones of them"
    return f"{spec.name} v{spec.version}, {score if spec.draws > 1 or expected else '1 draw'}"


def _draws(n: int) -> str:
    return f"{n} draws" if n > 1 else "1 draw"


def load_spec(name_or_path: str) -> JudgeSpec:
    """Returns a judge by the name of a shipped or registered one, from a YAML file, or borrowed.

    ``alpaca_eval:NAME`` is an annotator of the installed alpaca-eval package;
    ``PATH/judge_prompts.jsonl#NAME`` and ``mt_bench:NAME@PATH`` are a grader of FastChat's prompt
    file. A registered entry point may be a JudgeSpec, the path of a YAML file, or a callable
    without arguments that returns either. Raises UsageError on an unknown name and on a file that
    does not hold a judge; the text names the file, the key and the mend.
    """
    shipped = _shipped()
    if name_or_path in shipped:
        return _read(shipped[name_or_path])
    if name_or_path.startswith("alpaca_eval:"):
        from judges.borrowed.alpaca_annotators import annotator

        return annotator(name_or_path.removeprefix("alpaca_eval:"))
    if name_or_path.startswith("mt_bench:") or ".jsonl#" in name_or_path:
        from judges.borrowed.fastchat_prompts import grader

        return grader(name_or_path)
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
    """Reads one YAML file, and the rubric beside it unless the file holds it."""
    try:
        data = yaml.safe_load(_text(path, "a judge in YAML"))
    except yaml.YAMLError as error:
        raise UsageError(f"{path}: not YAML ({excerpt(str(error), 160)}); mend it") from None
    if not isinstance(data, dict):
        raise UsageError(f"{path}: found {excerpt(data)}, expected keys such as name: and rubric:")
    if not isinstance(data.get("rubric"), str):
        raise UsageError(
            f"{path}: rubric: found {excerpt(data.get('rubric'))}, expected the path of a text "
            "file, relative to this one, or the text itself; add it"
        )
    rubric = data["rubric"]
    if "{" not in rubric and "\n" not in rubric:  # else it is the text itself
        rubric = _text(path.parent / rubric, f"the rubric that {path} names")
    # The newline that ends the file is no part of the prompt.
    rubric = rubric.strip()
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
    errors = error.errors(include_url=False)
    # A key that is written wrong is missing too; what is written says more.
    first = next((it for it in errors if it["type"] == "extra_forbidden"), errors[0])
    where = [str(part) for part in first["loc"]]
    key = ".".join(where)
    if first["type"] == "extra_forbidden":
        parts: dict[str, type[BaseModel]] = {"decoding": Decoding, "example": Example}
        known = list(parts.get(where[0], JudgeSpec).model_fields)
        meant = did_you_mean(where[-1], known)
        return f"unknown key {key!r}{meant} (there are: {', '.join(known)})"
    if first["type"] == "missing":
        return f"the key {key!r} is missing; add it"
    why = excerpt(first["msg"].removeprefix("Value error, "), 160)
    return f"{key}: found {excerpt(first['input'])}; {why}" if key else why
