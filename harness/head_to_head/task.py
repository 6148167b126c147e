"""One comparison as the command line asks for it: its sides and its judge, opened and checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field

from benchmarks.alpaca_eval2.annotations import read_instructions
from benchmarks.benchmark import HasPromptTexts
from benchmarks.head_to_head.sides import (
    Item,
    Side,
    match_hash,
    matched,
    side_of_file,
    side_of_folder,
)
from benchmarks.head_to_head.verdicts import by_metric
from benchmarks.registry import open_benchmark
from harness.called import MODEL, PACE, Called, open_called, without_pace
from harness.config import Budget, Decoding
from harness.evaluating import EvaluationJudge, read_evaluated, refuse_unused
from harness.head_to_head.report import read_report, refuse_other
from harness.recipe import checked, read_overrides
from harness.section import Section
from harness.stages.evaluation import named
from harness.stages.prompts import read_prompt_file
from judges.pointwise import cluster_of
from judges.spec import load_spec, with_draws
from results.errors import UsageError
from results.weights import text_hash

FREE = ("budget", "judge.max_unscored",
        *(f"{part}.{key}" for part in ("a", "b", "judge.options") for key in PACE))  # fmt: skip


class PairJudge(EvaluationJudge):
    """As of an evaluation; the spec compares two answers unless another is named."""

    spec: str = "pairwise"


class AnswerDecoding(Decoding):
    """As AlpacaEval asks its models, but for the temperature of each."""

    top_p: float = Field(default=1.0, gt=0, le=1)
    max_tokens: int = Field(default=2048, ge=1)


class Settings(Section):
    """What may be told by ``key.sub=value``: ``a`` and ``b`` (options of the engines of sides that
    are models), ``decoding`` (of their answers), ``judge``, ``budget``.
    """

    a: dict[str, Any] = Field(default_factory=dict)
    b: dict[str, Any] = Field(default_factory=dict)
    decoding: AnswerDecoding = AnswerDecoding()
    judge: PairJudge = PairJudge()
    budget: Budget = Budget()


class HeadToHeadConfig(Settings):
    """A whole comparison, as its folder keeps it."""

    first: str
    second: str
    prompts: str | None
    judge_model: str | None
    by: list[str]
    others: list[str]
    seed: int


@dataclass(frozen=True)
class Asked:
    """What the command line says.

    Args:
        first: a side: ``engine:model``, an evaluation folder, or a ``model_outputs.json``.
        second: the other side.
        prompts: of sides that are models; null = those of the other side.
        judge: ``engine:model``, null for none.
        by: metrics that both sides have by prompt: the higher one wins.
        others: earlier comparisons of the same answers.
        seed: of decoding and of intervals.
    """

    first: str
    second: str
    prompts: Path | None = None
    judge: str | None = None
    by: tuple[str, ...] = ()
    others: tuple[Path, ...] = ()
    seed: int = 0


class Task:
    """One comparison, opened and not begun: sides, judges and prompts, checked."""

    def __init__(self, asked: Asked, overrides: list[str]) -> None:
        settings = checked(Settings, read_overrides(overrides), Path("head-to-head"))
        self.asked, judge = asked, settings.judge
        refuse_unused(judge, asked.judge)
        if asked.judge is None and not asked.by:
            raise UsageError(
                "head-to-head: found no judge, expected --judge ENGINE:NAME, or --by METRIC of two "
                "evaluations; name one"
            )
        self.sides = [
            self._side(name, options, settings.budget, word)
            for word, name, options in (
                ("A", asked.first, settings.a),
                ("B", asked.second, settings.b),
            )
        ]
        self.sides = _told_apart(self.sides, (asked.first, asked.second))
        self.items = self._items(asked)
        self.judge = self.spec = None
        if asked.judge is not None:
            self.judge = open_called(
                "--judge", asked.judge, judge.options, settings.budget, called_of(self.sides)
            )
            self.spec = with_draws(load_spec(judge.spec), judge.draws)
            if self.spec.kind == "pairwise":  # or A against B would not be B against A
                self.spec = self.spec.model_copy(update={"orders": "both"})
            judge = judge.model_copy(update={"options": self.judge.options})
        self.earlier = [read_report(path) for path in asked.others]
        stored = [side for side in self.sides if isinstance(side, Side)]
        if len(stored) == 2 and settings.decoding.model_fields_set:
            raise UsageError(
                f"decoding.{min(settings.decoding.model_fields_set)}: is of sides that are MODELs, "
                "and both are stored answers; leave it out"
            )
        if len(stored) == 2:  # what is wrong with them shows before the folder is taken
            found = matched(*stored)
            for path, report in zip(asked.others, self.earlier, strict=True):
                refuse_other(path, report, match_hash(found))
            for metric in asked.by:
                by_metric(metric, stored[0], stored[1], found)
        elif asked.by:
            raise UsageError("--by: takes two evaluation folders, found a MODEL; name its folder")
        own = [s.options if isinstance(s, Called) else {} for s in self.sides]
        self.config = HeadToHeadConfig(
            **settings.model_dump(exclude={"a", "b", "judge"}),
            a=own[0],
            b=own[1],
            judge=judge,
            first=asked.first,
            second=asked.second,
            prompts=None if asked.prompts is None else str(asked.prompts),
            judge_model=asked.judge,
            by=list(asked.by),
            others=[str(path) for path in asked.others],
            seed=asked.seed,
        )

    def _side(self, name: str, options: dict[str, Any], budget: Budget, word: str) -> Side | Called:
        path = Path(name)
        if not path.exists():
            if MODEL.fullmatch(name):
                return open_called(word, name, options, budget)
            raise UsageError(
                f"{name}: no such file or folder, and no engine:name; a side is a MODEL "
                "(hf:PATH_OR_ID), an evaluation folder or a model_outputs.json"
            )
        if options:
            raise UsageError(
                f"{word.lower()}.{next(iter(options))}: options are of a MODEL's engine, and "
                f"{name} is stored; leave them out"
            )
        return read_folder(path) if path.is_dir() else side_of_file(path)

    def _items(self, asked: Asked) -> list[Item]:
        """What a side that is a model is asked; none where both are stored."""
        stored = [side for side in self.sides if isinstance(side, Side)]
        if len(stored) == 2:
            if asked.prompts is not None:
                raise UsageError("--prompts: both sides are stored answers; leave it out")
            return []
        if asked.prompts is None:
            if not stored:
                raise UsageError("head-to-head: two MODELs need --prompts FILE")
            return stored[0].items
        return read_items(asked.prompts)

    @property
    def models(self) -> list[Called]:
        """All that will be called, each once."""
        found = called_of(self.sides)
        if self.judge is not None and not any(self.judge is side for side in found):
            found.append(self.judge)
        return found

    def hashes(self) -> dict[str, str]:
        """Of everything that the configuration points at."""
        found = {
            key: side.hash() if isinstance(side, Side) else text_hash(side.engine.identity)
            for key, side in zip(("first", "second"), self.sides, strict=True)
        }
        if self.items:
            found["prompts"] = text_hash([[item.id, item.prompt] for item in self.items])
        if self.judge is not None and self.spec is not None:
            found["judge"] = text_hash([self.judge.engine.identity, self.spec.model_dump()])
        return found

    def default_folder(self) -> Path:
        """runs/head-to-head-HASH, one for each two sides, judge and settings."""
        told = self.config.model_dump(mode="json", exclude={"budget": True, "others": True})
        del told["judge"]["max_unscored"]
        for part in (told, told["judge"]):
            for key in ("a", "b", "options"):
                if key in part:
                    part[key] = without_pace(part[key])
        return Path("runs") / f"head-to-head-{text_hash([told, self.hashes()])[:8]}"


def called_of(sides: Sequence[Side | Called]) -> list[Called]:
    """Those of the sides that are models."""
    return [side for side in sides if isinstance(side, Called)]


def _told_apart(sides: Sequence[Side | Called], words: Sequence[str]) -> list[Side | Called]:
    """The sides under names that differ: M3 of two runs, one name at two servers."""
    if sides[0].name != sides[1].name:
        return list(sides)
    if words[0] != words[1]:
        return [replace(side, name=word) for side, word in zip(sides, words, strict=True)]
    return [
        replace(side, name=named(side.name, side.engine.identity))
        if isinstance(side, Called)
        else replace(side, name=f"{side.name} ({letter})")
        for side, letter in zip(sides, "AB", strict=True)
    ]


def read_folder(folder: Path) -> Side:
    """The answers of an evaluation: of ``srlm eval``, or of a model of a run.

    Raises:
        UsageError: it is no evaluation.
        SrlmError: it keeps no single answers.
    """
    found = read_evaluated(folder)
    name, options = _benchmark(folder)
    benchmark = open_benchmark(name, options)
    texts = dict(benchmark.prompt_texts()) if isinstance(benchmark, HasPromptTexts) else {}
    return side_of_folder(folder, found, texts)


def _benchmark(folder: Path) -> tuple[str, dict[str, Any]]:
    """Benchmark and options of an evaluation, by its own configuration or that of its run."""
    own = folder / "config.yaml"
    path = own if own.is_file() else folder.resolve().parent.parent / "config.yaml"
    if not path.is_file():
        raise UsageError(f"{folder}: no config.yaml there, nor of its run; give the folder whole")
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
        part = tree if path == own else tree["evaluation"]
        return str(part["benchmark"]), dict(part["options"])
    except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError, KeyError, ValueError) as error:
        raise UsageError(
            f"{path}: says no benchmark and options; give a folder as srlm left it"
        ) from error


def read_items(path: Path) -> list[Item]:
    """The prompts of a file: JSON Lines with ``prompt``, or a JSON list with ``instruction``."""
    if path.suffix == ".jsonl":
        return [Item(name, text) for name, text in read_prompt_file(path)]
    rows = read_instructions(path)
    return [Item(cluster_of(row.instruction), row.instruction, row.dataset) for row in rows]
