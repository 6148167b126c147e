"""The engines and trainers there are. Outside packages add theirs by entry point."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backends.engines.engine import Engine
from backends.models import LOCAL_EXTRA, OPENAI_EXTRA
from backends.trainers.trainer import Trainer
from results.plugins import Table, check_options, construct

ENGINES = Table(
    "engine",
    "srlm.engines",
    {
        "hf": "backends.engines.hf:HfEngine",
        "openai": "backends.engines.openai_chat:OpenAIEngine",
    },
    {"hf": LOCAL_EXTRA, "openai": OPENAI_EXTRA},
)
TRAINERS = Table(
    "trainer",
    "srlm.trainers",
    {"trl": "backends.trainers.trl_local:TrlTrainer"},
    {"trl": LOCAL_EXTRA},
)


def open_engine(name: str, model: str, options: Mapping[str, Any]) -> Engine:
    """The engine ``name`` on ``model``; ``options`` are the engine's own settings."""
    factory = ENGINES.load(name)
    check_options("engine", name, factory, options, given=("model",))
    engine: Engine = construct("engine", name, factory, {**options, "model": model})
    return engine


def open_trainer(name: str, options: Mapping[str, Any]) -> Trainer:
    """The trainer ``name`` with its own ``options``."""
    trainer: Trainer = construct("trainer", name, TRAINERS.load(name), options)
    return trainer
