"""The trainer Protocol: what every training backend offers, and the values that cross it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol


@dataclass(frozen=True)
class TrainJob:
    """One training step of the loop.

    Args:
        kind: ``sft`` on Example records, or ``dpo`` on Pair records.
        model: folder of the weights to start from.
        reference: folder of the frozen model of DPO, null for SFT.
        data: the record file to train on.
        out: folder for the trained weights; it exists only when training has finished.
        settings: learning rate, epochs, batch and so on, as the trainer defines them.
        seed: of data order and dropout.
    """

    kind: Literal["sft", "dpo"]
    model: Path
    reference: Path | None
    data: Path
    out: Path
    settings: dict[str, Any]
    seed: int


@dataclass(frozen=True)
class TrainProgress:
    """Step ``step`` of ``of``, with the figures that the trainer logged (loss, ...)."""

    step: int
    of: int
    figures: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainReport:
    """What training did. ``left_out`` counts examples too long to train on whole.

    ``seconds`` is the training alone, ``prepare_seconds`` what stands around it (reading and
    tokenising data, building the trainer, saving), and ``startup_seconds`` all the rest of the
    wall time: process start, imports, loading weights. ``peak_bytes`` is the most memory that the
    training process held on the host, ``peak_device_bytes`` on its GPUs; null = not known.
    """

    examples: int
    left_out: int
    steps: int
    seconds: float
    startup_seconds: float
    figures: dict[str, float]
    prepare_seconds: float = 0.0
    peak_bytes: int | None = None
    peak_device_bytes: int | None = None


class Trainer(Protocol):
    """Trains one model in a process of its own."""

    def check(self, kind: Literal["sft", "dpo"], settings: dict[str, Any]) -> dict[str, Any]:
        """The complete settings of such a step: ``settings``, checked and each value of the right
        type, with every default filled in. To check them again gives the same.

        Raises:
            UsageError: ``settings`` are not this trainer's; said before any work is done.
        """
        ...

    def train(self, job: TrainJob, progress: Callable[[TrainProgress], None]) -> TrainReport:
        """Runs the job to its end; raises SrlmError when training failed, leaving no ``out``."""
        ...
