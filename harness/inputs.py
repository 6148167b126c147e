"""What a run's configuration points at, by hash: a resumed run must find the same."""

from __future__ import annotations

import hashlib
from pathlib import Path

from backends.models import model_folder
from benchmarks.benchmark import HasDataFiles
from benchmarks.registry import SeedData
from harness.recipe import flatten
from harness.run import Run, start_folder
from harness.stages.audit_labels import audit_spec
from results.weights import text_hash, weights_hash

# Settings that may name files.
FILES = (
    "model.chat_template",
    "prompts.path",
    "data.options.",
    "evaluation.options.",
    "evaluation.beside.",
    "judge.fit.data",
)


def input_hashes(run: Run, data: SeedData) -> dict[str, str]:
    """Of weights, seed data and judge, and of every file that data settings name, by its key."""
    hashes = {
        # As it came, also where the run has given it another chat template.
        "base_weights": weights_hash(model_folder(run.config.model.base)),
        "ift": text_hash([e.model_dump() for e in data.ift]),
        "eft": text_hash([e.model_dump() for e in data.eft]),
        "judge": text_hash(run.spec.model_dump()),
    }
    if run.config.audit is not None and (spec := audit_spec(run.config.audit)) is not None:
        hashes["audit"] = text_hash(spec.model_dump())
    if run.config.start_path is not None:
        hashes["start"] = weights_hash(start_folder(run.config.start_path))  # as it came, too
    # What EFT is judged from; the EFT that comes of it is the run's own work, no input.
    if data.ranked:
        hashes["ranked"] = text_hash([r.model_dump() for r in data.ranked])
    for section, identity in run.outside_identities().items():
        hashes[f"{section}.model"] = text_hash(identity)
    beside = {f"evaluation.beside.{name}": benchmark for name, benchmark in run.beside.items()}
    for section, benchmark in {"evaluation": run.benchmark, **beside}.items():
        if isinstance(benchmark, HasDataFiles):
            hashes[f"{section}.data"] = benchmark.data_hash()
    for key, value in flatten(run.config.model_dump(mode="json")).items():
        if key.startswith(FILES) and isinstance(value, str) and is_file(value):
            hashes[key] = hashlib.sha256(Path(value).read_bytes()).hexdigest()
    return hashes


def is_file(text: str) -> bool:
    """Whether a setting names a file that is there."""
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # a phrase, not a path: too long, or with a NUL
        return False
