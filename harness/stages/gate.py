"""The gate of one iteration: its decision is made once and kept in gate.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.benchmark import Benchmark, named_metrics
from harness.attempts import attempt_number, settings_of
from harness.config import RunConfig
from harness.deciding import decided
from harness.families import fits
from harness.gate_config import Rule
from harness.hook import tell
from harness.lineage import GATE, promoted
from harness.run import Run
from results.errors import UsageError, did_you_mean
from results.files import read_model
from results.gate_records import Policy
from results.records import GateDecision, RuleResult
from results.store import write_json


def gate(run: Run, k: int, champion: int | None) -> GateDecision:
    """Decides on M_k against the iteration that is the champion (null: there is none yet)."""
    place = run.iteration(k)
    path = place / GATE
    if path.exists():
        return read_model(path, GateDecision)
    run.display.start(f"M{k}", "gate")
    n = attempt_number(run.folder, k)
    decision = decided(run.config, run.folder, k, n, place, champion)
    write_json(path, decision.model_dump())
    run.display.finish(f"M{k}", "gate", describe(decision))
    return decision


def check_rules(
    rules: Sequence[Rule],
    benchmark: Benchmark,
    baseline: bool,
    beside: Mapping[str, Benchmark] | None = None,
) -> None:
    """Refuses a rule that could never pass, because no benchmark of the run measures its metric.

    Args:
        rules: of the run.
        benchmark: the run's.
        baseline: whether there is an opponent for a win rate.
        beside: the benchmarks beside it, by the name that their metrics begin with.

    Raises:
        UsageError: names the rule, and the nearest metric.
    """
    beside = beside or {}
    known = named_metrics(benchmark, baseline, beside)
    for place, rule in enumerate(rules, 1):
        if rule.metric in known or (rule.stands_for_many and any(fits(rule, m) for m in known)):
            continue
        part = rule.metric.partition(".")[0]
        if rule.unseen(known) and part not in beside and not did_you_mean(part, beside):
            continue
        of = beside.get(part, benchmark)
        ours = [name for name in known if (part in beside) == name.startswith(f"{part}.")]
        if not baseline and rule.metric in named_metrics(benchmark, True, beside):
            mend = "needs a baseline, and evaluation.baseline is 'none'; set it to sft or m0"
        else:
            meant = did_you_mean(rule.metric, known)
            mend = f"is not one of benchmark {of.name!r}{meant} (it has {', '.join(ours)})"
            if part != rule.metric and part not in beside:
                mend += f", and evaluation.beside has no {part!r}"
        raise UsageError(f"gate rule {place} ({rule.rule}): metric {rule.metric!r} {mend}")


def stop(run: Run, k: int, result: RuleResult) -> GateDecision:
    """Ends the run before its gate because ``result`` did not pass; the hook is told where that is
    news. The same stop met again stays as it is.
    """
    n = attempt_number(run.folder, k)
    decision = ended(run.config, run.folder, n, result)
    path = run.iteration(k) / GATE
    there = read_model(path, GateDecision) if path.exists() else None
    if there is None or (there.decision == "stop" and there != decision):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, decision.model_dump())
        tell(run.config.gate.on_gate, path, run.display)
    return decision


def ended(config: RunConfig, folder: Path, n: int, result: RuleResult) -> GateDecision:
    """The decision that ends a run before the gate of attempt ``n`` because of ``result``."""
    stands = promoted(folder)
    return GateDecision(
        decision="stop", rules=[result], attempt=n, changes=settings_of(config, n),
        policy=Policy(then="end", champion=None if stands is None else f"M{stands}"),
    )  # fmt: skip


def describe(decision: GateDecision) -> str:
    """The decision, with the value, interval and threshold of every rule that did not pass."""
    failed = [r for r in decision.rules if not r.passed]
    unseen = decision.unmeasured
    of = len(decision.rules) - len(unseen)
    more = f"; NOT EVALUATED: {', '.join(unseen)}" if unseen else ""
    if failed:
        return f"{decision.decision}: " + "; ".join(r.reason for r in failed) + more
    return f"{decision.decision} ({of} of {of} rules passed{more})"
