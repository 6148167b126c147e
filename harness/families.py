"""Rules that are tested together: each ``no_regression`` has a p-value, and Holm's step-down over
those of one family keeps their one alpha, so that many tasks raise no more false holds than one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from harness.gate_config import Rule
from results.errors import UsageError
from results.figures import rise_is_gain
from results.paired_tests import holm, paired_test
from results.records import Outcome, Value


class LossTest(Protocol):
    """A test of "nothing more than the threshold was lost"."""

    @property
    def p_loss(self) -> float:
        """Its p-value."""
        ...

    def least_drop(self, alpha: float) -> float | None:
        """The smallest true drop that it finds at ``alpha`` with 80 % power; null: none."""
        ...


@dataclass(frozen=True)
class Loss:
    """What a rule of a family has seen.

    Attributes:
        family: its name.
        of: rules in the family.
        p: of "nothing more than the threshold was lost".
        adjusted: the same for the whole family.
        test: where both are from; null where there was nothing to test.
        share: of alpha: enough for a finding, whatever the others of the family say.
    """

    family: str
    of: int
    p: float
    adjusted: float
    test: LossTest | None
    share: float

    @property
    def detectable(self) -> float | None:
        """The smallest true drop that would have been found with 80 % power though it were the only
        one; null where none would be.
        """
        return None if self.test is None else self.test.least_drop(self.share)

    def outcome(self, alpha: float) -> Outcome:
        """Nothing is inconclusive: it passes unless a loss is proven."""
        return "failed" if self.adjusted <= alpha else "passed"

    def needs(self, threshold: float, alpha: float) -> str:
        """The test and what it found, in words."""
        above = f" above {threshold:g}" if threshold else ""
        seen = (
            "no drop would have been seen" if self.detectable is None
            else f"a drop of {self.detectable:.3f} would have been seen with 80 % power"
        )  # fmt: skip
        return (
            f"no proven loss{above}: p {self.p:.3g}, {self.adjusted:.3g} with all {self.of} of "
            f"family {self.family} (alpha {alpha:g}); {seen}"
        )


def expanded(rules: Sequence[Rule], names: Iterable[str]) -> list[Rule]:
    """The rules, each that stands for many metrics replaced by one for each of ``names`` that it
    fits and whose rise is a gain. One that fits none stays, and has no value to pass with. A metric
    that its family names beside it is left to that rule, which may accept another loss.
    """
    found: list[Rule] = []
    known = sorted(set(names))
    for rule in rules:
        own = (
            {r.metric for r in rules if r.tested_with == rule.tested_with}
            if rule.stands_for_many else set()
        )  # fmt: skip
        fitting = [name for name in known if fits(rule, name)] if rule.stands_for_many else []
        if not fitting:
            found.append(rule)
        found += [
            rule.model_copy(update={"metric": name, "family": rule.tested_with})
            for name in fitting
            if name not in own
        ]
    return found


def fits(rule: Rule, metric: str) -> bool:
    """Whether a rule that stands for many metrics is about this one."""
    return metric.startswith(rule.metric.removesuffix("*")) and rise_is_gain(metric)


def losses(rules: Sequence[Rule], candidate: Mapping[str, Sequence[Value]],
           incumbent: Mapping[str, Sequence[Value]], seed: int) -> dict[int, Loss]:  # fmt: skip
    """What the rules that have a family have seen, by their place among ``rules``.

    Args:
        rules: expanded.
        candidate: values by metric.
        incumbent: likewise. A rule without values of both has no loss to show (p = 1).
        seed: of sign flips, where values are not right or wrong.
    """
    tests = {
        place: paired_test(
            rule.metric, candidate.get(rule.metric, []), incumbent.get(rule.metric, []),
            rule.threshold, seed,
        )
        for place, rule in enumerate(rules)
        if rule.tested_with is not None and not rule.unseen(candidate)
    }  # fmt: skip
    return tested_together(rules, tests)


def tested_together(rules: Sequence[Rule], tests: Mapping[int, LossTest | None]) -> dict[int, Loss]:
    """Holm's step-down within each family; ``tests`` by place, null where there was none."""
    families: dict[str, list[int]] = {}
    for place in tests:
        families.setdefault(rules[place].tested_with or "", []).append(place)
    found: dict[int, Loss] = {}
    for name, members in families.items():
        asked = [tests[place] for place in members]
        ps = [1.0 if test is None else test.p_loss for test in asked]
        for place, test, p, adjusted in zip(members, asked, ps, holm(ps), strict=True):
            share = rules[place].alpha / len(members)  # what Holm's first step asks for
            found[place] = Loss(name, len(members), p, adjusted, test, share)
    return found


def refuse_families(rules: Sequence[Rule], why: str) -> None:
    """UsageError for the first rule that has a family, where only single rules can be decided."""
    for place, rule in enumerate(rules, 1):
        if rule.tested_with is not None:
            raise UsageError(f"gate rule {place} ({rule.rule} of {rule.metric}): {why}")
