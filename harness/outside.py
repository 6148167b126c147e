"""Models of a run that are not the policy: a judge and a writer of prompts of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.config import RunConfig


@dataclass(frozen=True)
class Outside:
    """A model by engine, name and its engine's options; ``section`` of the configuration names it.

    ``role``: what it does, ``judge`` or ``writer``.
    """

    role: str
    section: str
    engine: str
    model: str
    options: dict[str, Any]


def outside_models(config: RunConfig) -> list[Outside]:
    """Those that the run will call."""
    named = [("judge", "judge", config.judge.model, config.judge.options)]
    if config.prompts.source == "self_instruct" and config.iterations > 1:
        named.append(("writer", "prompts", config.prompts.model, config.prompts.options))
    found = []
    for role, section, name, options in named:
        engine, colon, model = name.partition(":")
        if colon:  # else "self", "base", "policy"
            found.append(Outside(role, section, engine, model, options))
    return found
