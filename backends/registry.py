"""The engines and trainers there are. Outside packages add theirs by entry point."""

from __future__ import annotations

import importlib.resources
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backends.engines.engine import Engine
from backends.trainers.trainer import Trainer
from results.errors import SrlmError, UsageError
from results.plugins import Table, construct

_LOCAL = "install it with: pip install 'srlm[local]'"

ENGINES = Table("engine", "srlm.engines", {"hf": "backends.engines.hf:HfEngine"}, {"hf": _LOCAL})
TRAINERS = Table(
    "trainer", "srlm.trainers", {"trl": "backends.trainers.trl_local:TrlTrainer"}, {"trl": _LOCAL}
)


def open_engine(name: str, model: str, options: Mapping[str, Any]) -> Engine:
    """The engine ``name`` on ``model``; ``options`` are the engine's own settings."""
    factory = ENGINES.load(name)
    engine: Engine = construct("engine", name, factory, {"model": model, **options})
    return engine


def open_trainer(name: str, options: Mapping[str, Any]) -> Trainer:
    """The trainer ``name`` with its own ``options``."""
    trainer: Trainer = construct("trainer", name, TRAINERS.load(name), options)
    return trainer


def model_folder(reference: str) -> Path:
    """The local folder of a model.

    Args:
        reference: a folder, ``package:some.package/folder`` for weights inside an installed
            package, or a hub id (fetched through huggingface_hub).

    Raises:
        UsageError: nothing of that name.
    """
    if reference.startswith("package:"):
        package, _, inside = reference.removeprefix("package:").partition("/")
        try:
            folder = Path(str(importlib.resources.files(package))) / inside
        except ModuleNotFoundError as error:
            raise UsageError(f"model {reference!r}: there is no package {package!r}") from error
        if not (folder / "config.json").is_file():
            raise UsageError(f"model {reference!r}: no config.json in {folder}")
        return folder
    folder = Path(reference).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise UsageError(f"model {reference!r}: no config.json in that folder")
        return folder
    if reference.startswith((".", "/", "~")) or reference.count("/") != 1:
        raise UsageError(
            f"model {reference!r}: no such folder, and it is not a hub id (owner/name)"
        )
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(reference))
    except Exception as error:  # the hub client raises many kinds; each means "not to be had"
        raise SrlmError(
            f"model {reference!r}: no such folder, and the hub did not give it "
            f"({type(error).__name__}); give a local folder"
        ) from error
