"""What a plan is made from, also where model, seed data or benchmark are not on this machine.

Nothing is fetched and nothing is loaded. What is absent is counted from the recipe's own numbers,
and each such assumption is a note under the plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backends.engines.caller import Caller
from backends.models import model_here
from backends.prices import PriceFile
from backends.registry import open_trainer
from benchmarks.benchmark import Benchmark, Evaluation
from benchmarks.judge_agreement import JUDGE_METRICS, measure_agreement
from benchmarks.registry import SeedData, open_benchmark
from harness.config import RunConfig
from harness.display import Display
from harness.run import Run, open_beside, run_spec
from harness.stages.seed import fresh_seed
from judges.judging import Judge
from judges.rankings import RankedPrompt, RankedResponse
from results.records import Example, Judgment
from results.store import RecordFile

# Characters and replies of Open Assistant's English opening prompts: means over 99 trees with
# ranked replies (in Yuan et al. 2024, 2.85 replies a prompt were ranked).
PROMPT_CHARACTERS = 160
ANSWER_CHARACTERS = 1135  # of the reply that people ranked best
REPLY_CHARACTERS = 880  # of all ranked replies
REPLIES = 3
DATA_SUFFIXES = (".jsonl", ".json", ".gz", ".parquet")


@dataclass(frozen=True)
class Inputs:
    """A run that is opened for its plan only. ``notes`` say what is absent and how it is counted;
    ``real``: the seed data are the run's own, so that their texts may be shown.
    """

    run: Run
    data: SeedData
    notes: list[str] = field(default_factory=list)
    real: bool = True


def open_inputs(config: RunConfig, folder: Path, display: Display) -> Inputs:
    """Opens what is there.

    Raises:
        UsageError: what is there is wrong; what is merely absent is a note.
    """
    config, notes = _without_absent(config)
    base = model_here(config.model.base)
    if base is None:
        notes.append(f"model.base {config.model.base} is not on this machine: its prompts are "
                     "counted without its chat template")  # fmt: skip
    benchmark, noted = _benchmark(config)
    beside = open_beside(config)
    prices = PriceFile.read(Path(p) if (p := config.budget.prices) else None)
    trainer = open_trainer(config.trainer.name, config.trainer.options)
    run = Run(
        config, folder, display, run_spec(config), benchmark, trainer,
        base or Path(config.model.base), prices, beside,
    )  # fmt: skip
    notes += noted
    missing = absent_files(config.data.options)
    if not missing:
        return Inputs(run, fresh_seed(run), notes)
    ift = _examples(config.data.options)
    ranked = rankings(len(ift)) if config.data.eft == "judged" else []
    pool = f"{len(ranked)} ranked prompts of {REPLIES} replies" if ranked else "no EFT"
    notes.append(
        f"{missing[0]} is not read: {len(ift)} IFT examples of {PROMPT_CHARACTERS} + "
        f"{ANSWER_CHARACTERS} characters are assumed (data.options.ift, and means of Open "
        f"Assistant), and {pool}"
    )
    return Inputs(run, SeedData(ift, [], ranked), notes, real=False)


def _without_absent(config: RunConfig) -> tuple[RunConfig, list[str]]:
    """The configuration without a file of human data that is not there, and what is to be said of
    the single files that it names.
    """
    notes = []
    if absent_files({"prompts.path": config.prompts.path}):
        notes.append(
            f"prompts.path {config.prompts.path} is not read: prompts.count are assumed, as long "
            "as the seed instructions"
        )
    for name, part in config.evaluation.beside.items():
        for absent in absent_files(part.options)[:1]:
            notes.append(f"evaluation.beside.{name}.options.{absent} is not read: its calls and "
                         "its gate rules are left out here")  # fmt: skip
            config = _without_part(config, name)
    fit = config.judge.fit
    if absent_files({"judge.fit.data": fit.data}):
        notes.append(f"judge.fit.data {fit.data} is not read: the check's calls are not counted")
        judge = config.judge.model_copy(update={"fit": fit.model_copy(update={"data": None})})
        config = config.model_copy(update={"judge": judge})
    return config, notes


def absent_files(options: Mapping[str, Any]) -> list[str]:
    """``key value`` of options that name a file which is not there, or a data set of the hub."""
    return [
        f"{key} {value}"
        for key, value in options.items()
        if isinstance(value, str)
        and ("/" in value or value.endswith(DATA_SUFFIXES))
        and not Path(value).exists()
    ]


def _without_part(config: RunConfig, name: str) -> RunConfig:
    """Without a benchmark beside the main one, and without what is said of its metrics."""
    mine = f"{name}."
    beside = {part: what for part, what in config.evaluation.beside.items() if part != name}
    rules = [rule for rule in config.gate.rules if not rule.metric.startswith(mine)]
    suite = [metric for metric in config.alarms.safety_suite if not metric.startswith(mine)]
    return config.model_copy(
        update={
            "evaluation": config.evaluation.model_copy(update={"beside": beside}),
            "gate": config.gate.model_copy(update={"rules": rules}),
            "alarms": config.alarms.model_copy(update={"safety_suite": suite}),
        }
    )


def _examples(options: Mapping[str, Any]) -> list[Example]:
    """As many examples as ``ift`` (or ``limit``) says, one where neither does: with no number there
    is none to count with.
    """
    numbers = [options.get(key) for key in ("ift", "limit")]
    n = next((number for number in numbers if isinstance(number, int)), 1)
    return [
        Example(
            id=f"absent-{i}",
            prompt=f"{i} ".ljust(PROMPT_CHARACTERS, "x"),
            completion="x" * ANSWER_CHARACTERS,
            kind="ift",
        )
        for i in range(n)
    ]


def rankings(prompts: int) -> list[RankedPrompt]:
    """As many ranked prompts, as long as Open Assistant's."""
    return [
        RankedPrompt(
            id=f"absent-{i}",
            prompt=f"{i} ".ljust(PROMPT_CHARACTERS, "x"),
            responses=[
                RankedResponse(id=f"r{j}", text=f"{j} ".ljust(REPLY_CHARACTERS, "x"), rank=j)
                for j in range(REPLIES)
            ],
        )
        for i in range(prompts)
    ]


def _benchmark(config: RunConfig) -> tuple[Benchmark, list[str]]:
    options = config.evaluation.options
    missing = absent_files(options)
    if not missing:
        return open_benchmark(config.evaluation.benchmark, options), []
    limit = options.get("limit")
    stand_in = Absent(config.evaluation.benchmark, limit if isinstance(limit, int) else 0)
    how = (
        f"{limit} prompts with {REPLIES} replies of {REPLY_CHARACTERS} characters are assumed "
        "(evaluation.options.limit, and means of Open Assistant)"
        if stand_in.rankings
        else "its calls are not counted: no evaluation.options.limit says how many"
    )
    return stand_in, [f"{missing[0]} is not read: {how}"]


class Absent:
    """Stands for a benchmark of human rankings whose data are not here."""

    def __init__(self, name: str, prompts: int) -> None:
        self.name = name
        self.rankings = rankings(prompts)

    def held_out(self, text: str) -> bool:
        """Nothing is known to be."""
        return False

    def prompt_texts(self) -> Iterable[tuple[str, str]]:
        """Nothing that is known."""
        return ()

    def metrics(self, baseline: bool) -> Sequence[str]:
        """The judge metrics."""
        return JUDGE_METRICS

    def evaluate(self, model: Caller, judge: Judge | None, baseline: Path | None, folder: Path,
                 seed: int) -> Evaluation:  # fmt: skip
        """Asks the judge what the rankings would have it asked."""
        if judge is None or not self.rankings:
            return Evaluation(0, None, {}, [])
        file = RecordFile(folder / "judgments.jsonl", Judgment)
        return measure_agreement(judge, self.rankings, file, seed)
