"""Settings of the gate: rules, and what follows from its decisions."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from harness.section import Section


class Rule(Section):
    """One condition of a gate on one metric. ``alpha`` = 1 - confidence of the interval.

    ``min``: low >= threshold. ``max``: high <= threshold. ``improves``: low of the paired
    difference to the champion > threshold. ``no_regression``: fails when the high of that
    difference < -threshold. ``threshold`` is in the metric's unit.
    """

    metric: str
    rule: Literal["min", "max", "improves", "no_regression"]
    threshold: float = 0.0
    alpha: float = Field(default=0.05, ge=1e-9, le=0.9)

    @model_validator(mode="after")
    def _bounds_are_said(self) -> Rule:
        if self.rule in ("min", "max") and "threshold" not in self.model_fields_set:
            raise ValueError(f"rule {self.rule!r} needs a threshold")
        return self


class Gate(Section):
    """Rules that an iteration must pass, all of them. ``file`` is read into ``rules``."""

    file: str | None = None
    rules: list[Rule] = Field(default_factory=list)


class RulesFile(Section):
    """A file of rules, one at least: a file without rules would promote everything."""

    rules: Annotated[list[Rule], Field(min_length=1)]
