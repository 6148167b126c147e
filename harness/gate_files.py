"""Decides on figures from files: by the interval, or value by value in random order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.families import expanded, refuse_families
from harness.gate_config import Rule
from harness.gate_inputs import Given, check_metric, same_question
from harness.gates import CONDITIONS, decide, no_champion, unmeasured, verdict
from results.errors import UsageError
from results.records import GateDecision, RuleResult, Value
from results.sequential import Sequential, drawing_order

TWO_INTERVALS = "from the intervals of both; their values per prompt would say more"


def decide_given(rules: Sequence[Rule], candidate: Given, incumbent: Given | None,
                 seed: int) -> GateDecision:  # fmt: skip
    """Every rule on all that was given; ``seed`` is of the bootstrap."""
    names = [name for side in (candidate, incumbent) if side is not None for name in side.names]
    rules = expanded(rules, names)
    _check(rules, candidate, incumbent)
    ours, theirs = candidate.measured, None if incumbent is None else incumbent.measured
    if ours is not None and (incumbent is None or theirs is not None):
        return decide(rules, ours, theirs, seed)
    refuse_families(
        rules, "a family needs values per prompt of both models; give evaluation folders"
    )
    results = []
    for rule in rules:
        paired = rule.paired
        if rule.unseen(candidate.names):
            results.append(unmeasured(rule))
        elif ours is None or (paired and theirs is None):
            results.append(_by_interval(rule, candidate, incumbent))
        else:
            results += decide([rule], ours, theirs, seed).rules
    return verdict(results)


def decide_sequentially(
    rules: Sequence[Rule],
    candidate: Given,
    incumbent: Given | None,
    predictors: Sequence[Given],
    seed: int,
    at_most: int | None = None,
) -> GateDecision:
    """Reads values in random order until every rule is decided.

    All rules must pass, so a false promotion needs that a rule that would fail passes: each has
    its whole alpha (intersection-union test; Berger 1982, Technometrics 24).

    Args:
        rules: of the gate.
        candidate: with values per prompt.
        incumbent: likewise, all of its values known beforehand; null where no rule is paired.
        predictors: of the candidate's values, each fixed before the order was; their mean counts.
        seed: of the order.
        at_most: values to read; a rule that is open then is inconclusive. Null: all there are.
    """
    refuse_families(rules, "a family is decided on all values; leave out --sequential, or family")
    _check(rules, candidate, incumbent)
    for given in (candidate, incumbent, *predictors):
        if given is not None and given.measured is None:
            raise UsageError(
                f"{given.path}: has no values per prompt, which --sequential reads; give an "
                "evaluation folder, annotations or JSON Lines"
            )
    for given in predictors:
        for place, rule in enumerate(rules, 1):
            if not rule.unseen(candidate.names):
                check_metric(given, rule.metric, place)
    return verdict(
        [
            unmeasured(rule)
            if rule.unseen(candidate.names)
            else _sequential(rule, candidate, incumbent, predictors, seed, at_most)
            for rule in rules
        ]
    )


def _check(rules: Sequence[Rule], candidate: Given, incumbent: Given | None) -> None:
    if incumbent is not None:
        same_question(candidate, incumbent)
    for place, rule in enumerate(rules, 1):
        if rule.unseen(candidate.names):
            continue
        check_metric(candidate, rule.metric, place)
        if not rule.paired:
            continue
        if incumbent is None:
            raise no_champion(place, rule, " FILE")
        check_metric(incumbent, rule.metric, place)
        ours, theirs = candidate.values(rule.metric), incumbent.values(rule.metric)
        if ours and theirs and not ours.keys() & theirs.keys():
            raise UsageError(
                f"{incumbent.path}: none of its {len(theirs)} prompts is among the "
                f"{len(ours)} of {candidate.path}; evaluate both on the same prompts"
            )


def _by_interval(rule: Rule, candidate: Given, incumbent: Given | None) -> RuleResult:
    """A rule on aggregates alone: an interval that is as sure as the rule asks, or no decision."""
    condition = CONDITIONS[rule.rule]
    needs = condition.words.format(t=rule.threshold, m=-rule.threshold + 0.0)
    metric = candidate.metrics.get(rule.metric)
    sides = [(candidate, metric)]
    if rule.paired and incumbent is not None:
        sides.append((incumbent, incumbent.metrics.get(rule.metric)))
    for given, side in sides:
        why = None
        if side is None or side.value is None or side.low is None or side.high is None:
            why = f"has no interval in {given.path.name}"
        elif side.confidence < 1 - rule.alpha - 1e-9:
            why = (
                f"has an interval of {side.confidence:g} confidence in {given.path.name}, alpha "
                f"{rule.alpha:g} asks for {1 - rule.alpha:g}"
            )
        if why:
            return RuleResult(
                rule=rule.rule, metric=rule.metric, value=None, low=None, high=None,
                threshold=rule.threshold, passed=False, n_used=0,
                of=0 if metric is None else metric.of,
                reason=f"{rule.metric} {why}; needs {needs} ({rule.rule})",
                outcome="inconclusive",
            )  # fmt: skip
    assert metric is not None and metric.value is not None
    assert metric.low is not None and metric.high is not None
    value, low, high, how = metric.value, metric.low, metric.high, "by its interval"
    if len(sides) == 2:
        other = sides[1][1]
        assert other is not None and other.value is not None
        assert other.low is not None and other.high is not None
        value, low, high = value - other.value, low - other.high, high - other.low
        how = TWO_INTERVALS
    outcome = condition.outcome(low, high, rule.threshold)
    return RuleResult(
        rule=rule.rule, metric=rule.metric, value=value, low=low, high=high,
        threshold=rule.threshold, passed=outcome == "passed", n_used=metric.n, of=metric.of,
        reason=f"{rule.metric}: {value:.3f} [{low:.3f}, {high:.3f}] on {metric.n} of {metric.of}, "
        f"{rule.rule} needs {needs}; {how}",
        outcome=outcome,
    )  # fmt: skip


def _sequential(
    rule: Rule,
    candidate: Given,
    incumbent: Given | None,
    predictors: Sequence[Given],
    seed: int,
    at_most: int | None,
) -> RuleResult:
    ours = candidate.values(rule.metric)
    theirs = None
    if rule.paired and incumbent is not None:
        theirs = incumbent.values(rule.metric)
        ours = {name: value for name, value in ours.items() if name in theirs}
    unfit = _unfit([*ours.values(), *(theirs or {}).values()])
    if unfit:
        assert candidate.measured is not None
        before = None if incumbent is None else incumbent.measured
        found = decide([rule], candidate.measured, before, seed).rules[0]
        return found.model_copy(update={"reason": f"{found.reason}; read in full: {unfit}"})
    order = drawing_order(ours, seed)
    sequential = Sequential(
        rule.rule,
        rule.threshold,
        len(order),
        rule.alpha,
        None if theirs is None else [theirs[name].num for name in order],
        predictions([given.values(rule.metric) for given in predictors], order, predictors),
    )
    sequential.add(ours[name].num for name in order[:at_most])
    return result(rule, sequential, left_out=len(candidate.values(rule.metric)) - len(ours))


def result(rule: Rule, sequential: Sequential, left_out: int = 0) -> RuleResult:
    """What a rule that was read sequentially says, decided or not.

    Args:
        rule: as the rules file has it.
        sequential: its test, with the values so far.
        left_out: prompts of the candidate that the incumbent has no value of.
    """
    n, of, outcome = sequential.n_used, sequential.size, sequential.outcome
    value, low, high = sequential.value, sequential.low, sequential.high
    paired = rule.paired
    sign = "+" if paired else ""
    shown = "no value read" if value is None else f"{value:{sign}.3f}"
    seen = (
        f"{rule.metric}: {'difference to the champion' if paired else 'value'} {shown} "
        f"[{low:{sign}.3f}, {high:{sign}.3f}] on {n} of {of}"
    )
    asked = f"{rule.rule} {rule.threshold:g} at alpha {rule.alpha:g}"
    if outcome is None:
        about = sequential.settles_at
        said = (
            f"is not decided; about {about} of {of} would settle it" if about else "is not decided"
        )
    else:
        said = outcome + (", exactly" if n == of else ", sequential")
    more = f"; {left_out} prompts without a value of the champion left out" if left_out else ""
    return RuleResult(
        rule=rule.rule,
        metric=rule.metric,
        value=value,
        low=low,
        high=high,
        threshold=rule.threshold,
        passed=outcome == "passed",
        n_used=n,
        of=of,
        reason=f"{seen}: {asked} {said}{more}",
        outcome=outcome or "inconclusive",
        sequential=True,
        settles_at=sequential.settles_at,
    )


def _unfit(values: Sequence[Value]) -> str | None:
    """Why values cannot be read one by one; null where they can."""
    if any(value.den != 1 for value in values):
        return "its prompts do not weigh the same"
    if any(not 0 <= value.num <= 1 for value in values):
        return "its values do not lie in 0..1"
    return None


def predictions(
    tables: Sequence[Mapping[str, Value]], order: Sequence[str], predictors: Sequence[Given]
) -> list[float] | None:
    """The mean prediction of each prompt in ``order``; where there is none, their mean."""
    if not tables:
        return None
    for table, given in zip(tables, predictors, strict=True):
        if not table.keys() & set(order):
            raise UsageError(f"{given.path}: predicts none of the {len(order)} prompts")
        wrong = _unfit(list(table.values()))
        if wrong:
            raise UsageError(f"{given.path}: is no predictor: {wrong}")
    means = {}
    for name in order:
        found = [table[name].num for table in tables if name in table]
        if found:
            means[name] = sum(found) / len(found)
    usual = sum(means.values()) / len(means)
    return [means.get(name, usual) for name in order]
