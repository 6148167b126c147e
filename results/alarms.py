"""The alarms of one iteration: the contents of iter_k/alarms.json."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

When = Literal["before training", "after evaluation"]
Does = Literal["note", "hold", "stop"]


class Alarm(BaseModel):
    """One alarm: what it saw, what it would fire at, and what follows when it fires.

    ``value`` with its interval is the figure that decides; it is null where it could not be
    measured, and then ``evidence`` says why. ``evidence`` is a sentence in any case. ``n`` of
    ``of`` is the figure's coverage.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    name: str
    when: When
    fired: bool
    does: Does
    value: float | None
    low: float | None
    high: float | None
    threshold: float
    n: int
    of: int
    evidence: str


class Alarms(BaseModel):
    """What was watched in iteration ``k``. ``phases`` are those that are complete; ``statements``
    are always shown and are no alarms (that safety was not evaluated).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    v: Literal[1] = 1
    model: str
    k: int
    phases: list[When]
    alarms: list[Alarm]
    statements: list[str] = Field(default_factory=list)

    @property
    def fired(self) -> list[Alarm]:
        """Those that fired, in the order of the table."""
        return [alarm for alarm in self.alarms if alarm.fired]

    def of(self, when: When) -> list[Alarm]:
        """Those of one phase."""
        return [alarm for alarm in self.alarms if alarm.when == when]
