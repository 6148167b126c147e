"""A gate on a live evaluation: prompts are asked a few at a time, in random order, until its rules
are decided. Calls that are not needed for that are not made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.benchmark import Benchmark, Drawable
from harness.display import Display
from harness.evaluating import Task, opened, take
from harness.failed_calls import reopen_failed
from harness.families import refuse_families
from harness.gate_config import Rule
from harness.gate_files import predictions, result
from harness.gate_inputs import Given, check_metric
from harness.gates import no_champion, unmeasured, verdict
from harness.stages.evaluation import VALUES
from harness.stages.gate import describe
from results.errors import SrlmError, UsageError
from results.files import file_sha256
from results.gate_records import AppliedRule, GateInputs
from results.records import GateDecision, RuleResult, Unscored, Value
from results.sequential import Sequential, drawing_order
from results.store import RecordFile, write_json
from results.weights import text_hash

FOLDER = "drawn"  # within the evaluation's: one folder for each step of each seed
UNSCORED = "unscored_rate"  # the metric that says so of each prompt, where there is one
GATE = "gate-{}.json"  # one for each set of rules and files


@dataclass(frozen=True)
class Asked:
    """What is to be decided.

    Args:
        rules: of the gate.
        incumbent: the champion's values of all prompts, null where no rule is paired.
        predictors: of the model's values, each fixed before the order was.
        seed: of the order; fixed before anything is seen.
        step: prompts asked between two looks.
    """

    rules: Sequence[Rule]
    incumbent: Given | None
    predictors: Sequence[Given]
    seed: int
    step: int


class Ruling:
    """One rule, fed with the values of prompts as they are drawn.

    A prompt without a value (an unscored judgment) counts as 0, as 1, and as if it were left out,
    as the whole evaluation leaves it out: what is certain is what all three say. To leave a prompt
    out is to count it at the threshold, which moves the mean to neither side; of a paired rule that
    may lie outside of 0..1, and then nothing is certain before the whole evaluation.
    """

    def __init__(self, rule: Rule, asked: Asked, ids: Sequence[str]) -> None:
        self.rule = rule
        self.theirs: Mapping[str, Value] | None = None
        if rule.paired:
            assert asked.incumbent is not None
            self.theirs = asked.incumbent.values(rule.metric)
        self.order = [i for i in ids if self.theirs is None or i in self.theirs]
        self.left_out = len(ids) - len(self.order)
        known = None if self.theirs is None else [self.theirs[i].num for i in self.order]
        tables = [given.values(rule.metric) for given in asked.predictors]
        foretold = predictions(tables, self.order, asked.predictors)
        self.worst, self.best, self.without = (
            Sequential(rule.rule, rule.threshold, len(self.order), rule.alpha, known, foretold)
            for _ in range(3)
        )
        self.unscored = 0
        self.open = False  # a prompt could not be left out

    @property
    def over(self) -> bool:
        """Whether more values change nothing: all are decided, or two of them not alike."""
        decided = set(self._outcomes) - {None}
        return self.open or len(decided) > 1 or None not in self._outcomes

    @property
    def agreed(self) -> bool:
        """Whether it is decided, whatever the unscored prompts would have been."""
        return not self.open and self.worst.outcome is not None and len(set(self._outcomes)) == 1

    @property
    def _outcomes(self) -> list[str | None]:
        return [self.worst.outcome, self.best.outcome, self.without.outcome]

    def add(self, ids: Sequence[str], values: Mapping[str, Value]) -> None:
        """Takes the prompts that were drawn, in their order, with the values that they have."""
        for name in ids:
            if self.over:
                return
            if self.theirs is not None and name not in self.theirs:
                continue
            value = values.get(name)
            if value is not None:
                for counting in (self.worst, self.best, self.without):
                    counting.add([value.num])
                continue
            self.unscored += 1
            loss = -1 if self.rule.rule == "no_regression" else 1
            border = loss * self.rule.threshold + (self.theirs[name].num if self.theirs else 0.0)
            self.open |= not 0 <= border <= 1
            self.worst.add([0.0])
            self.best.add([1.0])
            self.without.add([min(max(border, 0.0), 1.0)])

    def result(self) -> RuleResult:
        """What the rule says now. With unscored prompts the bounds are the outermost ones."""
        found = result(self.rule, self.worst, self.left_out)
        if not self.unscored:
            return found
        other = result(self.rule, self.best, self.left_out)
        return found.model_copy(
            update={
                "low": min(self.worst.low, self.best.low),
                "high": max(self.worst.high, self.best.high),
                "n_used": max(found.n_used, other.n_used),
                "passed": self.agreed and found.passed,
                "outcome": found.outcome if self.agreed else "inconclusive",
                "reason": f"{found.reason}; {self.unscored} unscored, counted as 0 here, as 1, and "
                + ("left out: all say the same" if self.agreed else "left out: not decided alike")
                + ("" if self.agreed or not self.over else "; evaluate it whole to leave them out"),
            }
        )


class _Once:
    """Tells each note once: every step of a drawing is a small evaluation that has the same."""

    def __init__(self, display: Display) -> None:
        self.display = display
        self.told: set[str] = set()

    def __call__(self, line: str) -> None:
        if line not in self.told:
            self.told.add(line)
            self.display.note(line)


def draw(task: Task, asked: Asked, folder: Path, display: Display) -> tuple[GateDecision, Unscored]:
    """Asks and judges until every rule is decided, and keeps all of it in ``folder/drawn``; returns
    what was decided, and how many of the prompts that were drawn are unscored.

    The calls are those of the whole evaluation: ``evaluate`` in the same folder completes it, and
    what was drawn is not asked again. The same again reads what is there.
    """
    benchmark = task.benchmark
    check(benchmark, asked)
    assert isinstance(benchmark, Drawable)
    ids = drawing_order(benchmark.prompt_ids(), asked.seed)
    unseen = [rule for rule in asked.rules if rule.unseen(benchmark.metrics(True))]
    rulings = [Ruling(rule, asked, ids) for rule in asked.rules if rule not in unseen]
    needed = {name for ruling in rulings for name in ruling.order}
    ids = [name for name in ids if name in needed]
    place = folder / FOLDER / f"seed-{asked.seed}"
    missing = Unscored()
    take(task, folder, display)
    if again := sum(map(reopen_failed, sorted(place.glob("*-*")))):
        display.note(f"{again} calls that failed are made again")
    with opened(task, folder, display) as (model, judge):
        display.start(task.config.name, "gate")
        once = _Once(display)
        model = replace(model, on_note=once)
        if judge is not None:
            judge = replace(judge, caller=replace(judge.caller, on_note=once))
        for begin in range(0, len(ids), asked.step):
            if all(ruling.over for ruling in rulings):
                break
            drawn = ids[begin : begin + asked.step]
            # By its prompts: another incumbent or step draws others at the same place.
            step = place / f"{begin:06}-{text_hash(drawn)[:8]}"
            file = RecordFile(step / VALUES, Value)
            if not file.done:
                opponent, seed = task.opponent.folder, task.config.seed
                file.replace(benchmark.draw(drawn, model, judge, opponent, step, seed))
            by_metric: dict[str, dict[str, Value]] = {}
            for value in file.read():
                by_metric.setdefault(value.metric, {})[value.prompt_id] = value
            if begin == 0:
                _refuse_without_values([ruling.rule for ruling in rulings], by_metric)
            without = by_metric.get(UNSCORED, {}).values()
            missing = Unscored(
                n=missing.n + sum(value.num > 0 for value in without), of=missing.of + len(without)
            )
            for ruling in rulings:
                ruling.add(drawn, by_metric.get(ruling.rule.metric, {}))
    inputs = _inputs(asked, place)
    decision = verdict([*(ruling.result() for ruling in rulings), *map(unmeasured, unseen)])
    decision = decision.model_copy(update={"inputs": inputs})
    name = GATE.format(text_hash(inputs.model_dump())[:8])
    write_json(place / name, decision.model_dump())
    display.finish(task.config.name, "gate", describe(decision))
    return decision, missing


def _refuse_without_values(rules: Sequence[Rule], found: Mapping[str, object]) -> None:
    """Ends a drawing whose first prompts have no value of a rule's metric, though of another: a
    judge without log-probabilities gives verdicts alone, and no further prompt will change that.
    """
    for place, rule in enumerate(rules, 1):
        if rule.metric not in found and found:
            raise SrlmError(
                f"--rules: gate rule {place} ({rule.rule}): the judge gives no {rule.metric}, only "
                f"{', '.join(sorted(found))}; write a rule on one of these"
            )


def _inputs(asked: Asked, place: Path) -> GateInputs:
    """What was decided on: the values that were drawn, and the files that were compared with."""
    files = {f"candidate/{p.parent.name}": p for p in sorted(place.glob(f"*-*/{VALUES}"))}
    given = [*([asked.incumbent] if asked.incumbent else []), *asked.predictors]
    for at, one in enumerate(given):
        path = one.path / VALUES if one.path.is_dir() else one.path
        files["incumbent" if asked.incumbent and at == 0 else f"predictor/{at}"] = path
    return GateInputs(
        candidate=".",
        incumbent=None if asked.incumbent is None else str(asked.incumbent.path),
        sha256={name: file_sha256(path) for name, path in files.items()},
        seed=asked.seed,
        rules=[AppliedRule(**rule.model_dump()) for rule in asked.rules],
    )


def check(benchmark: Benchmark, asked: Asked) -> None:
    """Refuses what could not be decided prompt by prompt, before anything is paid.

    Raises:
        UsageError: names the rule or the file.
    """
    if not isinstance(benchmark, Drawable):
        raise UsageError(
            f"--rules: benchmark {benchmark.name!r} cannot be asked a few prompts at a time; "
            "evaluate it whole, then srlm gate --sequential reads as much as it needs"
        )
    why = "a family is decided on all prompts; evaluate it whole, or leave family out"
    refuse_families(asked.rules, why)
    drawable = benchmark.drawn_metrics()
    for place, rule in enumerate(asked.rules, 1):
        if rule.unseen(benchmark.metrics(True)):
            continue
        if rule.metric not in drawable:
            raise UsageError(
                f"--rules: gate rule {place} ({rule.rule}): {rule.metric!r} is not decided prompt "
                f"by prompt; benchmark {benchmark.name!r} has {', '.join(drawable)}"
            )
        if rule.paired:
            if asked.incumbent is None:
                raise no_champion(place, rule, " FILE")
            check_metric(asked.incumbent, rule.metric, place)
            if not asked.incumbent.values(rule.metric).keys() & set(benchmark.prompt_ids()):
                raise UsageError(
                    f"--incumbent {asked.incumbent.path}: has a value of {rule.metric} for none of "
                    "the prompts; give its evaluation folder of this benchmark"
                )
