"""What stands in a gate's decision beside its rules: inputs, error budget, and what follows."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class AppliedRule(BaseModel):
    """A rule as it was applied: ``alpha`` is the one that was used, a share of a budget or not, and
    of a family's rules the whole family's.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    metric: str
    rule: Literal["min", "max", "improves", "no_regression"]
    threshold: float
    alpha: float
    family: str | None = None
    missing: Literal["hold", "say"] = "hold"


class GateInputs(BaseModel):
    """All that a decision was made from.

    ``candidate`` is an evaluation folder relative to that of gate.json, ``incumbent`` one relative
    to the run (null: there was no champion); ``sha256`` has the files that were read, by
    ``candidate/NAME`` and ``incumbent/NAME``, and ``alarms.json`` beside gate.json where it was
    there (older records lack it).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    candidate: str
    incumbent: str | None
    sha256: dict[str, str]
    seed: int
    rules: list[AppliedRule]


class AlphaSpent(BaseModel):
    """The error budget of the run: ``share`` was for this decision, ``spent`` holds it too."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    total: float
    share: float
    spent: float
    left: float


class Policy(BaseModel):
    """What follows from a decision. ``champion`` is the model that stands after it (null: none),
    ``changes`` are the settings that the next attempt changes, by dotted key.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    then: Literal["go_on", "end", "roll_back", "retry", "ask"]
    champion: str | None
    changes: dict[str, Any] = Field(default_factory=dict)
