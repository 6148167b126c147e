"""srlm judge validate: a judge on a model, asked about human data, held against what people say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from backends.engines.caller import Caller
from backends.engines.engine import check_ready, check_served
from benchmarks.human_data import HumanData
from benchmarks.judge_validation import (
    Conventions,
    HeldAgainst,
    Validation,
    for_judge,
    judge_labelled,
    judge_ranked,
    measure_pairs,
    measure_ranked,
    refuse_held,
)
from harness.called import PACE, open_called, without_pace
from harness.calling import open_caller
from harness.comparison import OtherJudge, best_other
from harness.config import Budget
from harness.display import Display
from harness.folder import claim, note_spent
from harness.plan import Plan, notes_on_price, step_of, text_of
from harness.recipe import checked, read_overrides
from harness.rehearsal import asked_in_silence
from harness.section import Section
from judges.fitness_checks import Criterion
from judges.judging import Judge, unscored_share
from judges.spec import JudgeSpec, describe, load_spec, with_draws
from judges.spec_parts import Kind, Orders
from results.cache import CallCache
from results.errors import UsageError
from results.records import Judgment, PairJudgment, Value
from results.store import RecordFile, write_json
from results.text import excerpt, slug
from results.weights import text_hash

# What changes no answer may differ when a validation is gone on with: sections and settings.
FREE = ("budget", "fit", "judge.max_unscored", *(f"engine.{key}" for key in PACE))


class ValidatedJudge(Section):
    """Settings of the judge beside its spec; ``draws`` and ``orders`` replace the spec's."""

    draws: int | None = Field(default=None, ge=1)
    orders: Orders | None = None
    max_unscored: float = Field(default=0.5, ge=0, le=1)


class Settings(Section):
    """What a validation may be told by ``key.sub=value``: ``judge``, ``engine`` (its options),
    ``budget``, ``fit`` (the criterion of the verdict).
    """

    judge: ValidatedJudge = ValidatedJudge()
    engine: dict[str, Any] = Field(default_factory=dict)
    budget: Budget = Budget()
    fit: Criterion = Criterion()


@dataclass(frozen=True)
class Asked:
    """What the command line says of the data.

    Args:
        language: of Open Assistant data; null keeps all.
        first_turn: of Open Assistant conversations, the replies to the opening prompt alone.
        held_out: share of the prompts, by a hash of their text.
        limit: prompts or pairs at most.
    """

    language: str | None = "en"
    first_turn: bool = True
    held_out: float = 1.0
    limit: int | None = None


class ValidationConfig(Settings):
    """A whole validation, as its folder keeps it."""

    spec: str
    model: str
    data: str
    data_format: str
    language: str | None
    first_turn: bool
    held_out: float
    limit: int | None
    seed: int


def settings_of(overrides: list[str]) -> Settings:
    """The settings in ``key.sub=value`` texts; UsageError names a wrong one."""
    return checked(Settings, read_overrides(overrides), Path("judge validate"))


def asked_spec(name: str, settings: ValidatedJudge) -> JudgeSpec:
    """The judge spec with the number of draws and the orders that were asked for."""
    spec = with_draws(load_spec(name), settings.draws)
    if settings.orders is None:
        return spec
    if spec.kind != "pairwise":
        raise UsageError(f"judge.orders: judge {spec.name!r} is pointwise; leave it out")
    return spec.model_copy(update={"orders": settings.orders})


class Task:
    """One validation, opened and not begun: its parts, checked."""

    def __init__(self, spec: str, model: str, data: HumanData, overrides: list[str],
                 asked: Asked = Asked(), seed: int = 0) -> None:  # fmt: skip
        settings = settings_of(overrides)
        called = open_called("--model", model, settings.engine, settings.budget)
        self.spec = asked_spec(spec, settings.judge)
        self.data = data
        self.held = for_judge(data, self.spec.kind, asked.held_out, asked.limit)
        refuse_held(self.spec, self.held)
        self.engine, self.price = called.engine, called.price
        self.config = ValidationConfig(
            **settings.model_dump(exclude={"engine"}), engine=called.options, spec=spec,
            model=model, data=data.name, data_format=data.format, **asdict(asked), seed=seed,
        )  # fmt: skip

    def default_folder(self) -> Path:
        """runs/validate-JUDGE-HASH, one for each judge, model, data and settings."""
        told = self.config.model_dump(mode="json", exclude={"budget": True, "fit": True})
        del told["judge"]["max_unscored"]
        told["engine"] = without_pace(told["engine"])
        mark = text_hash([told, self.data.sha256, self.engine.identity])[:8]
        return Path("runs") / f"validate-{slug(self.spec.name)[:60]}-{mark}"

    def ask(self, caller: Caller, folder: Path) -> list[Judgment] | list[PairJudgment]:
        """The judge's answers, kept in ``folder``."""
        judge = Judge(self.spec, caller, self.config.model, False)
        if self.spec.kind == "pointwise":
            return judge_ranked(judge, self.held.ranked, folder, self.config.seed)
        return judge_labelled(judge, self.held.pairs, folder, self.config.seed)


def plan(task: Task) -> Plan:
    """What the validation will ask and cost; calls nothing."""
    silent = asked_in_silence(task.ask)
    found = Plan()
    options = task.config.engine
    found.steps.append(
        step_of(task.config.model, "judgments", silent.asked, silent.config, task.price, options)
    )
    found.prompts["judgments"] = text_of(silent.asked[0])
    n = len(task.held.ranked) or len(task.held.pairs)
    what = "prompts" if task.held.ranked else "pairs"
    found.notes = [
        f"{n} of {task.data.of} {what} of {task.data.name} ({task.data.format})",
        *task.held.notes,
        *notes_on_price({"judge": task.price}),
    ]
    return found


def validate(task: Task, folder: Path, display: Display, by: Conventions,
             others: Sequence[Path] = ()) -> Validation:  # fmt: skip
    """Asks the judge, measures, and keeps all of it in ``folder``; goes on where it was.

    Args:
        task: what is validated.
        folder: for judgments, cache, manifest, values and metrics.json.
        display: for progress.
        by: the conventions of the figures.
        others: earlier validations on the same data; the best of them must not be surely better.
    """
    check_ready(task.engine)
    if not (folder / "config.yaml").exists():
        check_served(task.engine, display.note)
    on = described(task.data, task.held)
    other = best_other(others, on["data_sha256"], on["kind"], on["prompts"])
    hashes = {
        "judge": text_hash(task.spec.model_dump()),
        "data": task.data.sha256,
        "model": task.engine.identity,
    }
    claim(folder, task.config, hashes, FREE)
    held, config = task.held, task.config
    with CallCache(folder / "calls.sqlite", records=folder, notice=display.note) as cache:
        caller = open_caller(task.engine, cache, display, config.budget, task.price)
        of = len(held.pairs) or sum(len(item.responses) for item in held.ranked)
        display.start(task.spec.name, "judgments", of * task.spec.draws)
        if again := reopen_failed(folder, task.spec.kind):
            display.note(f"{again} calls that failed are made again")
        try:
            judgments = task.ask(caller, folder)
        finally:
            note_spent(folder, [asdict(part) for part in cache.spent()])
            task.engine.close()
        share = unscored_share(judgments)
        display.finish(task.spec.name, "judgments", f"{len(judgments)}, {share:.1%} unscored")
    failed = Counter(j.text for j in judgments if j.finish_reason == "error")
    why = [f"{n} calls failed: {excerpt(text, 200)}" for text, n in failed.most_common(3)]
    figures, values = measured(task.spec, held, judgments, by, config.fit, other)
    found = Validation(
        judge=task.spec.name,
        judge_spec=describe(task.spec),
        model=config.model,
        **on,
        scale=task.spec.scale if task.spec.kind == "pointwise" else None,
        min_scored=task.spec.min_scored,
        **{**figures, "notes": [*why, *held.notes, *figures.get("notes", [])]},
    )
    RecordFile(folder / "values.jsonl", Value).replace(values)
    write_json(folder / "metrics.json", found.model_dump(mode="json"))
    return found


def reopen_failed(folder: Path, kind: Kind) -> int:
    """Makes a finished validation one that lacks its failed calls; returns how many they are.

    Unscored answers stay: the same call would give the same answer.
    """
    model = Judgment if kind == "pointwise" else PairJudgment
    file: RecordFile[Any] = RecordFile(folder / "judgments.jsonl", model)
    return file.reopen(lambda judgment: judgment.finish_reason != "error")


def described(data: HumanData, held: HeldAgainst) -> dict[str, Any]:
    """The keys of a ``Validation`` that say on what it was measured."""
    return {
        "data": data.name,
        "data_format": data.format,
        "data_sha256": data.sha256,
        "kind": "ranked" if held.ranked else "pairwise",
        "n": len(held.ranked) or len(held.pairs),
        "of": data.of,
        "prompts": text_hash(sorted(item.id for item in (held.ranked or held.pairs)))[:16],
    }


def measured(spec: JudgeSpec, held: HeldAgainst, judgments: Any, by: Conventions,
             criterion: Criterion, other: OtherJudge | None
             ) -> tuple[dict[str, Any], list[Value]]:  # fmt: skip
    """The figures on whichever kind of data it is."""
    if held.ranked:
        theirs = (other.name, other.scores) if other else None
        return measure_ranked(
            held.ranked, judgments, spec.scale, spec.min_scored, by, criterion, theirs
        )
    said = (other.name, other.judgments) if other else None
    return measure_pairs(held.pairs, judgments, by, criterion, said)
