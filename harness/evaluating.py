"""srlm eval MODEL: one model on one benchmark, outside of any run, in a folder of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from backends.engines.caller import Caller
from backends.engines.engine import check_ready, check_served
from benchmarks.benchmark import HasDataFiles, own_prompts
from benchmarks.registry import BENCHMARKS, open_benchmark
from harness.called import PACE, Called, callers, open_called, without_pace
from harness.config import Budget
from harness.display import Display
from harness.failed_calls import reopen_failed
from harness.folder import claim
from harness.inputs import is_file
from harness.plan import Plan, notes_on_price, step_of, text_of
from harness.recipe import checked, flatten, read_overrides
from harness.rehearsal import Rehearsal, rehearse
from harness.section import Section
from harness.stages.evaluation import METRICS, Opponent, measure, named, summary
from judges.judging import Judge
from judges.spec import load_spec, with_draws
from results.errors import UsageError
from results.files import read_model, write_json
from results.plugins import complete_options
from results.records import Evaluated
from results.text import slug
from results.weights import text_hash

SELF = "self"
# What changes no answer may differ when an evaluation is gone on with: sections and settings.
FREE = ("budget", "name", "judge.max_unscored",
        *(f"{part}.{key}" for part in ("engine", "judge.options") for key in PACE))  # fmt: skip


class EvaluationJudge(Section):
    """Settings of the judge: ``spec`` and its ``draws`` where the benchmark has no prompts of its
    own, ``options`` of its engine; more unscored judgments than ``max_unscored`` are said.
    """

    spec: str = "additive5"
    draws: int | None = Field(default=None, ge=1)
    options: dict[str, Any] = Field(default_factory=dict)
    max_unscored: float = Field(default=0.5, ge=0, le=1)


def refuse_unused(judge: EvaluationJudge, name: str | None) -> None:
    """Raises UsageError on a setting of a judge where none was named."""
    if name is None and judge.model_fields_set:
        raise UsageError(
            f"judge.{min(judge.model_fields_set)}: is of a judge, and there is none; give --judge "
            "or leave it out"
        )


class Settings(Section):
    """What an evaluation may be told by ``key.sub=value``: ``engine`` (the model's, its options),
    ``options`` (the benchmark's), ``judge``, ``budget``.
    """

    engine: dict[str, Any] = Field(default_factory=dict)
    options: dict[str, Any] = Field(default_factory=dict)
    judge: EvaluationJudge = EvaluationJudge()
    budget: Budget = Budget()


class EvaluationConfig(Settings):
    """A whole evaluation, as its folder keeps it. ``judge_model``: ``self``, ``engine:model``, or
    null for none.
    """

    model: str
    name: str
    benchmark: str
    judge_model: str | None
    baseline: str | None
    seed: int


@dataclass(frozen=True)
class Asked:
    """What the command line says.

    Args:
        model: ``engine:model``.
        benchmark: its name.
        judge: ``self``, ``engine:model``, or null for none.
        baseline: the opponent's evaluation folder, null for no win rate.
        name: how tables call the model; null = ``model``.
        seed: of decoding and of intervals.
    """

    model: str
    benchmark: str
    judge: str | None = None
    baseline: Path | None = None
    name: str | None = None
    seed: int = 0


class Task:
    """One evaluation, opened and not begun: its parts, checked.

    Raises:
        UsageError: a part is unknown, or does not fit the others.
    """

    def __init__(self, asked: Asked, overrides: list[str]) -> None:
        settings = checked(Settings, read_overrides(overrides), Path("eval"))
        judge, name = settings.judge, asked.judge
        if judge.options and (name is None or name == SELF):
            raise UsageError("judge.options: are of a judge's own engine; give --judge ENGINE:NAME")
        refuse_unused(judge, name)
        options = complete_options(
            "benchmark", asked.benchmark, BENCHMARKS.load(asked.benchmark), settings.options
        )
        self.benchmark = open_benchmark(asked.benchmark, options)
        if own_prompts(self.benchmark) and (told := judge.model_fields_set & {"spec", "draws"}):
            raise UsageError(
                f"judge.{min(told)}: benchmark {asked.benchmark!r} has judge prompts of its own; "
                "leave it out"
            )
        self.spec = None if name is None else with_draws(load_spec(judge.spec), judge.draws)
        self.model = open_called("MODEL", asked.model, settings.engine, settings.budget)
        self.judge: Called | None = None
        if name == SELF:
            self.judge = self.model
        elif name is not None:
            self.judge = open_called("--judge", name, judge.options, settings.budget, [self.model])
            judge = judge.model_copy(update={"options": self.judge.options})
        self.opponent = self._opponent(asked)
        self.config = EvaluationConfig(
            engine=self.model.options,
            options=options,
            judge=judge,
            budget=settings.budget,
            model=asked.model,
            name=asked.name or asked.model,
            benchmark=asked.benchmark,
            judge_model=name,
            baseline=None if asked.baseline is None else str(asked.baseline),
            seed=asked.seed,
        )

    def _opponent(self, asked: Asked) -> Opponent:
        folder = asked.baseline
        if folder is None:
            return Opponent()
        if list(self.benchmark.metrics(True)) == list(self.benchmark.metrics(False)):
            raise UsageError(
                f"--baseline {folder}: benchmark {asked.benchmark!r} measures nothing against it "
                "with these options; leave it out (docs/benchmarks.md says what it takes)"
            )
        theirs = read_evaluated(folder)
        if theirs.benchmark != self.benchmark.name:
            raise UsageError(
                f"--baseline {folder}: is of benchmark {theirs.benchmark!r}, expected "
                f"{self.benchmark.name!r}; evaluate the opponent there first"
            )
        # A run's own opponent is called as the run's tables call it, so that both compare.
        own = theirs.baseline or ""
        ours = own if own and own == named(own.rpartition(" ")[0], theirs.identity) else None
        return Opponent(ours or named(theirs.model, theirs.identity), folder)

    def rehearse(self) -> Rehearsal:
        """Goes through it without a call; raises what it would raise later, and UsageError where
        the opponent was asked other things.
        """
        found = rehearse(self.benchmark, self.spec, self.opponent.folder, self.config.seed)
        if self.opponent.folder is not None:
            theirs = read_evaluated(self.opponent.folder)
            if theirs.data != found.data:
                raise UsageError(
                    f"--baseline {self.opponent.folder}: was asked other things, or in another "
                    "way; evaluate the opponent with the same options and a judge of the same spec"
                )
        return found

    def hashes(self) -> dict[str, str]:
        """Of everything that the configuration points at."""
        found = {"model": text_hash(self.model.engine.identity)}
        if self.judge is not None and self.spec is not None:
            found["judge"] = text_hash([self.judge.engine.identity, self.spec.model_dump()])
        if self.opponent.folder is not None:
            found["baseline"] = _answers_hash(self.opponent.folder)
        if isinstance(self.benchmark, HasDataFiles):
            found["data"] = self.benchmark.data_hash()
        for key, value in flatten(self.config.options).items():
            if isinstance(value, str) and is_file(value):
                found[f"options.{key}"] = hashlib.sha256(Path(value).read_bytes()).hexdigest()
        return found

    def default_folder(self) -> Path:
        """runs/eval-BENCHMARK-HASH, one for each model, judge, data and settings."""
        told = self.config.model_dump(mode="json", exclude={"budget": True, "name": True})
        del told["judge"]["max_unscored"]
        told["engine"] = without_pace(told["engine"])
        told["judge"]["options"] = without_pace(told["judge"]["options"])
        mark = text_hash([told, self.hashes()])[:8]
        return Path("runs") / f"eval-{slug(self.config.benchmark)}-{mark}"


def read_evaluated(folder: Path) -> Evaluated:
    """What an evaluation folder measured; UsageError where it is none."""
    path = folder / METRICS
    if not path.is_file():
        raise UsageError(
            f"{folder}: no evaluation (no {METRICS}); give a folder of srlm eval, or "
            "RUN/iter_K/evaluation"
        )
    return read_model(path, Evaluated)


def _answers_hash(folder: Path) -> str:
    """Of the answers that an opponent's folder holds: other ones give another win rate."""
    files = [folder / "outputs.jsonl", folder / "fastchat" / "model_answer.jsonl"]
    return text_hash([path.read_text(encoding="utf-8") for path in files if path.is_file()])


def plan(task: Task) -> Plan:
    """What the evaluation will ask and cost; calls nothing."""
    asked, found = task.rehearse(), Plan()
    parts = [("evaluation", task.model, asked.model, asked.model_config)]
    if task.judge is not None:
        parts.append(("judge", task.judge, asked.judge, asked.judge_config))
    for stage, called, requests, config in parts:
        if requests:
            step = step_of(called.name, stage, requests, config, called.price, called.options)
            found.steps.append(step)
            found.prompts[stage] = text_of(requests[0])
    found.notes = [
        "prompts that show the model's answers are counted with empty ones",
        *notes_on_price({stage: called.price for stage, called, requests, _ in parts if requests}),
    ]
    return found


def evaluate(task: Task, folder: Path, display: Display) -> Evaluated:
    """Asks, judges, measures, and keeps all of it in ``folder``; goes on where it was.

    Calls that failed at an earlier start are made again.
    """
    config, title = task.config, task.config.name
    take(task, folder, display)
    if again := reopen_failed(folder):
        display.note(f"{again} calls that failed are made again")
    if (folder / METRICS).exists():
        found = read_model(folder / METRICS, Evaluated)
        if found.model != title:
            found = found.model_copy(update={"model": title})
            write_json(folder / METRICS, found.model_dump())
        return found
    display.start(title, "evaluation")
    with opened(task, folder, display) as (model, judge):
        done = measure(task.benchmark, title, model, judge, task.opponent, folder, config.seed)
    display.finish(title, "evaluation", summary(done.metrics))
    return done


def take(task: Task, folder: Path, display: Display) -> None:
    """Takes the folder for this evaluation, or finds that it is its own.

    Raises:
        SrlmError: what would end the evaluation later, or the folder is of another one.
    """
    new = not (folder / "config.yaml").exists()
    if new:
        task.rehearse()  # what would end it later ends it before the folder is taken
    for called in _models(task):
        check_ready(called.engine)
        if new:
            check_served(called.engine, display.note)
    claim(folder, task.config, task.hashes(), FREE)


@contextmanager
def opened(task: Task, folder: Path, display: Display) -> Iterator[tuple[Caller, Judge | None]]:
    """The model and its judge behind the folder's cache."""
    with callers(folder, _models(task), task.config.budget, display) as (model, *others):
        judge = None
        if task.judge is not None and task.spec is not None:
            # Also by another name: the same weights or endpoint judge what they wrote.
            same = task.judge.engine.identity == task.model.engine.identity
            judge = Judge(task.spec, (others or [model])[0], str(task.config.judge_model), same)
        yield model, judge


def _models(task: Task) -> list[Called]:
    """Each model once: what judges itself has its weights loaded once."""
    if task.judge is None or task.judge is task.model:
        return [task.model]
    return [task.model, task.judge]
