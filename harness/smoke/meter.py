"""What the stages of a smoke run took: model seconds, calls and tokens, and training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from backends.trainers.trainer import Trainer, TrainJob, TrainProgress, TrainReport
from harness.run import Run


@dataclass(frozen=True)
class Reading:
    """Sums over all model calls so far: seconds of computing and of loading, calls, tokens and US
    dollars (null: no price is known).
    """

    seconds: float = 0.0
    startup: float = 0.0
    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = 0.0

    def since(self, before: Reading) -> Reading:
        """What came after ``before``."""
        known = self.cost is not None and before.cost is not None
        return Reading(
            self.seconds - before.seconds,
            self.startup - before.startup,
            self.calls - before.calls,
            self.prompt_tokens - before.prompt_tokens,
            self.completion_tokens - before.completion_tokens,
            (self.cost or 0) - (before.cost or 0) if known else None,
        )

    def plus(self, other: Reading) -> Reading:
        """Both together."""
        known = self.cost is not None and other.cost is not None
        return Reading(
            self.seconds + other.seconds,
            self.startup + other.startup,
            self.calls + other.calls,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            (self.cost or 0) + (other.cost or 0) if known else None,
        )


def read(run: Run) -> Reading:
    """The meter as it stands. Opens no cache: before the first call nothing is spent."""
    clock = run.display.clock
    spent = run.cache.spent() if "cache" in run.__dict__ else []
    costs = [part.cost for part in spent]
    return Reading(
        clock.model,
        clock.startup,
        sum(part.calls for part in spent),
        sum(part.prompt_tokens or 0 for part in spent),
        sum(part.completion_tokens for part in spent),
        None if None in costs else sum(cost for cost in costs if cost is not None),
    )


@dataclass
class MeteredTrainer:
    """A trainer that remembers its reports, by kind of step."""

    trainer: Trainer
    reports: list[tuple[str, TrainReport]] = field(default_factory=list)

    def check(self, kind: Literal["sft", "dpo"], settings: dict[str, Any]) -> dict[str, Any]:
        """As the trainer does."""
        return self.trainer.check(kind, settings)

    def train(self, job: TrainJob, progress: Callable[[TrainProgress], None]) -> TrainReport:
        """As the trainer does."""
        report = self.trainer.train(job, progress)
        self.reports.append((job.kind, report))
        return report
