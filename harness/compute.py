"""What a plan's tokens take: hours of a device, and room on the disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backends.models import model_here
from backends.parameters import Weights, weights_of
from harness.config import Hardware, Model

# Shares of a device's peak that are reached. Training: Llama 3's pre-training reports 38 to 43 %
# (arXiv 2407.21783); fine-tuning of short texts pads. Generation: writing token by token reaches
# far less than reading does, 14 % to 33 % against up to 76 % in Pope et al. 2022 (arXiv
# 2211.05102); one engine on one machine is nearer the first.
TRAINING = 0.35
GENERATION = 0.15
# Operations a parameter and token (Kaplan et al. 2020, arXiv 2001.08361, section 2.1): two forward,
# four backward. Attention over the context is left out, as there: small beside these up to a few
# thousand tokens.
FORWARD = 2
FORWARD_AND_BACKWARD = 6
SFT = FORWARD_AND_BACKWARD
DPO = FORWARD_AND_BACKWARD + FORWARD  # the policy learns, the frozen reference only reads
SERVED = ("openai",)  # engines that ask a server: its devices are not this run's
HALF = 2  # bytes of a number in bfloat16 and float16
# Measured on a quick start: 20 MB of records and cache for 25,000 calls of 25 answer tokens.
CALL_BYTES = 600
TOKEN_BYTES = 8  # four characters, in the record and in the cache


def device_hours(operations: float, parameters: float | None, tokens: float,
                 hardware: Hardware, share: float) -> float | None:  # fmt: skip
    """Hours of one device: operations x parameters x tokens / (peak x share reached).

    Null where the parameters or the peak are not known. Several devices share the hours.
    """
    if parameters is None or hardware.tflops is None:
        return None
    return operations * parameters * tokens / (hardware.tflops * 1e12 * share) / 3600


@dataclass(frozen=True)
class Size:
    """A model's ``parameters`` and the bytes of one, null where not known. ``assumed``: the bytes
    are not the model's own.
    """

    parameters: float | None
    bytes_each: float | None
    assumed: bool = False


def size_of(model: Model) -> Size:
    """Of M0, and so of every checkpoint: counted in its files, else as ``model.parameters`` says.

    A trainer saves weights in the type that it found them in.
    """
    found = _here(model.base)
    if found is not None:
        return Size(found.parameters, found.bytes / found.parameters)
    return Size(model.parameters, None if model.parameters is None else HALF, assumed=True)


def parameters_of(engine: str, model: str, hardware: Hardware) -> float | None:
    """Parameters of a model besides M0: 0 where a server has it, else counted in its files, else
    as ``hardware.parameters`` says, else null.
    """
    if engine in SERVED:
        return 0
    found = _here(model)
    return hardware.parameters.get(f"{engine}:{model}") if found is None else found.parameters


def _here(reference: str) -> Weights | None:
    folder = model_here(reference)
    found = None if folder is None else weights_of(folder)
    return found if found is not None and found.parameters else None


@dataclass(frozen=True)
class Disk:
    """Bytes that a run leaves behind: ``checkpoints`` models of ``checkpoint_bytes`` each (null:
    not known), and records with the cache of calls.
    """

    checkpoints: int
    checkpoint_bytes: float | None
    record_bytes: float

    @property
    def total(self) -> float | None:
        """All of it, null where a part is not known."""
        if self.checkpoint_bytes is None:
            return None
        return self.checkpoints * self.checkpoint_bytes + self.record_bytes


def disk_of(checkpoints: int, size: Size, calls: int, completion_tokens: int) -> Disk:
    """The disk of a run with so many calls and tokens written at most."""
    known = size.parameters is not None and size.bytes_each is not None
    each = (size.parameters or 0) * (size.bytes_each or 0) if known else None
    return Disk(checkpoints, each, calls * CALL_BYTES + completion_tokens * TOKEN_BYTES)


def folder_bytes(folder: Path) -> int:
    """Bytes of all files under ``folder``, 0 where it is not there."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


def batch_of(settings: Mapping[str, Any], unknown: int = 1) -> int:
    """Examples of one optimiser step; ``unknown`` where the trainer names no number of them, as one
    from outside may.
    """
    found = settings.get("batch_size")
    return found if type(found) is int and found > 0 else unknown


def epochs_of(settings: Mapping[str, Any]) -> float:
    """Passes over the data of a training step, 1 where the trainer names no number of them."""
    found = settings.get("epochs")
    return float(found) if isinstance(found, int | float) else 1.0
