"""The monitors of whole runs, read or made, and where runs differ."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from harness.attempts import attempt_config, attempt_number
from harness.lineage import iterations
from harness.monitoring import measure, ready
from harness.recipe import load_recipe
from harness.run import run_spec
from harness.stages.monitors import FILE
from results.errors import SrlmError, UsageError
from results.files import read_model, write_json
from results.monitors import MONITORS, Monitors
from results.records import Metric
from results.store import RunLock


class RunMonitors(BaseModel):
    """One run: how it is called, its iterations from the second on, and what was left out."""

    model_config = ConfigDict(frozen=True)
    run: str
    iterations: list[Monitors]
    notes: list[str]


class Difference(BaseModel):
    """Whether runs differ in one monitor at one iteration.

    ``pairs`` are the runs whose intervals do not touch; ``apart`` says whether there are any, null
    where fewer than two runs have an interval.
    """

    model_config = ConfigDict(frozen=True)
    k: int
    monitor: str
    apart: bool | None
    pairs: list[tuple[str, str]]


def names(folders: Sequence[Path]) -> list[str]:
    """What the runs are called: the folder's own name, or the whole path where two share one."""
    short = [folder.resolve().name for folder in folders]
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise UsageError("a run folder is named twice; name each once")
    return [
        str(folder) if short.count(name) > 1 else name
        for folder, name in zip(folders, short, strict=True)
    ]


def read_run(folder: Path, name: str) -> RunMonitors:
    """The monitors of the run in ``folder``; those that are missing are made and kept.

    Raises:
        UsageError: it is no run folder, or no iteration got as far as its pairs.
    """
    if not (folder / "config.yaml").is_file():
        raise UsageError(f"{folder}: not a run folder (no config.yaml); give runs/NAME")
    found: list[Monitors] = []
    notes: list[str] = []
    for k, place in iterations(folder, 2):
        if (place / FILE).is_file():
            found.append(read_model(place / FILE, Monitors))
        elif ready(place):
            found.append(_make(folder, k, notes))
        else:
            notes.append(f"M{k} has no pairs yet and is left out")
    if not found:
        raise UsageError(
            f"{folder}: no iteration has pairs yet, monitors begin with M2; run it further first"
        )
    return RunMonitors(run=name, iterations=found, notes=notes)


def _make(folder: Path, k: int, notes: list[str]) -> Monitors:
    """Makes monitors of an iteration that has none; kept when its evaluation is complete."""
    config = load_recipe(str(folder / "config.yaml"), []).config
    config = attempt_config(config, attempt_number(folder, k))
    found = measure(folder, config, run_spec(config), k)
    place = folder / f"iter_{k}"
    if not (place / "evaluation" / "metrics.json").is_file():
        notes.append(f"M{k} has no evaluation; what needs one is null and nothing is kept")
        return found
    try:
        with RunLock(folder):
            write_json(place / FILE, found.model_dump())
    except SrlmError as error:  # the run is at work, or the folder is not ours to write
        notes.append(f"the monitors of M{k} are shown and not kept: {error}")
    return found


def differences(runs: Sequence[RunMonitors]) -> list[Difference]:
    """Where two runs or more have the same iteration: which monitors tell them apart."""
    by_k: dict[int, dict[str, Monitors]] = {}
    for run in runs:
        for monitors in run.iterations:
            by_k.setdefault(monitors.k, {})[run.run] = monitors
    return [
        _difference(k, name, {run: m.metrics[name] for run, m in held.items()})
        for k, held in sorted(by_k.items())
        if len(held) > 1
        for name in MONITORS
    ]


def _difference(k: int, name: str, metrics: dict[str, Metric]) -> Difference:
    ends = {
        run: (metric.low, metric.high)
        for run, metric in metrics.items()
        if metric.low is not None and metric.high is not None
    }
    pairs = [
        (a, b)
        for a, b in itertools.combinations(ends, 2)
        if ends[a][1] < ends[b][0] or ends[b][1] < ends[a][0]
    ]
    return Difference(k=k, monitor=name, apart=bool(pairs) if len(ends) > 1 else None, pairs=pairs)
