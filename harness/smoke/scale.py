"""A run's configuration, seed data and benchmark cut down to where every stage takes seconds."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from benchmarks.benchmark import Benchmark, Shrinkable, evenly
from benchmarks.registry import SeedData
from harness.compute import batch_of
from harness.config import RunConfig
from harness.folder import SMOKE_MARK
from judges.pointwise import prompt_text
from results.errors import UsageError
from results.records import Example

SHARE = 0.01  # of the prompts of the full run
LEAST, MOST = 8, 64  # prompts
EVALUATED = 8  # prompts of the benchmark, and of those that EFT is judged from
BATCH = 8  # examples that a training step is tried with where the trainer names no batch_size
SUFFIX = "-smoke"  # of the name in the configuration of a smoke run


def smoke_config(config: RunConfig) -> RunConfig:
    """``config`` at about 1 % of its scale: two iterations, few prompts, one epoch.

    All else is the user's: model, engine, judge, trainer, decoding, batches. The prompts are
    enough for a batch of the engine and one of DPO where the full run has so many, so that memory
    is tried. One pair is enough to go on; what the full run needs, the walk works out.
    """
    tree = config.model_dump()
    tree["name"] = f"{config.name}{SUFFIX}"
    tree["iterations"] = min(config.iterations, 2)
    tree["prompts"]["count"] = [prompts_of(config)]
    tree["pairs"]["min_pairs"] = 1
    tree["gate"] |= {"on_gate": None, "waived_by": {}}  # nobody is called, nothing is promoted
    tree["data"]["judged"]["min_examples"] = 1
    if config.data.eft == "bootstrap":
        tree["data"]["bootstrap"]["prompts"] = EVALUATED
    for step in ("sft", "dpo"):
        if "epochs" in tree[step]["settings"]:
            tree[step]["settings"]["epochs"] = 1
    return RunConfig.model_validate(tree)


def prompts_of(config: RunConfig) -> int:
    """How many new prompts a smoke run has."""
    full = config.prompts.count[0]
    batch = config.engine.options.get("batch_size")
    rows = math.ceil(batch / config.candidates.n) if isinstance(batch, int) else 0
    least = max(LEAST, math.ceil(full * SHARE), rows, batch_tried(config.dpo.settings))
    return min(full, max(least, 1), MOST)


def batch_tried(settings: Mapping[str, Any]) -> int:
    """Examples of one optimiser step here."""
    return batch_of(settings, BATCH)


def fewer(data: SeedData, config: RunConfig) -> SeedData:
    """A batch of IFT and one of EFT, and some of the ranked prompts that EFT is judged from."""
    n = batch_tried(config.sft.settings)
    return SeedData(
        spread(data.ift, n), spread(data.eft, n), data.ranked[:EVALUATED], notes=data.notes
    )


def spread(examples: Sequence[Example], n: int) -> list[Example]:
    """``n`` of the examples, evenly over their lengths, the longest first: it is what memory may
    not hold.
    """
    longest = sorted(examples, key=lambda e: -len(prompt_text(e.prompt)) - len(e.completion))
    return evenly(longest, n)


def shrink(benchmark: Benchmark) -> tuple[Benchmark, str]:
    """The benchmark with few prompts, and what is to be said of it."""
    if isinstance(benchmark, Shrinkable):
        return benchmark.smaller(EVALUATED), f"{EVALUATED} prompts of {benchmark.name}"
    return benchmark, f"{benchmark.name} runs whole: it cannot be had smaller"


def begin_folder(folder: Path) -> None:
    """Empties the folder of an earlier smoke run: what it measured is of another moment.

    Raises:
        UsageError: something else is in it.
    """
    inside = [path for path in folder.iterdir() if not path.name.startswith(".")]
    if inside and not _of_smoke(folder):
        raise UsageError(
            f"{folder}: holds {inside[0].name!r} and is not the folder of a smoke run, which "
            "begins anew; choose another --out"
        )
    # config.yaml last: a kill before it leaves what is still known to be of a smoke run.
    for path in sorted(inside, key=lambda path: path.name == "config.yaml"):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    mark(folder)


def mark(folder: Path) -> None:
    """Says that the folder is of a smoke run: the next one may empty it."""
    (folder / SMOKE_MARK).touch()


def _of_smoke(folder: Path) -> bool:
    """Both the mark and the configuration must say so: what is emptied is gone."""
    try:
        config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return False
    name = config.get("name") if isinstance(config, dict) else None
    return (folder / SMOKE_MARK).exists() and str(name).endswith(SUFFIX)
