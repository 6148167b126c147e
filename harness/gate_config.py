"""Settings of the gate: rules, and what follows from its decisions."""

from __future__ import annotations

import shlex
from collections.abc import Container, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from harness.section import Section

LEAST_ALPHA = 0.001  # of a family: its tests tell no p-value below 1 in 20,000


class Rule(Section):
    """One condition of a gate on one metric. ``alpha`` = 1 - confidence of the interval.

    ``min``: low >= threshold. ``max``: high <= threshold. ``improves``: low of the paired
    difference to the champion > threshold. ``no_regression``: fails when the high of that
    difference < -threshold. ``threshold`` is in the metric's unit.

    ``family``: the ``no_regression`` rules of one name are tested together, so that all of them
    hold a model that lost nothing with a probability of at most their one alpha. A ``metric`` that
    ends with ``*`` stands for all that begin so, as one family.

    ``missing``: what follows where nothing measures the metric: ``hold`` (a run refuses such a
    rule before it begins), or ``say``: nothing is held for it, and every decision says so. It is
    for metrics of a benchmark that a run may have beside the main one.
    """

    metric: str
    rule: Literal["min", "max", "improves", "no_regression"]
    threshold: float = 0.0
    alpha: float = Field(default=0.05, ge=1e-9, le=0.9)
    family: str | None = Field(default=None, min_length=1)
    missing: Literal["hold", "say"] = "hold"

    def unseen(self, names: Container[str]) -> bool:
        """Whether its metric is not among those that were measured, and it lets that pass."""
        return self.missing == "say" and self.metric not in names

    @property
    def stands_for_many(self) -> bool:
        """Whether it is about every metric whose name begins as its own does."""
        return self.metric.endswith("*")

    @property
    def tested_with(self) -> str | None:
        """The family that it is of, by its own name where it stands for many; null: it is alone."""
        return self.family or (self.metric if self.stands_for_many else None)

    @property
    def proves(self) -> bool:
        """Whether it passes only on proof. ``no_regression`` fails only on proof: its error is a
        wrong hold, and a smaller alpha would make it let more through.
        """
        return self.rule != "no_regression"

    @property
    def paired(self) -> bool:
        """Whether it is about the difference to the champion."""
        return self.rule in ("improves", "no_regression")

    @model_validator(mode="after")
    def _bounds_are_said(self) -> Rule:
        if self.rule in ("min", "max") and "threshold" not in self.model_fields_set:
            raise ValueError(f"rule {self.rule!r} needs a threshold")
        return self

    @model_validator(mode="after")
    def _missing_is_of_another_benchmark(self) -> Rule:
        if self.missing == "say" and ("." not in self.metric or self.stands_for_many):
            raise ValueError(
                f"missing: say is for one metric of a benchmark beside the main one, as "
                f"safety.refusal, not for {self.metric!r}"
            )
        return self

    @model_validator(mode="after")
    def _family_can_be_tested(self) -> Rule:
        if self.tested_with is None:
            return self
        what = f"family {self.family!r}" if self.family else f"metric {self.metric!r}"
        if self.rule != "no_regression":
            raise ValueError(f"{what} is for rule 'no_regression', not for {self.rule!r}")
        if self.threshold < 0:
            raise ValueError(f"{what} needs a threshold of 0 or more, a loss that is accepted")
        if self.alpha < LEAST_ALPHA:
            raise ValueError(f"{what} needs an alpha of {LEAST_ALPHA:g} or more")
        return self


def check_together(rules: Sequence[Rule]) -> None:
    """ValueError where rules of one family do not share an alpha, or all may go unmeasured."""
    if rules and all(rule.missing == "say" for rule in rules):
        raise ValueError(
            "every rule has missing: say, so a model of which nothing was measured would be "
            "promoted; give one at least missing: hold, the default"
        )
    alphas: dict[str, float] = {}
    met: dict[str, list[Rule]] = {}
    for place, rule in enumerate(rules, 1):
        family = rule.tested_with
        if family is not None:
            twice = next((r for r in met.setdefault(family, []) if _overlap(r, rule)), None)
            if twice is not None:
                raise ValueError(
                    f"rule {place} ({rule.metric}): {twice.metric} is in its family {family!r} "
                    "already, so it would be tested twice; leave one of them out"
                )
            met[family].append(rule)
        if family is not None and (known := alphas.setdefault(family, rule.alpha)) != rule.alpha:
            raise ValueError(
                f"rule {place} ({rule.metric}): alpha {rule.alpha:g}, but {known:g} above in its "
                f"family {family!r}; a family is tested together, give its rules one alpha"
            )


def _overlap(one: Rule, other: Rule) -> bool:
    """Whether both are about a metric. One that is named beside a star is left out of the star."""
    if not (one.stands_for_many and other.stands_for_many):
        return one.metric == other.metric
    first, second = one.metric.removesuffix("*"), other.metric.removesuffix("*")
    return first.startswith(second) or second.startswith(first)


# What a retry may change: all of it comes after the prompts, which are those of the iteration.
CHANGEABLE = ("candidates", "judge.draws", "pairs", "dpo")
MODEL = r"^M[1-9][0-9]*$"


class Gate(Section):
    """Rules that an iteration must pass, all of them, and what follows when it does not. ``file``
    is read into ``rules``.

    ``alpha``: the chance that the whole run promotes wrongly, at most, shared among its iterations
    and their attempts (null: each rule has its own alpha, and nothing bounds the run's).
    ``on_hold``: ``stop`` ends the run; ``roll_back`` goes on with the next iteration from the
    champion; ``retry`` makes the iteration again, ``retries`` times at most, then rolls back;
    ``ask`` asks at a terminal. ``changes``: what each retry changes, on top of the one before, by
    dotted key: a value, or ``{times: FACTOR}``; the last entry serves all later retries.
    ``on_gate``: a command that is run after every decision. ``waived_by``: by model (``M3``), who
    promotes it though it is held; it may be given at a later start.
    """

    file: str | None = None
    rules: list[Rule] = Field(default_factory=list)
    alpha: float | None = Field(default=None, gt=0, le=0.5)
    on_hold: Literal["stop", "roll_back", "retry", "ask"] = "stop"
    retries: int = Field(default=0, ge=0, le=100)
    changes: list[dict[str, Any]] = Field(default_factory=list)
    on_gate: str | None = Field(default=None, min_length=1)
    waived_by: dict[Annotated[str, Field(pattern=MODEL)], Annotated[str, Field(min_length=1)]] = (
        Field(default_factory=dict)
    )

    @field_validator("on_gate")
    @classmethod
    def _is_a_command(cls, value: str | None) -> str | None:
        if value is not None and not shlex.split(value):
            raise ValueError("expected a command, found blanks; null for none")
        return value

    @field_validator("changes")
    @classmethod
    def _changes_are_allowed(cls, value: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for place, entry in enumerate(value, 1):
            if not entry:
                raise ValueError(f"entry {place} changes nothing; name a setting")
            for key in entry:
                if not any(key == name or key.startswith(f"{name}.") for name in CHANGEABLE):
                    raise ValueError(
                        f"entry {place}: a retry cannot change {key!r}, only what is under "
                        f"{', '.join(CHANGEABLE)}"
                    )
        return value

    @model_validator(mode="after")
    def _parts_fit(self) -> Gate:
        check_together(self.rules)
        if self.on_hold == "retry" and not self.retries:
            raise ValueError("on_hold: retry needs retries: NUMBER and changes: [{key: value}]")
        if self.retries and self.on_hold not in ("retry", "ask"):
            raise ValueError(f"retries are of on_hold: retry or ask, not of {self.on_hold}")
        if self.retries and not self.changes:
            raise ValueError("retries need changes: the same settings give the same model")
        if len(self.changes) > self.retries:
            raise ValueError(f"changes has {len(self.changes)} entries for {self.retries} retries")
        if self.alpha is not None and not any(rule.proves for rule in self.rules):
            raise ValueError(
                "alpha bounds wrong promotions, and there is no rule min, max or improves that "
                "could promote wrongly; add one or leave alpha out"
            )
        return self


class RulesFile(Section):
    """A file of rules, one at least: a file without rules would promote everything."""

    rules: Annotated[list[Rule], Field(min_length=1)]

    @model_validator(mode="after")
    def _rules_fit(self) -> RulesFile:
        check_together(self.rules)
        return self
