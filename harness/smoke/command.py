"""``srlm run X --smoke``: opens a small run, walks through it and reports."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from harness.config import RunConfig
from harness.display import Display
from harness.plan import notes_on_counts
from harness.run import Run
from harness.smoke.forecast import forecast
from harness.smoke.meter import MeteredTrainer
from harness.smoke.report import Report
from harness.smoke.scale import begin_folder, smoke_config
from harness.smoke.stages import stages
from harness.smoke.walk import Passage, Walk, go
from results.errors import SrlmError
from results.store import RunLock

HOURS = (
    "hours are those of this machine, at the rates of the batches here; pairs are counted as if "
    "every prompt gave one; what a hardly trained model writes may be longer than what it writes "
    "later"
)


def smoke(config: RunConfig, folder: Path, display: Display) -> Report:
    """Tries the resolved ``config`` at a small scale in ``folder``.

    Raises:
        UsageError: the folder holds something else.
    """
    with RunLock(folder):
        begin_folder(folder)
        try:
            run = Run.open(smoke_config(config), folder, display)
        except SrlmError as error:
            (model, stage, _), *rest = stages(config)
            broken = [Passage(model, stage, "failed", str(error))]
            broken += [Passage(m, s, "not reached", "") for m, s, _ in rest]
            return Report(config.name, str(folder), broken, None, [])
        return _walk(run, config)


def _walk(run: Run, config: RunConfig) -> Report:
    trainer = MeteredTrainer(run.trainer)
    run.trainer = trainer
    walk = Walk(run, config, trainer)
    try:
        passages = go(walk, stages(config))
        if (run.folder / "manifest.json").exists():
            run.keep_spent()
    finally:
        run.close()
    measured = any(p.took.calls for p in passages) or bool(trainer.reports)
    if walk.plan is None or not measured:
        return Report(config.name, str(run.folder), passages, None, [])
    full = forecast(walk, passages, walk.plan)
    notes = [HOURS, *notes_on_counts(replace(run, config=config))]
    return Report(config.name, str(run.folder), passages, full, notes)
