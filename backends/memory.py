"""The most memory that this process has held so far, on the host and on an accelerator."""

from __future__ import annotations

import resource
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Peak:
    """Bytes. ``device`` is what torch had allocated on all GPUs together, null without one."""

    host: int
    device: int | None


def peak_memory() -> Peak:
    """The peak of this process. torch is asked only where it is imported already."""
    return Peak(_host(), _device())


def _host() -> int:
    """VmHWM where the system has it: ``ru_maxrss`` of a worker begins at its parent's (Linux keeps
    it over exec).
    """
    try:
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) << 10
    except (OSError, ValueError):
        pass
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most << 10


def _device() -> int | None:
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return None
    return int(sum(torch.cuda.max_memory_allocated(i) for i in range(torch.cuda.device_count())))
