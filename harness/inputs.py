"""What a run's configuration points at, by hash: a resumed run must find the same."""

from __future__ import annotations

import hashlib
from pathlib import Path

from benchmarks.registry import SeedData
from harness.recipe import flatten
from harness.run import Run
from results.weights import text_hash, weights_hash


def input_hashes(run: Run, data: SeedData) -> dict[str, str]:
    """Of weights, seed data and judge, and of every file that a setting names, by its key."""
    hashes = {
        "base_weights": weights_hash(run.base),
        "ift": text_hash([e.model_dump() for e in data.ift]),
        "eft": text_hash([e.model_dump() for e in data.eft]),
        "judge": text_hash(run.spec.model_dump()),
    }
    for key, value in flatten(run.config.model_dump(mode="json")).items():
        if isinstance(value, str) and value and Path(value).is_file():
            hashes[key] = hashlib.sha256(Path(value).read_bytes()).hexdigest()
    return hashes
