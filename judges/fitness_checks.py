"""The checks of a judge's fitness, each with its figure, its threshold and its reason in words."""

from __future__ import annotations

import math
from typing import Annotated, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from results.records import Metric, Unscored
from results.text import excerpt

Share = Annotated[float, Field(ge=0, le=1)]
Name = Literal["unscored", "prompts", "level", "length", "random", "other", "alt_test"]

_RIVALS = {"length": "preferring the longer response", "random": "guessing"}
WITHIN_REACH = 10
_BOUNDED = ("level", "length", "random")  # checks of a lower bound


class Criterion(BaseModel):
    """What a judge must show before it may judge.

    Attributes:
        min_accuracy: the lower bound of its accuracy on human preferences, at least.
        beat_length: it must surely be right more often than "the longer is the better".
        beat_random: it must surely be right more often than a guess.
        yield_to_other: it is not fit when another spec is surely right more often.
        min_omega: share of annotators that it must beat in the alternative annotator test.
        max_unscored: share of its calls without a score or verdict, at most.
        min_prompts: prompts with a usable pair, at least; the intervals of fewer mean little.
        alpha: 1 minus the confidence of the two-sided intervals.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    min_accuracy: Share = 0.5
    beat_length: bool = True
    beat_random: bool = True
    yield_to_other: bool = True
    min_omega: Share = 0.5
    max_unscored: Share = 0.2
    min_prompts: int = Field(default=30, ge=2)
    alpha: float = Field(default=0.05, gt=0, lt=1)


class Check(BaseModel):
    """One check. ``required`` ones decide; the others are shown. ``value`` is null if undefined."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: Name
    value: float | None
    low: float | None = None
    high: float | None = None
    threshold: float
    n: int
    of: int
    passed: bool
    required: bool
    reason: str


class AltTestResult(Protocol):
    """What is read of an alternative annotator test; ``judges.alt_test.AltTest`` is one."""

    @property
    def omega(self) -> float | None:
        """Share of the annotators tested that the judge beats; null when none was."""

    @property
    def rho(self) -> float | None:
        """Mean share of items on which the judge is at least as good as the annotator."""

    @property
    def epsilon(self) -> float:
        """The advantage over the judge that an annotator is granted."""

    @property
    def n(self) -> int:
        """Annotators tested."""

    @property
    def of(self) -> int:
        """Annotators there were."""


def unscored_check(criterion: Criterion, unscored: Unscored) -> Check:
    """At most ``max_unscored`` of the calls are unscored."""
    share = unscored.n / unscored.of if unscored.of else None
    limit = criterion.max_unscored
    seen = "no call was made" if share is None else f"{share:.3f} of {unscored.of} calls unscored"
    return Check(
        name="unscored",
        value=share,
        threshold=limit,
        n=unscored.n,
        of=unscored.of,
        passed=share is not None and share <= limit,
        required=True,
        reason=f"{seen}, at most {limit:g} may be",
    )


def prompts_check(criterion: Criterion, prompts: int, accuracy: Metric) -> Check:
    """There are ``min_prompts``."""
    least = criterion.min_prompts
    return Check(
        name="prompts",
        value=float(prompts),
        threshold=float(least),
        n=prompts,
        of=prompts,
        passed=prompts >= least,
        required=True,
        reason=f"{prompts} prompts with a usable pair ({accuracy.n} of {accuracy.of} pairs), "
        f"at least {least} needed",
    )


def alt_test_check(criterion: Criterion, alt: AltTestResult) -> Check:
    """The judge beats ``min_omega`` of the annotators."""
    least = criterion.min_omega
    seen = "no annotator could be tested"
    if alt.omega is not None:
        rho = "" if alt.rho is None else f", rho {alt.rho:.2f}"
        seen = (
            f"beats {alt.omega:.2f} of {alt.n} annotators (alternative annotator test, epsilon "
            f"{alt.epsilon:g}{rho})"
        )
    return Check(
        name="alt_test",
        value=alt.omega,
        threshold=least,
        n=alt.n,
        of=alt.of,
        passed=alt.omega is not None and alt.omega >= least,
        required=True,
        reason=f"{seen}, at least {least:g} needed",
    )


def level_check(criterion: Criterion, accuracy: Metric, required: bool) -> Check:
    """The lower bound of the accuracy reaches ``min_accuracy``."""
    level = criterion.min_accuracy
    passed = accuracy.low is not None and accuracy.low >= level
    words = f"accuracy {_seen(accuracy)}, its lower bound must reach {level:g}"
    return _check("level", accuracy, level, passed, required, words)


def rival_check(name: Name, difference: Metric, required: bool) -> Check:
    """``difference``, accuracy minus that of the rival ``name``, is surely above 0."""
    passed = difference.low is not None and difference.low > 0
    seen = f"accuracy minus that of {_RIVALS[name]} {_seen(difference, '+')}"
    words = f"{seen}, its lower bound must be above 0"
    return _check(name, difference, 0.0, passed, required, words)


def other_check(difference: Metric, rival: str, required: bool) -> Check:
    """``difference``, accuracy minus that of the spec ``rival``, is not surely below 0."""
    passed = difference.high is None or difference.high >= 0
    seen = f"accuracy minus that of {excerpt(rival)} {_seen(difference, '+')}"
    words = f"{seen}, its upper bound must not be below 0"
    return _check("other", difference, 0.0, passed, required, words)


def _check(name: Name, metric: Metric, threshold: float, passed: bool, required: bool,
           reason: str) -> Check:  # fmt: skip
    return Check(name=name, value=metric.value, low=metric.low, high=metric.high,
                 threshold=threshold, n=metric.n, of=metric.of, passed=passed, required=required,
                 reason=reason if required else f"{reason} (shown, not required)")  # fmt: skip


def _seen(metric: Metric, sign: str = "") -> str:
    if metric.value is None:
        return f"has no value ({metric.reason})"
    if metric.low is None or metric.high is None:
        return f"{metric.value:{sign}.3f} without an interval ({metric.reason})"
    return f"{metric.value:{sign}.3f} [{metric.low:{sign}.3f}, {metric.high:{sign}.3f}]"


def prompts_needed(check: Check, prompts: int) -> int | None:
    """Returns about how many prompts would pass a failed check, None where more would not.

    ``prompts`` are those that it was made on. More than ``WITHIN_REACH`` times as many are not
    promised: so small a lead may well be none.
    """
    if check.name == "prompts":
        return int(check.threshold)
    if check.name not in _BOUNDED:
        return None
    if check.value is None:
        return prompts + 1
    if check.value <= check.threshold:
        return None
    if check.low is None:
        return prompts + 1
    # An interval shrinks with the root of the number of prompts.
    times = ((check.value - check.low) / (check.value - check.threshold)) ** 2
    return math.ceil(prompts * times) + 1 if times <= WITHIN_REACH else None
