"""Training: one SFT or DPO step in the trainer's own process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from backends.trainers.trainer import TrainJob, TrainProgress
from harness.run import Run
from results.records import Example
from results.store import RecordFile


def sft(run: Run, title: str, data: Sequence[Example], folder: Path) -> Path:
    """SFT of M0 on ``data``; returns the weights, ``folder/checkpoint``."""
    out = folder / "checkpoint"
    if not out.exists():
        file = RecordFile(folder / "sft.jsonl", Example)
        if not file.done:
            file.replace(data)
        settings = run.config.sft.settings
        _train(
            run, title, TrainJob("sft", run.base, None, file.path, out, settings, run.config.seed)
        )
    return out


def dpo(run: Run, k: int) -> Path:
    """DPO of the champion before M_k on iteration ``k``'s pairs; returns the weights of M_k."""
    out = run.checkpoint(k)
    if not out.exists():
        start = run.before(k)
        reference = start if run.config.dpo.reference == "step_start" else run.base
        data = run.iteration(k) / "pairs.jsonl"
        settings = run.config.dpo.settings
        job = TrainJob("dpo", start, reference, data, out, settings, run.config.seed)
        _train(run, f"M{k}", job)
    return out


def _train(run: Run, title: str, job: TrainJob) -> None:
    def show(progress: TrainProgress) -> None:
        loss = progress.figures.get("loss")
        run.display.progress(progress.step, progress.of, "" if loss is None else f"loss {loss:.3f}")

    run.release()
    run.display.start(title, "training")
    report = run.trainer.train(job, show)
    run.display.clock.model += report.seconds
    run.display.clock.startup += report.startup_seconds
    left_out = f", {report.left_out} too long left out" if report.left_out else ""
    figures = "".join(f", {name} {value:.3f}" for name, value in sorted(report.figures.items()))
    run.display.finish(
        title, "training",
        f"{job.kind}, {report.examples} examples{left_out}, {report.steps} steps{figures}",
    )  # fmt: skip
