"""Gate rules on any metric with its interval, and the decision that follows from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.gate_config import Rule
from results.errors import SrlmError
from results.files import read_model
from results.records import Evaluated, GateDecision, Metric, RuleResult, Value
from results.stats import paired_difference, ratio_metric
from results.store import RecordFile


@dataclass(frozen=True)
class Measured:
    """One model's per-prompt values by metric, and each metric's coverage (``n`` of ``of``)."""

    values: dict[str, list[Value]]
    coverage: dict[str, tuple[int, int]] = field(default_factory=dict)

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
           seed: int) -> GateDecision:  # fmt: skip
    """Promotes when every rule passes, holds otherwise. ``incumbent`` null: there is no champion
    yet, and rules about a difference to it pass.
    """
    results = [_apply(rule, candidate, incumbent, seed) for rule in rules]
    passed = all(result.passed for result in results)
    return GateDecision(decision="promote" if passed else "hold", rules=results)


@dataclass(frozen=True)
class Condition:
    """How one kind of rule reads a metric: ``paired`` with the champion or alone, the test on the
    interval, and the test in words.
    """

    paired: bool
    holds: Callable[[float, float, float], bool]
    words: str


CONDITIONS: dict[str, Condition] = {
    "min": Condition(False, lambda low, high, t: low >= t, "low >= {t:g}"),
    "max": Condition(False, lambda low, high, t: high <= t, "high <= {t:g}"),
    "improves": Condition(True, lambda low, high, t: low > t, "low of the difference > {t:g}"),
    "no_regression": Condition(
        True, lambda low, high, t: not high < -t, "high of the difference >= {m:g}"
    ),
}


def _apply(rule: Rule, candidate: Measured, incumbent: Measured | None, seed: int) -> RuleResult:
    condition = CONDITIONS[rule.rule]
    ours = candidate.values.get(rule.metric, [])
    if condition.paired and incumbent is None and ours:
        return _result(rule, None, True, "no champion yet: nothing to compare with")
    confidence = 1 - rule.alpha
    if condition.paired and incumbent is not None:
        theirs = incumbent.values.get(rule.metric, [])
        metric = paired_difference(rule.metric, ours, theirs, seed=seed, confidence=confidence)
    else:
        metric = ratio_metric(rule.metric, ours, len(ours), "", seed, confidence=confidence)
        n, of = candidate.coverage.get(rule.metric, (metric.n, metric.of))
        metric = metric.model_copy(update={"n": n, "of": of})
    needs = condition.words.format(t=rule.threshold, m=-rule.threshold + 0.0)
    if metric.value is None or metric.low is None or metric.high is None:
        because = f" ({metric.reason})" if metric.reason else ""
        why = f"{rule.metric} has no value with an interval{because}, needs {needs} ({rule.rule})"
        return _result(rule, metric, False, why)
    passed = condition.holds(metric.low, metric.high, rule.threshold)
    what = "difference to the champion" if condition.paired else "value"
    sign = "+" if condition.paired else ""
    seen = (
        f"{rule.metric}: {what} {metric.value:{sign}.3f} [{metric.low:{sign}.3f}, "
        f"{metric.high:{sign}.3f}] on {metric.n} of {metric.of}"
    )
    return _result(rule, metric, passed, f"{seen}, {rule.rule} needs {needs}")


def _result(rule: Rule, metric: Metric | None, passed: bool, reason: str) -> RuleResult:
    return RuleResult(
        rule=rule.rule,
        metric=rule.metric,
        value=None if metric is None else metric.value,
        low=None if metric is None else metric.low,
        high=None if metric is None else metric.high,
        threshold=rule.threshold,
        passed=passed,
        n_used=0 if metric is None else metric.n,
        of=0 if metric is None else metric.of,
        reason=reason,
    )
