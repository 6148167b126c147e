"""The ``trl`` trainer: SFTTrainer and DPOTrainer of TRL, in a worker process of its own."""

from __future__ import annotations

import dataclasses
import json
import shutil
import time
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import Field

from backends.models import LOCAL_EXTRA
from backends.process import run_worker
from backends.trainers.trainer import TrainJob, TrainProgress, TrainReport
from backends.trainers.trl_settings import check_settings
from results.errors import UsageError
from results.plugins import require
from results.store import write_json


class TrlTrainer:
    """Trains on this machine with one process.

    Args:
        silence_minutes: training that logs nothing for so long is killed; at most a week.
    """

    def __init__(self, silence_minutes: Annotated[float, Field(gt=0, le=10_080)] = 60.0) -> None:
        require(("torch", "transformers", "trl"), "trainer 'trl'", LOCAL_EXTRA)
        self.silence_minutes = silence_minutes

    def check(self, kind: Literal["sft", "dpo"], settings: dict[str, Any]) -> dict[str, Any]:
        """``settings`` with TRL's defaults; refuses one that the step lacks and a wrong value."""
        return check_settings(kind, settings)

    def train(self, job: TrainJob, progress: Callable[[TrainProgress], None]) -> TrainReport:
        """Runs ``job``. Weights are written beside ``out`` and renamed when they are whole."""
        settings = check_settings(job.kind, job.settings)
        if job.kind == "dpo" and job.reference is None:
            raise UsageError("dpo needs a reference model: name the folder in the job")
        for stale in job.out.parent.glob(f"{job.out.name}.tmp*"):
            shutil.rmtree(stale, ignore_errors=True)
        partial = job.out.with_name(f"{job.out.name}.tmp")
        plan = job.out.with_name(f"{job.out.name}.job.json")
        described = json.loads(json.dumps(dataclasses.asdict(job), default=str))
        write_json(plan, {**described, "out": str(partial), "settings": settings})
        report: dict[str, Any] = {}

        def on_event(event: dict[str, Any]) -> None:
            if event["event"] == "step":
                progress(TrainProgress(event["step"], event["of"], event["figures"]))
            elif event["event"] == "report":
                report.update(event["report"])

        start = time.monotonic()
        run_worker(
            "backends.trainers.trl_worker",
            [str(plan)],
            job.out.with_name("training.log"),
            # A local folder needs no hub; threads that spin while waiting collapse on busy cores.
            {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "OMP_WAIT_POLICY": "PASSIVE",
             "TOKENIZERS_PARALLELISM": "false"},
            on_event,
            self.silence_minutes * 60,
        )  # fmt: skip
        wall = time.monotonic() - start
        report["startup_seconds"] = wall - report["seconds"] - report["prepare_seconds"]
        write_json(partial / "training.json", report)
        partial.rename(job.out)
        plan.unlink()
        return TrainReport(**report)
