"""srlm eval --bridge MODEL: stored pairs of a judge that may be gone, judged by another one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from backends.engines.caller import Caller
from backends.engines.engine import check_ready, check_served
from benchmarks.alpaca_eval2.annotations import read_annotations
from benchmarks.alpaca_eval2.annotator import load_annotator
from benchmarks.alpaca_eval2.benchmark import LEADERBOARD
from benchmarks.alpaca_eval2.bridge import annotator_of, bridge, refuse_same
from benchmarks.alpaca_eval2.rejudged import (
    Rejudged,
    folder_of,
    rejudge,
    sampled,
    write_rejudged,
)
from harness.called import PACE, callers, open_called, without_pace
from harness.config import Budget
from harness.display import Display
from harness.exit_code import TOO_MANY_UNSCORED
from harness.failed_calls import reopen_failed
from harness.folder import claim
from harness.plan import Plan, notes_on_price, step_of, text_of
from harness.recipe import checked, read_overrides
from harness.rehearsal import asked_in_silence
from harness.section import Section
from judges.judging import total_unscored
from results.errors import SrlmError
from results.files import write_json
from results.leaderboard import plain_json
from results.records import Unscored
from results.weights import text_hash

FREE = ("budget", "judge.max_unscored", *(f"judge.options.{key}" for key in PACE))


class BridgeJudge(Section):
    """``annotator``: of alpaca-eval, whose prompt the judge is shown; ``sample``: pairs of every
    model, evenly from the file (null: all); ``options`` of the judge's engine.
    """

    annotator: str = LEADERBOARD
    sample: int | None = Field(default=200, ge=1)
    options: dict[str, Any] = Field(default_factory=dict)
    max_unscored: float = Field(default=0.5, ge=0, le=1)


class Settings(Section):
    """What may be told by ``key.sub=value``."""

    judge: BridgeJudge = BridgeJudge()
    budget: Budget = Budget()


class BridgeConfig(Settings):
    """A whole bridge, as its folder keeps it."""

    annotations: str
    judge_model: str
    seed: int


class NothingScored(SrlmError):
    """The new judge gave no verdict at all."""

    exit_code = TOO_MANY_UNSCORED


@dataclass(frozen=True)
class Bridged:
    """The agreement of the two judges, and the calls of the new one that are unscored."""

    found: dict[str, Any]
    unscored: Unscored


class Task:
    """One bridge, opened and not begun."""

    def __init__(self, annotations: Path, judge: str, overrides: list[str], seed: int) -> None:
        settings = checked(Settings, read_overrides(overrides), Path("eval --bridge"))
        told = settings.judge
        self.path = annotations
        stored = read_annotations(annotations)
        self.annotator = load_annotator(told.annotator)
        self.judge = open_called("--bridge", judge, told.options, settings.budget)
        refuse_same(annotations, annotator_of(annotations, stored), self.name)
        self.found = sampled(stored, told.sample)
        told = told.model_copy(update={"options": self.judge.options})
        self.config = BridgeConfig(
            judge=told,
            budget=settings.budget,
            annotations=str(annotations),
            judge_model=judge,
            seed=seed,
        )

    @property
    def name(self) -> str:
        """How the new annotator is called."""
        return f"{self.annotator.name} by {self.judge.name}"

    def hashes(self) -> dict[str, str]:
        """Of everything that the configuration points at."""
        pairs = [[m.model, m.baseline, [vars(row) for row in m.rows]] for m in self.found]
        return {
            "annotations": text_hash(pairs),
            "judge": text_hash([self.judge.engine.identity, self.annotator.spec.model_dump()]),
        }

    def default_folder(self) -> Path:
        """runs/bridge-HASH, one for each judge, file and settings."""
        told = self.config.model_dump(mode="json", exclude={"budget": True})
        del told["judge"]["max_unscored"]
        told["judge"]["options"] = without_pace(told["judge"]["options"])
        return Path("runs") / f"bridge-{text_hash([told, self.hashes()])[:8]}"

    def ask(self, caller: Caller, folder: Path) -> list[Rejudged]:
        """What the judge thinks of every pair, by model.

        Raises:
            SrlmError: it gave log-probabilities on some models and none on others.
        """
        seed, found = self.config.seed, list[Rejudged]()
        for model in self.found:
            place = folder_of(model.model, folder)
            found.append(rejudge(caller, self.name, self.annotator, model, place, seed))
            kinds = {one.discrete for one in found if one.asked}
            if len(kinds) > 1:
                raise SrlmError(
                    f"{place}: the judge gives {'no ' if found[-1].discrete else ''}"
                    "log-probabilities here, other than on the models before; verdicts and "
                    "preferences make no figure together: remove the folder of the one or of the "
                    "others and run the same command again"
                )
        return found


def plan(task: Task) -> Plan:
    """What the bridge will ask and cost; calls nothing."""
    silent = asked_in_silence(task.ask)
    judge = task.judge
    found = Plan()
    step = step_of(judge.name, "judge", silent.asked, silent.config, judge.price, judge.options)
    found.steps.append(step)
    if silent.asked:
        found.prompts["judge"] = text_of(silent.asked[0])
    found.notes = notes_on_price({"judge": judge.price})
    return found


def build(task: Task, folder: Path, display: Display) -> Bridged:
    """Asks, compares, and keeps all of it in ``folder``; goes on where it was."""
    check_ready(task.judge.engine)
    if not (folder / "config.yaml").exists():
        check_served(task.judge.engine, display.note)
    claim(folder, task.config, task.hashes(), FREE)
    places = [folder_of(found.model, folder) for found in task.found]
    if again := sum(reopen_failed(place) for place in places):
        display.note(f"{again} calls that failed are made again")
    pairs = sum(len(found.rows) for found in task.found)
    display.start(task.judge.name, "judgments", pairs)
    with callers(folder, [task.judge], task.config.budget, display) as (caller,):
        found = task.ask(caller, folder)
    missing = total_unscored(one.unscored for one in found)
    display.finish(task.judge.name, "judgments", f"{pairs}, {missing.n} unscored")
    if missing.of and missing.n == missing.of:
        why = ", ".join(f"{n} {reason}" for reason, n in sorted(missing.reasons.items()))
        raise NothingScored(
            f"{folder}: all {missing.of} judgments of {task.judge.name} are unscored ({why}), "
            "expected verdicts; see its answers there and name a judge that gives the annotator's "
            "verdict in its few tokens"
        )
    whole = folder / "annotations.json"
    write_rejudged(found, whole)
    between = bridge(task.path, whole, task.config.seed)
    write_json(folder / "bridge.json", plain_json(between))
    return Bridged(between, missing)
