"""One error rate for a whole run: how ``gate.alpha`` is shared, all of it known before the start.

Alpha spending in its plainest form. The total is shared equally among the iterations whose gate can
promote wrongly: M2 to the last one, and M1 where a rule of it needs no champion. An iteration's
share is shared equally among its attempts, the first and its retries; M1 has one. The union bound
then holds for all decisions of the run together, whatever their dependence and whichever of them
are made: a rule that passes on proof alone is decided by bounds that keep their share whatever the
values are (``results.proven``). The rules of one gate need no further split: all must pass, so that
it promotes wrongly only where the one rule that is not true passes (the intersection-union test:
Berger 1982, Multiparameter hypothesis testing and acceptance sampling, Technometrics 24, 295-300).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.config import RunConfig
from harness.gate_config import Rule
from results.errors import UsageError
from results.gate_records import AlphaSpent


@dataclass(frozen=True)
class ErrorBudget:
    """``total`` for ``iterations`` of ``attempts`` each; ``first``: M1 is one of them."""

    total: float
    iterations: int
    attempts: int
    first: bool

    def share(self, k: int) -> float:
        """What one attempt at M_k may spend."""
        return self.total * (self._units(k) / self._all)

    def rules(self, rules: list[Rule], k: int) -> list[Rule]:
        """The rules as the gate of M_k applies them: those that pass on proof alone at the share of
        the attempt, and never at more than their own alpha.
        """
        share = self.share(k)
        return [
            rule.model_copy(update={"alpha": min(rule.alpha, share)})
            if rule.proves and share
            else rule
            for rule in rules
        ]

    def spent(self, made: Mapping[int, int], k: int) -> AlphaSpent:
        """The account after a decision on M_k. ``made``: how many attempts each iteration has had
        up to it; what an iteration did not need is not passed on.
        """
        used = sum(self._units(j) * n for j, n in made.items()) / self._all
        spent, left = self.total * used, self.total * max(1 - used, 0.0)
        return AlphaSpent(total=self.total, share=self.share(k), spent=spent, left=left)

    @property
    def _all(self) -> int:
        return self.iterations * self.attempts

    def _units(self, k: int) -> int:
        """Attempts of M2 and later are a unit each; M1's only one has all of its iteration."""
        return 1 if k > 1 else self.attempts if self.first else 0


def error_budget(config: RunConfig) -> ErrorBudget | None:
    """The budget of a run; null where ``gate.alpha`` is not set.

    Raises:
        UsageError: nothing can be promoted wrongly.
    """
    gate = config.gate
    if gate.alpha is None:
        return None
    first = any(rule.proves and not rule.paired for rule in gate.rules)
    iterations = config.iterations - (0 if first else 1)
    if not iterations:
        raise UsageError(
            "gate.alpha: with iterations: 1 there is no champion to be better than and no rule min "
            "or max: nothing can be promoted wrongly; leave it out"
        )
    return ErrorBudget(gate.alpha, iterations, 1 + gate.retries, first)
