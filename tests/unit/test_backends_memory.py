"""The peak of a process is its own, not what its parent held before it began."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from backends.memory import Peak, peak_memory

ROOT = Path(__file__).parents[2]
ASK = "from backends.memory import peak_memory; print(peak_memory().host)"


def test_the_peak_rises_and_stays() -> None:
    before = peak_memory().host
    block = b"x" * (before + (64 << 20))
    assert peak_memory().host > len(block)
    del block
    assert peak_memory().host > before + (64 << 20)
    child = subprocess.run(
        [sys.executable, "-c", ASK], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert 1 << 20 < int(child.stdout) < peak_memory().host


def test_without_torch_no_device_is_asked() -> None:
    said = subprocess.run(
        [sys.executable, "-c", ASK.replace(".host", ".device") + "; import sys; "
         "assert 'torch' not in sys.modules"],
        capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    assert said.stdout.strip() == str(Peak(0, None).device)
