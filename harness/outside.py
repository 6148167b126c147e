"""The models of a run: the policy, and those from outside: judge, writer, auditor."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.config import RunConfig


@dataclass(frozen=True)
class ModelUse:
    """A model by engine, name and its engine's options; ``section`` of the configuration names it.

    ``role``: what it does, ``policy``, ``judge``, ``writer`` or ``auditor``.
    """

    role: str
    section: str
    engine: str
    model: str
    options: dict[str, Any]


def all_models(config: RunConfig, base: Path) -> list[ModelUse]:
    """The policy, which M0 in ``base`` stands for, and those from outside."""
    engine = config.engine
    policy = ModelUse("policy", "model", engine.name, str(base), engine.options)
    return [policy, *outside_models(config)]


def outside_models(config: RunConfig) -> list[ModelUse]:
    """Those that the run will call."""
    named = [("judge", "judge", config.judge.model, config.judge.options)]
    if config.prompts.source == "self_instruct" and config.iterations > 1:
        named.append(("writer", "prompts", config.prompts.model, config.prompts.options))
    if config.audit is not None and config.iterations > 1:
        named.append(("auditor", "audit", config.audit.by, config.audit.options))
    found = []
    for role, section, name, options in named:
        engine, colon, model = name.partition(":")
        if colon:  # else "self", "base", "policy", "people", "verifier"
            found.append(ModelUse(role, section, engine, model, options))
    return found
