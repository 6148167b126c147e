"""Gate rules on any metric with its interval, and the decision that follows from them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.families import Loss, expanded, losses
from harness.gate_config import Rule
from results.errors import SrlmError, UsageError
from results.files import read_model
from results.proven import proven_difference, proven_ratio, unfit
from results.records import Bounds, Evaluated, GateDecision, Metric, Outcome, RuleResult, Value
from results.stats import paired_difference, ratio_metric
from results.store import RecordFile


@dataclass(frozen=True)
class Measured:
    """One model's per-prompt values by metric, and each metric's coverage (``n`` of ``of``)."""

    values: dict[str, list[Value]]
    coverage: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The metrics that were measured, with a value or without."""
        return list(dict.fromkeys([*self.values, *self.coverage]))

    def beside(self, others: Mapping[str, Measured]) -> Measured:
        """With what was measured beside it, each metric by the name of its benchmark and a dot."""
        values, coverage = dict(self.values), dict(self.coverage)
        for part, other in others.items():
            values |= {f"{part}.{name}": found for name, found in other.values.items()}
            coverage |= {f"{part}.{name}": n for name, n in other.coverage.items()}
        return Measured(values, coverage)

    @classmethod
    def read(cls, folder: Path) -> Measured:
        """From an evaluation folder."""
        file = RecordFile(folder / "values.jsonl", Value)
        if not file.done:
            raise SrlmError(f"{file.path}: not there; evaluate the model first")
        values: dict[str, list[Value]] = {}
        for value in file.read():
            values.setdefault(value.metric, []).append(value)
        metrics = read_model(folder / "metrics.json", Evaluated).metrics
        return cls(values, {name: (m.n, m.of) for name, m in metrics.items()})


def decide(rules: Sequence[Rule], candidate: Measured, incumbent: Measured | None,
           seed: int, proven: bool = False) -> GateDecision:  # fmt: skip
    """Promotes when every rule passes, holds otherwise.

    Args:
        rules: all of which must pass.
        candidate: the model that is decided on.
        incumbent: the champion; null: there is none yet, and rules about a difference to it pass.
        seed: of the bootstrap.
        proven: whether a rule that passes on proof alone is decided by bounds that keep their alpha
            whatever the values are (``results.proven``), not by the bootstrap. Metrics that have no
            such bounds say so in the rule's ``reason``.
    """
    rules = expanded(rules, known_metrics(candidate, incumbent))
    found = {} if incumbent is None else losses(rules, candidate.values, incumbent.values, seed)
    return verdict(
        [
            _apply(rule, candidate, incumbent, seed, proven, found.get(place))
            for place, rule in enumerate(rules)
        ]
    )


def unmeasured(rule: Rule) -> RuleResult:
    """The result of a rule on what nothing measures: nothing is held for it, and that is said."""
    why = f"{rule.metric} NOT EVALUATED: nothing is held for it ({rule.rule}, missing: say)"
    return _result(rule, None, "unmeasured", why)


def known_metrics(candidate: Measured, incumbent: Measured | None) -> list[str]:
    """What a rule for many metrics is about: all that either model has. What the candidate alone
    has no value of is no less asked for.
    """
    sides = (candidate,) if incumbent is None else (candidate, incumbent)
    return [name for side in sides for name in side.names]


def verdict(results: Sequence[RuleResult]) -> GateDecision:
    """Promotes when every rule passed, holds otherwise: whatever the rules were applied to."""
    passed = all(result.passed for result in results)
    return GateDecision(decision="promote" if passed else "hold", rules=list(results))


def no_champion(place: int, rule: Rule, give: str) -> UsageError:
    """The error for rule ``place`` (from 1) where no champion was given; ``give`` ends its mend."""
    return UsageError(
        f"gate rule {place} ({rule.rule} of {rule.metric}) compares with the champion; "
        f"give --incumbent{give}"
    )


@dataclass(frozen=True)
class Condition:
    """How one kind of rule reads an interval: whether it passes, whether it excludes passing, and
    the test in words.
    """

    holds: Callable[[float, float, float], bool]
    excluded: Callable[[float, float, float], bool]
    words: str

    def outcome(self, low: float, high: float, threshold: float) -> Outcome:
        """What an interval says about a rule."""
        if self.holds(low, high, threshold):
            return "passed"
        return "failed" if self.excluded(low, high, threshold) else "inconclusive"


CONDITIONS: dict[str, Condition] = {
    "min": Condition(lambda low, high, t: low >= t, lambda low, high, t: high < t, "low >= {t:g}"),
    "max": Condition(lambda low, high, t: high <= t, lambda low, high, t: low > t, "high <= {t:g}"),
    "improves": Condition(
        lambda low, high, t: low > t,
        lambda low, high, t: high <= t,
        "low of the difference > {t:g}",
    ),
    # Nothing is inconclusive here: it passes unless a loss is proven.
    "no_regression": Condition(
        lambda low, high, t: not high < -t,
        lambda low, high, t: high < -t,
        "high of the difference >= {m:g}",
    ),
}
MOST_ROUNDS = 200_000  # seconds a rule
MOST_PROMPTS = 10_000_000  # more would settle nothing for anybody


def rounds_for(alpha: float) -> int:
    """How many bootstrap rounds an interval at 1 - ``alpha`` takes: ten in each tail, as far as
    ``MOST_ROUNDS`` reach (to an alpha of 0.0001).

    So far out the bootstrap is approximate: few prompts have no such rare samples in them.
    """
    return min(max(2000, math.ceil(20 / alpha)), MOST_ROUNDS)


def settles_at(value: float, low: float, high: float, threshold: float, n: int) -> int | None:
    """How many prompts would bring the interval to one side of ``threshold``, were the value what
    it seems: its half width shrinks with the root of their number. Null where none would do.
    """
    distance = abs(value - threshold)
    half = value - low if value > threshold else high - value
    if half >= distance * math.sqrt(MOST_PROMPTS / n):
        return None
    return math.ceil(n * (half / distance) ** 2)


def _apply(
    rule: Rule,
    candidate: Measured,
    incumbent: Measured | None,
    seed: int,
    proven: bool,
    loss: Loss | None = None,
) -> RuleResult:
    condition = CONDITIONS[rule.rule]
    if rule.unseen(candidate.names):
        return unmeasured(rule)
    ours = candidate.values.get(rule.metric, [])
    if rule.paired and incumbent is None and ours:
        why = "no champion yet: nothing to compare with"
        return _result(rule, None, "passed", why).model_copy(update={"family": rule.tested_with})
    theirs = None
    if rule.paired and incumbent is not None:
        theirs = incumbent.values.get(rule.metric, [])
    why_not = unfit(ours, theirs) if proven and rule.proves else None
    by: Bounds = "betting" if proven and rule.proves and not why_not else "bootstrap"
    metric = _measure(rule, ours, theirs, by, seed)
    if theirs is None:
        n, of = candidate.coverage.get(rule.metric, (metric.n, metric.of))
        metric = metric.model_copy(update={"n": n, "of": of})
    needs = condition.words.format(t=rule.threshold, m=-rule.threshold + 0.0)
    if metric.value is None or metric.low is None or metric.high is None:
        because = f" ({metric.reason})" if metric.reason else ""
        why = f"{rule.metric} has no value with an interval{because}, needs {needs} ({rule.rule})"
        return with_loss(_result(rule, metric, "inconclusive", why, by), loss)
    outcome = (
        condition.outcome(metric.low, metric.high, rule.threshold)
        if loss is None
        else loss.outcome(rule.alpha)
    )
    border = -rule.threshold if rule.rule == "no_regression" else rule.threshold
    enough = (
        settles_at(metric.value, metric.low, metric.high, border, metric.n)
        if outcome == "inconclusive"
        else None
    )
    what = "difference to the champion" if rule.paired else "value"
    sign = "+" if rule.paired else ""
    seen = (
        f"{rule.metric}: {what} {metric.value:{sign}.3f} [{metric.low:{sign}.3f}, "
        f"{metric.high:{sign}.3f}] on {metric.n} of {metric.of}"
    )
    said = {
        "passed": "",
        "failed": "; failed",
        "inconclusive": "; inconclusive"
        + ("" if enough is None else f", about {enough} prompts would settle it"),
    }[outcome]
    unproven = f"; by bootstrap, which is approximate: {why_not}" if why_not else ""
    if loss is not None:
        needs = loss.needs(rule.threshold, rule.alpha)
    reason = f"{seen}, {rule.rule} needs {needs}{said}{unproven}"
    return with_loss(_result(rule, metric, outcome, reason, by, enough), loss)


def with_loss(result: RuleResult, loss: Loss | None) -> RuleResult:
    """The result with what its family has to say of it, where it has one."""
    if loss is None:
        return result
    more = {"family": loss.family, "p": loss.p, "p_adjusted": loss.adjusted}
    return result.model_copy(update={**more, "detectable": loss.detectable})


def _measure(
    rule: Rule, ours: Sequence[Value], theirs: Sequence[Value] | None, by: Bounds, seed: int
) -> Metric:
    if by == "betting":
        if theirs is None:
            return proven_ratio(rule.metric, ours, len(ours), rule.alpha)
        return proven_difference(rule.metric, ours, theirs, rule.alpha)
    confidence, rounds = 1 - rule.alpha, rounds_for(rule.alpha)
    if theirs is None:
        return ratio_metric(rule.metric, ours, len(ours), "", seed, rounds, confidence)
    return paired_difference(
        rule.metric, ours, theirs, seed=seed, rounds=rounds, confidence=confidence
    )


def _result(
    rule: Rule,
    metric: Metric | None,
    outcome: Outcome,
    reason: str,
    by: Bounds | None = None,
    enough: int | None = None,
) -> RuleResult:
    return RuleResult(
        rule=rule.rule,
        metric=rule.metric,
        value=None if metric is None else metric.value,
        low=None if metric is None else metric.low,
        high=None if metric is None else metric.high,
        threshold=rule.threshold,
        passed=outcome in ("passed", "unmeasured"),
        n_used=0 if metric is None else metric.n,
        of=0 if metric is None else metric.of,
        reason=reason,
        outcome=outcome,
        settles_at=enough,
        bounds=by,
    )
