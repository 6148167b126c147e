"""The hf engine with a counter outside the run folder: one line for every call that it finished."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from backends.engines.engine import Completion, GenerateConfig, Request
from backends.engines.hf import HfEngine


class CountingHf(HfEngine):
    """Writes the model's identity and the call's own seed, which names the call, to ``calls.txt``
    in the folder ``counter``. (A setting that named the file would be taken for an input of the
    run, which may not change.)

    Inherits, against the house rule, because it must be the real engine in every other respect.
    """

    def __init__(self, model: str, counter: str, **options: Any) -> None:
        super().__init__(model, **options)
        self.counter = Path(counter) / "calls.txt"

    def generate(
        self, requests: Sequence[Request], seeds: Sequence[int], config: GenerateConfig
    ) -> list[Completion]:
        """As the hf engine; counted when the whole batch is there."""
        done = super().generate(requests, seeds, config)
        # A blank line ends a batch.
        lines = "".join(f"{self.identity} {seed}\n" for seed in seeds) + "\n"
        with self.counter.open("ab") as file:
            file.write(lines.encode())
            file.flush()
            os.fsync(file.fileno())
        return done
