"""The way through the stages of the loop: what each says, what it took, and where it ends.

What would stop a full run is written down and walked past; what breaks ends the walk.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from benchmarks.registry import SeedData
from harness.compute import epochs_of
from harness.config import RunConfig
from harness.plan import Plan
from harness.run import Run
from harness.smoke.meter import MeteredTrainer, Reading, read
from harness.smoke.scale import batch_tried
from harness.stages.bootstrap import chosen
from results.errors import SrlmError
from results.records import Candidate, Example, Judgment, Prompt

# unclear: it would have stopped a full run, but was done by a model that is hardly trained here.
Status = Literal["passed", "unclear", "would have failed", "failed", "skipped", "not reached"]
K = 2  # the iteration that the walk makes
SKIPPED = "judge"  # the stage that is left out


@dataclass(frozen=True)
class Passage:
    """One stage: how it went, in a line, and what its model calls took."""

    model: str
    stage: str
    status: Status
    line: str
    took: Reading = field(default_factory=Reading)


@dataclass
class Walk:
    """What the stages hand on to each other. ``full`` is the configuration that is tried."""

    run: Run
    full: RunConfig
    trainer: MeteredTrainer
    plan: Plan | None = None  # of the full run, once its inputs are open
    data: SeedData = field(default_factory=lambda: SeedData([], []))
    cut: SeedData = field(default_factory=lambda: SeedData([], []))
    eft: list[Example] = field(default_factory=list)
    asked: list[Prompt] = field(default_factory=list)
    answers: list[Candidate] = field(default_factory=list)
    scored: list[Judgment] = field(default_factory=list)
    sft_steps: dict[str, int] = field(default_factory=dict)  # of each model that has had any here
    would: list[str] = field(default_factory=list)
    unclear: list[str] = field(default_factory=list)

    def not_enough(self, line: str, by: str | None) -> None:
        """Notes what would stop a full run. ``by``: the model whose answers it is about, which may
        be better once its SFT has been as long as the full run's; null: one from outside or M0.
        """
        settings, steps = self.full.sft.settings, self.sft_steps.get(by or "")
        examples = len(self.data.ift) + (self.full_eft(len(self.eft)) if by == "M1" else 0)
        of = math.ceil(examples / batch_tried(settings)) * epochs_of(settings)
        if steps is None or steps >= of:
            self.would.append(line)
        else:
            self.unclear.append(f"{line}; {by} has had {steps} of {of:.0f} training steps here")

    def full_eft(self, here: int) -> int:
        """How many EFT examples the full run would have where ``here`` came out here: as many from
        each of the prompts that it makes them from.
        """
        source, run = self.full.data.eft, self.run
        if source == "source":
            return len(self.data.eft)
        few, pool = len(self.cut.ranked), len(self.data.ranked)
        if source == "bootstrap":
            few = len(chosen(run, len(self.cut.ift)))
            pool = len(chosen(replace(run, config=self.full), len(self.data.ift)))
        return here * pool // max(few, 1)

    @property
    def judge(self) -> str | None:
        """The model that judges, as ``not_enough`` takes it."""
        return "M1" if self.run.config.judge.model == "self" else None


Stage = tuple[str, str, Callable[[Walk], str]]  # model, stage, what it does and says


def go(walk: Walk, todo: Sequence[Stage]) -> list[Passage]:
    """Walks through all stages; after one that breaks the others are not reached."""
    found: list[Passage] = []
    for at, (model, stage, do) in enumerate(todo):
        before, walk.would, walk.unclear = read(walk.run), [], []
        try:
            line = do(walk)
        except Exception as error:
            took = read(walk.run).since(before)
            found.append(Passage(model, stage, "failed", _reason(error, model, stage), took))
            found += [Passage(m, s, "not reached", "") for m, s, _ in todo[at + 1 :]]
            break
        status: Status = "skipped" if stage == SKIPPED else "passed"
        if walk.would or walk.unclear:
            status = "would have failed" if walk.would else "unclear"
            line = "; ".join([*walk.would, *walk.unclear, line])
        found.append(Passage(model, stage, status, line, read(walk.run).since(before)))
    return found


def _reason(error: Exception, model: str, stage: str) -> str:
    """What broke in one line, with the mend where it is memory."""
    text = " ".join(str(error).split())
    if not isinstance(error, SrlmError):
        text = f"{type(error).__name__}: {text}"
    if "out of memory" in text.lower():
        step = "dpo" if model == f"M{K}" else "sft"
        keys = f"{step}.settings.batch_size or max_length"
        text += f"; lower {keys if stage == 'training' else 'engine.batch_size'}"
    return text
