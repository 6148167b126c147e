"""The gate of one iteration: its decision is made once and kept in gate.json."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.benchmark import Benchmark
from harness.gate_config import Rule
from harness.gates import Measured, decide
from harness.run import Run
from results.errors import UsageError, did_you_mean
from results.files import read_model
from results.records import GateDecision, RuleResult
from results.store import write_json


def gate(
    run: Run, k: int, champion: Path | None, alarms: Sequence[RuleResult] = ()
) -> GateDecision:
    """Decides on M_k against the champion's evaluation folder (null: there is none yet).

    ``alarms`` that fired and are set to hold are rules that did not pass, beside those of the gate.
    """
    path = run.iteration(k) / "gate.json"
    if path.exists():
        return read_model(path, GateDecision)
    run.display.start(f"M{k}", "gate")
    candidate = Measured.read(run.iteration(k) / "evaluation")
    incumbent = None if champion is None else Measured.read(champion)
    decision = decide(run.config.gate.rules, candidate, incumbent, run.config.seed)
    if alarms:
        decision = GateDecision(decision="hold", rules=[*decision.rules, *alarms])
    write_json(path, decision.model_dump())
    run.display.finish(f"M{k}", "gate", describe(decision))
    return decision


def check_rules(rules: Sequence[Rule], benchmark: Benchmark, baseline: bool) -> None:
    """Refuses a rule that could never pass, because the benchmark does not measure its metric.

    Args:
        rules: of the run.
        benchmark: the run's.
        baseline: whether there is an opponent for a win rate.

    Raises:
        UsageError: names the rule, and the nearest metric.
    """
    known = benchmark.metrics(baseline)
    for place, rule in enumerate(rules, 1):
        if rule.metric in known:
            continue
        if not baseline and rule.metric in benchmark.metrics(True):
            mend = "needs a baseline, and evaluation.baseline is 'none'; set it to sft or m0"
        else:
            meant = did_you_mean(rule.metric, known)
            mend = f"is not one of benchmark {benchmark.name!r}{meant} (it has {', '.join(known)})"
        raise UsageError(f"gate rule {place} ({rule.rule}): metric {rule.metric!r} {mend}")


def stop(run: Run, k: int, result: RuleResult) -> GateDecision:
    """Ends the run before training because ``result`` did not pass."""
    decision = GateDecision(decision="stop", rules=[result])
    path = run.iteration(k) / "gate.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, decision.model_dump())
    return decision


def describe(decision: GateDecision) -> str:
    """The decision, with the value, interval and threshold of every rule that did not pass."""
    failed = [r for r in decision.rules if not r.passed]
    if not failed:
        return f"{decision.decision} ({len(decision.rules)} of {len(decision.rules)} rules passed)"
    return f"{decision.decision}: " + "; ".join(r.reason for r in failed)
