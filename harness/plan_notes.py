"""What stands under a plan on hours and disk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.attempts import STAGES, first_touched
from harness.compute import GENERATION, HALF, TRAINING, Disk, size_of
from harness.config import RunConfig
from harness.plan_table import bytes_text, hours_text

if TYPE_CHECKING:
    from harness.plan import Step


def millions_text(number: float) -> str:
    """A count in millions, with three digits that count."""
    millions = number / 1e6
    return f"{millions:,.0f} million" if millions >= 100 else f"{millions:.3g} million"


def notes_on_hours(config: RunConfig, hours: float | None, disk: Disk) -> list[str]:
    """How the hours of one device and the disk were reckoned, or what is missing for it."""
    hardware, size = config.hardware, size_of(config.model)
    lines = []
    if hardware.tflops is None:
        lines.append("device hours: unknown: give hardware.tflops (the peak of one device in dense "
                     "TFLOP/s at the precision used)")  # fmt: skip
    elif size.parameters is None:
        lines.append("device hours: unknown: give model.parameters, the weights are not here")
    elif hours is None:
        lines.append(
            "device hours of all: unknown: the weights of another model are not here, give "
            "hardware.parameters={'engine:model': NUMBER}"
        )
    else:
        name = f"{hardware.devices} x {hardware.name or 'device'}"
        lines.append(
            f"about {hours_text(hours / hardware.devices)} hours on {name}, at the most tokens "
            f"that the settings allow and {GENERATION:.0%} of the peak in generation, "
            f"{TRAINING:.0%} in training (assumed; srlm run --smoke measures)"
        )
    if size.parameters is not None:
        lines.append(f"{millions_text(size.parameters)} parameters")
    records = f"records at most {bytes_text(disk.record_bytes)}"
    if disk.total is None or disk.checkpoint_bytes is None:
        return [*lines, f"disk: unknown: give model.parameters; {records}"]
    each = bytes_text(disk.checkpoint_bytes)
    each += f" ({HALF} bytes a parameter assumed)" if size.assumed else ""
    whole = f"{disk.checkpoints} checkpoints of {each}, {records}"
    return [*lines, f"disk at most {bytes_text(disk.total)}: {whole}"]


def notes_on_retries(config: RunConfig, steps: Sequence[Step]) -> list[str]:
    """What retries may add to ``steps`` at most: all that comes after the first changed stage."""
    gate, order, calls = config.gate, list(STAGES), 0
    if not gate.retries or config.iterations == 1:
        return []
    later = [step for step in steps if step.model[:1] == "M" and step.model not in ("M0", "M1")]
    for n in range(2, gate.retries + 2):
        redone = order[order.index(first_touched(config, n)) :]
        redone += ["audit"] if "pairs" in redone else []  # other pairs are audited anew
        calls += sum(s.calls for s in later if s.stage.startswith(("evaluation", *redone)))
    trainings = gate.retries * (config.iterations - 1)
    return [
        f"gate.retries add at most {trainings} trainings with their checkpoints and {calls:,} "
        "calls (at the run's own settings), none of them counted here"
    ]
