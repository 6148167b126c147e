"""What the full run will take, by what the smoke run took: its rates times the full counts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from backends.memory import peak_memory
from harness.compute import Disk, epochs_of, folder_bytes
from harness.plan import Plan
from harness.smoke.meter import Reading
from harness.smoke.walk import Passage, Walk

# Stages of the plan by the stage here that is like them.
LIKE = {
    "evaluation": "evaluation",
    "evaluation, judge": "evaluation",
    "prompts": "prompts",
    "candidates": "candidates",
    "judgments": "judgments",
    "audit": "audit",
    "judge check": "judgments",
    "seed, answers": "EFT",
    "seed, judge": "EFT",
}


@dataclass(frozen=True)
class Line:
    """One kind of work: ``units`` (calls, or examples seen by training) and seconds here, units of
    the full run, and what those will take. Null: not measured here, or no price is known.
    """

    what: str
    here_units: int
    here_seconds: float
    units: float
    hours: float | None
    completion_tokens: float | None = None
    cost: float | None = None


@dataclass(frozen=True)
class Memory:
    """Bytes at most, on the host and on the GPUs; null = not known or none there."""

    host: int | None
    device: int | None


@dataclass(frozen=True)
class Forecast:
    """All lines, the disk, and the memory of this process and of the trainer's."""

    lines: list[Line]
    disk: Disk
    process: Memory
    trainer: Memory

    @property
    def hours(self) -> float | None:
        """Of the whole run, null where a part was not measured."""
        hours = [line.hours for line in self.lines]
        return None if None in hours else math.fsum(h for h in hours if h is not None)

    @property
    def cost(self) -> float | None:
        """Of all calls, null where a part is not known."""
        costs = [line.cost for line in self.lines if line.completion_tokens is not None]
        return None if None in costs else math.fsum(c for c in costs if c is not None)


def forecast(walk: Walk, passages: Sequence[Passage], plan: Plan) -> Forecast:
    """Scales every kind of work from the counts here to those of the plan."""
    took: dict[str, Reading] = {}
    for passage in passages:
        if passage.stage in LIKE.values():
            took[passage.stage] = took.get(passage.stage, Reading()).plus(passage.took)
    calls: dict[str, int] = {}
    for step in plan.steps:
        kind = LIKE.get(step.stage, step.stage)
        if step.stage.partition(",")[0] in walk.full.evaluation.beside:
            kind = "evaluation"  # it is walked through with the main benchmark
        if kind != "training":
            calls[kind] = calls.get(kind, 0) + step.calls
    lines = [_calls(kind, n, took.get(kind, Reading())) for kind, n in calls.items() if n]
    lines += [_training(walk, plan, kind) for kind in ("sft", "dpo")]
    lines.append(_startup(walk, passages, plan))
    reports = [report for _, report in walk.trainer.reports]
    here = peak_memory()
    return Forecast(
        [line for line in lines if line.units],
        _disk(walk, passages, plan),
        Memory(here.host, here.device),
        Memory(
            max((r.peak_bytes for r in reports if r.peak_bytes is not None), default=None),
            max(
                (r.peak_device_bytes for r in reports if r.peak_device_bytes is not None),
                default=None,
            ),
        ),
    )


def _calls(kind: str, n: int, here: Reading) -> Line:
    if not here.calls:
        return Line(kind, 0, 0.0, n, None)
    each = n / here.calls
    cost = None if here.cost is None else here.cost * each
    return Line(
        kind,
        here.calls,
        here.seconds,
        n,
        here.seconds * each / 3600,
        here.completion_tokens * each,
        cost,
    )


def _training(walk: Walk, plan: Plan, kind: str) -> Line:
    """Examples that the steps of a kind see over all epochs; of DPO a pair from every prompt."""
    full = walk.full
    if kind == "sft":
        trained = [step.model for step in plan.steps if step.stage == "training"]
        seen = len(walk.data.ift) * sum(model in ("SFT baseline", "M1") for model in trained)
        if "M1" in trained:  # not where the run starts from a model of its own
            seen += walk.full_eft(len(walk.eft))
        epochs = epochs_of(full.sft.settings)
    else:
        asked = sum(step.calls for step in plan.steps if step.stage == "candidates")
        seen, epochs = asked // full.candidates.n, epochs_of(full.dpo.settings)
    reports = [report for of, report in walk.trainer.reports if of == kind]
    examples, seconds = sum(r.examples for r in reports), sum(r.seconds for r in reports)
    hours = seconds / examples * seen * epochs / 3600 if examples else None
    return Line(f"training, {kind}", examples, seconds, seen * epochs, hours)


def _startup(walk: Walk, passages: Sequence[Passage], plan: Plan) -> Line:
    """Processes, imports, weights read and written: as often as there are training steps."""
    reports = [report for _, report in walk.trainer.reports]
    seconds = sum(r.startup_seconds + r.prepare_seconds for r in reports)
    seconds += sum(p.took.startup for p in passages if p.stage != "training")
    times = sum(step.stage == "training" for step in plan.steps)
    hours = seconds / len(reports) * times / 3600 if reports else None
    return Line("start-up", len(reports), seconds, times, hours)


def _disk(walk: Walk, passages: Sequence[Passage], plan: Plan) -> Disk:
    """Checkpoints as large as those here; records in proportion to the calls."""
    folder = walk.run.folder
    sizes = [folder_bytes(path) for path in folder.glob("*/checkpoint")]
    here = sum(p.took.calls for p in passages)
    records = folder_bytes(folder) - sum(sizes)
    total = plan.total()["calls"]
    checkpoints = sum(step.stage == "training" for step in plan.steps)
    each = max(sizes, default=None)
    return Disk(checkpoints, each, records * total / here if here else 0.0)
