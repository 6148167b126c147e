"""What the alarms of one iteration look at: its monitors, and the evaluations around it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from harness.alarms.config import AlarmSettings
from harness.anchored import EvaluationFolder
from harness.config import RunConfig
from harness.lineage import champion_before
from harness.monitoring import measure
from harness.run import run_spec
from harness.stages.beside import BESIDE
from harness.stages.monitors import FILE as MONITORS
from results.files import read_model
from results.monitors import Monitors
from results.records import Metric, Value


@dataclass(frozen=True)
class Seen:
    """Iteration ``k`` (>= 2) of the run in ``folder``: M_parent answered and judged, M_k came of
    it.

    ``monitors`` are of ``k``. What an alarm needs beside them is read when it asks for it.
    """

    folder: Path
    config: RunConfig
    k: int
    monitors: Monitors

    @property
    def settings(self) -> AlarmSettings:
        """Thresholds."""
        return self.config.alarms

    @property
    def place(self) -> Path:
        """The folder of the iteration."""
        return self.folder / f"iter_{self.k}"

    def metric(self, name: str) -> Metric:
        """One monitor."""
        return self.monitors.metrics[name]

    @cached_property
    def parent(self) -> int:
        """The iteration that M_k begins with: the one before, or the last that was not held."""
        return champion_before(self.folder, self.k)

    @cached_property
    def grandparent(self) -> int:
        """The one that M_parent began with; 0 where that is M1."""
        return champion_before(self.folder, self.parent)

    @cached_property
    def before(self) -> Monitors | None:
        """The monitors of the parent's iteration; null where that is M1: it has no candidates."""
        if self.parent == 1:
            return None
        path = self.folder / f"iter_{self.parent}" / MONITORS
        if path.is_file():
            return read_model(path, Monitors)
        return measure(self.folder, self.config, run_spec(self.config), self.parent)

    @cached_property
    def now(self) -> EvaluationFolder:
        """The evaluation of M_k."""
        return self.evaluation(self.k)

    @cached_property
    def last(self) -> EvaluationFolder:
        """The evaluation of M_parent."""
        return self.evaluation(self.parent)

    def values(self, k: int, metric: str) -> list[Value]:
        """One metric's values of M_k; ``NAME.METRIC`` is of a benchmark beside the main one."""
        part, dot, name = metric.partition(".")
        if dot and part in self.config.evaluation.beside:
            folder = self.folder / f"iter_{k}" / BESIDE / part
            return EvaluationFolder.read(folder).of(name)
        return self.evaluation(k).of(metric)

    def evaluation(self, k: int) -> EvaluationFolder:
        """The evaluation of M_k as far as it is there."""
        return EvaluationFolder.read(self.folder / f"iter_{k}" / "evaluation")
