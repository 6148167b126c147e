"""The paper replayed: gate rules on the published figures of its own iterations.

A published row has a value, and seldom more. What follows for a rule:

- a share on a known number of prompts gets a normal interval, from its published standard error
  where there is one, else from the binomial variance p(1-p)/n: that of right or wrong answers, and
  the largest that any values in 0..1 with this mean can have;
- two rows are two samples, as nothing says what each model did on the same prompt: the variance of
  a difference is the sum of both, where a gate of a run pairs by prompt and sees finer;
- any other figure has no interval, and its value alone is compared. The reason says which it was;
- rules of one family take the p-value of the same normal difference, and Holm's step-down.
"""

from __future__ import annotations

import importlib.resources
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import fsum, sqrt
from pathlib import Path
from statistics import NormalDist
from typing import Any

from harness.families import Loss, expanded, tested_together
from harness.gate_config import Rule
from harness.gates import CONDITIONS, no_champion, unmeasured, verdict, with_loss
from harness.recipe import read_rules
from results.errors import UsageError, did_you_mean
from results.figures import figures, kind_of
from results.paired_tests import seen_drop
from results.ranks import ERRORS
from results.records import GateDecision, Outcome, RuleResult
from results.reference_rows import reference_rows

SOURCE, FAMILY = "self_rewarding", "Self-Rewarding 70B "
PREFIX = "paper:"
MODELS = tuple(f"{PREFIX}M{k}" for k in (1, 2, 3))
# Derived here; the paper prints neither. Growth is of the mean length, against the incumbent's.
AVERAGE, GROWTH = "nlp_average", "length_growth"


@dataclass(frozen=True)
class Figure:
    """A published figure of ``n`` prompts (0: not said) and its estimate's variance, null where
    nothing tells it; ``how`` says where that comes from.
    """

    value: float
    n: int
    variance: float | None = None
    how: str = "no interval published, the values alone compared"


@dataclass(frozen=True)
class Fall:
    """The test of a published difference: of a loss above ``margin``, from its standard error."""

    difference: float
    error: float
    margin: float

    @property
    def p_loss(self) -> float:
        """One-sided."""
        return NormalDist().cdf((self.difference + self.margin) / self.error)

    def least_drop(self, alpha: float) -> float:
        """The smallest drop that is found at ``alpha`` with 80 % power."""
        return self.margin + seen_drop(self.error, alpha)


def is_paper(name: str | None) -> bool:
    """Whether an argument of the gate names a model of the paper, not a file."""
    return name is not None and name.startswith(PREFIX)


def default_rules() -> list[Rule]:
    """The shipped rules for published figures."""
    path = Path(str(importlib.resources.files("harness"))) / "recipes" / "rules" / "published.yaml"
    return read_rules(path)


def paper_decision(
    candidate: str, incumbent: str | None, rules: Sequence[Rule] | None = None
) -> GateDecision:
    """What ``rules`` decide on the published figures of a model of the paper.

    Args:
        candidate: ``paper:M1``, ``paper:M2`` or ``paper:M3``.
        incumbent: the same, or null where no rule compares with it.
        rules: null for the shipped ones.

    Raises:
        UsageError: no such model, one side is a file, or a rule on a figure that is not published.
    """
    ours = published(candidate)
    theirs = None if incumbent is None else published(incumbent)
    rules = expanded(default_rules() if rules is None else rules, [*ours])
    for place, rule in enumerate(rules, 1):
        _check(place, rule, ours)
        if theirs is None and (rule.paired or rule.metric == GROWTH):
            raise no_champion(place, rule, f", {PREFIX}M1 or another model of the paper")
    found = {} if theirs is None else tested_together(rules, _falls(rules, ours, theirs))
    return verdict([_apply(rule, ours, theirs, found.get(i)) for i, rule in enumerate(rules)])


def _falls(rules: Sequence[Rule], ours: dict[str, Figure],
           theirs: dict[str, Figure]) -> dict[int, Fall]:  # fmt: skip
    seen = {
        place: _difference(ours[rule.metric], theirs[rule.metric])
        for place, rule in enumerate(rules)
        if rule.tested_with is not None
    }
    return {
        place: Fall(figure.value, sqrt(figure.variance or 0), rules[place].threshold)
        for place, figure in seen.items()
    }


@cache
def published(name: str) -> dict[str, Figure]:
    """The figures of ``paper:M1``, ``paper:M2`` or ``paper:M3`` by the names that rules use."""
    if not is_paper(name):
        raise UsageError(
            f"{name}: found a file, expected {', '.join(MODELS)}: published figures are compared "
            "with published figures alone"
        )
    if name not in MODELS:
        raise UsageError(
            f"{name}: no such model of the paper{did_you_mean(name, MODELS)} (there are: "
            f"{', '.join(MODELS)})"
        )
    found: dict[str, Figure] = {}
    for row in reference_rows(SOURCE):
        # A head to head is about two models, and there are several with each.
        if (
            row["model"] == FAMILY + name.removeprefix(PREFIX)
            and row["benchmark"] != "head_to_head"
        ):
            own = dict(figures(row["metrics"]))
            found |= {metric: as_figure(metric, own) for metric in own}
    found[AVERAGE] = average([f for metric, f in found.items() if metric.startswith("datasets.")])
    return found


def as_figure(metric: str, row: dict[str, dict[str, Any]]) -> Figure:
    """The figure ``metric`` of a published row, whose other figures may tell its standard error."""
    value, n = row[metric]["value"], row[metric]["n"]
    error = row.get(ERRORS.get(metric, ""), {}).get("value")
    if error is not None:
        return Figure(value, n, error**2, "from the published standard error")
    if n and kind_of(metric) == "share":
        return Figure(value, n, value * (1 - value) / n, "binomial")
    return Figure(value, n)


def average(parts: Sequence[Figure]) -> Figure:
    """The mean of the NLP benchmarks, each counting alike whatever its size; without a variance
    where one of theirs is not known, for it would count as exact.
    """
    mean, n = fsum(part.value for part in parts) / len(parts), sum(part.n for part in parts)
    known = [part.variance for part in parts if part.variance is not None]
    if len(known) < len(parts):
        return Figure(mean, n)
    return Figure(mean, n, fsum(known) / len(parts) ** 2, "binomial")


def _check(place: int, rule: Rule, there: dict[str, Figure]) -> None:
    """UsageError for a rule that no published figure could ever pass."""
    known = [*there, GROWTH]
    if rule.unseen(known):
        return
    if rule.metric not in known:
        raise UsageError(
            f"gate rule {place} ({rule.rule}): metric {rule.metric!r} is not published"
            f"{did_you_mean(rule.metric, known)} (there are: {', '.join(known)})"
        )
    if rule.metric == GROWTH and rule.paired:
        raise UsageError(
            f"gate rule {place}: {GROWTH} compares with the incumbent already; use rule max or min "
            f"instead of {rule.rule}"
        )
    if rule.tested_with is not None and not there[rule.metric].variance:
        raise UsageError(
            f"gate rule {place}: no interval of {rule.metric} is published, so it cannot be tested "
            f"in family {rule.tested_with}; leave it out of it"
        )


def _apply(
    rule: Rule, ours: dict[str, Figure], theirs: dict[str, Figure] | None, loss: Loss | None
) -> RuleResult:
    condition = CONDITIONS[rule.rule]
    if rule.unseen((*ours, GROWTH)):
        return unmeasured(rule)
    if theirs is None and (rule.paired or rule.metric == GROWTH):
        return _result(rule, None, None, "passed", "no champion yet: nothing to compare with")
    what, sign, seen = "value", "", ours.get(rule.metric)
    if theirs is not None and rule.metric == GROWTH:
        what, sign, seen = _growth(ours["avg_length"], theirs["avg_length"])
    elif theirs is not None and rule.paired:
        what, sign = "difference to the champion", "+"
        seen = _difference(ours[rule.metric], theirs[rule.metric])
    assert seen is not None  # _check has looked
    ends = _interval(seen, rule.alpha)
    low, high = ends or (seen.value, seen.value)
    outcome = (
        condition.outcome(low, high, rule.threshold) if loss is None else loss.outcome(rule.alpha)
    )
    within = f" [{low:{sign}.3f}, {high:{sign}.3f}]" if ends else ""
    on = f" on {seen.n}" if seen.n else ""
    needs = condition.words.format(t=rule.threshold, m=-rule.threshold + 0.0)
    if loss is not None:
        needs = loss.needs(rule.threshold, rule.alpha)
    why = (
        f"{rule.metric}: {what} {seen.value:{sign}.3f}{within}{on} ({seen.how}), "
        f"{rule.rule} needs {needs}"
    )
    return with_loss(_result(rule, seen, ends, outcome, why), loss)


def _growth(ours: Figure, theirs: Figure) -> tuple[str, str, Figure]:
    """The growth of a length, as one of its own: what it is in words, its sign, and the figure."""
    what = f"{theirs.value:.0f} to {ours.value:.0f} characters"
    return what, "+", Figure(ours.value / theirs.value - 1, ours.n)


def _difference(ours: Figure, theirs: Figure) -> Figure:
    if ours.variance is None or theirs.variance is None:
        return Figure(ours.value - theirs.value, ours.n)
    return Figure(
        ours.value - theirs.value, ours.n, ours.variance + theirs.variance, f"unpaired, {ours.how}"
    )


def _interval(figure: Figure, alpha: float) -> tuple[float, float] | None:
    if figure.variance is None:
        return None
    half = NormalDist().inv_cdf(1 - alpha / 2) * sqrt(figure.variance)
    return figure.value - half, figure.value + half


def _result(
    rule: Rule, seen: Figure | None, ends: tuple[float, float] | None, outcome: Outcome, reason: str
) -> RuleResult:
    n = 0 if seen is None else seen.n
    return RuleResult(
        rule=rule.rule,
        metric=rule.metric,
        value=None if seen is None else seen.value,
        low=None if ends is None else ends[0],
        high=None if ends is None else ends[1],
        threshold=rule.threshold,
        passed=outcome == "passed",
        n_used=n,
        of=n,
        reason=reason,
        outcome=outcome,
    )
