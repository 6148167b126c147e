"""``srlm run X --smoke``: opens a small run, walks through it and reports."""

from __future__ import annotations

from pathlib import Path

from harness.config import RunConfig
from harness.display import Display
from harness.plan import Plan, plan
from harness.plan_inputs import open_inputs
from harness.run import Run
from harness.smoke.forecast import forecast
from harness.smoke.meter import MeteredTrainer
from harness.smoke.report import Report
from harness.smoke.scale import begin_folder, smoke_config
from harness.smoke.stages import stages
from harness.smoke.walk import Passage, Walk, go
from results.errors import SrlmError
from results.store import RunLock


def smoke(config: RunConfig, folder: Path, display: Display) -> Report:
    """Tries the resolved ``config`` at a small scale in ``folder``.

    Raises:
        UsageError: the folder holds something else.
    """
    with RunLock(folder):
        begin_folder(folder)
        try:
            counted = plan(open_inputs(config, folder, display))
            run = Run.open(smoke_config(config), folder, display)
        except SrlmError as error:
            (model, stage, _), *rest = stages(config)
            broken = [Passage(model, stage, "failed", str(error))]
            broken += [Passage(m, s, "not reached", "") for m, s, _ in rest]
            return Report(config.name, str(folder), broken, None, [])
        return _walk(run, config, counted)


def _walk(run: Run, config: RunConfig, counted: Plan) -> Report:
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
    full = forecast(walk, passages, counted) if measured else None
    return Report(config.name, str(run.folder), passages, full, _notes(full is not None))


def _notes(measured: bool) -> list[str]:
    """What a reader of the report must know."""
    if not measured:
        return []
    return [
        "hours are those of this machine, at the rates of the batches here; candidates, judgments "
        "and pairs are counted as if every prompt were kept and gave a pair; what a hardly trained "
        "model writes may be longer than what it writes later"
    ]
