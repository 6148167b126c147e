"""The run's error rate: how it is shared, what is spent, and that null runs keep it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.config import RunConfig
from harness.error_budget import error_budget
from harness.gate_config import Gate, Rule
from harness.gates import MOST_ROUNDS, rounds_for
from harness.recipe import load_recipe
from results.errors import UsageError

MIN = {"metric": "m", "rule": "min", "threshold": 0.5}
BETTER = {"metric": "m", "rule": "improves"}
NO_WORSE = {"metric": "m", "rule": "no_regression"}


def config(iterations: int, retries: int, rules: list[dict[str, Any]], alpha: float) -> RunConfig:
    gate: dict[str, Any] = {"rules": rules, "file": None, "alpha": alpha}
    if retries:
        change = [{"dpo.settings.learning_rate": {"times": 0.5}}]
        gate |= {"on_hold": "retry", "retries": retries, "changes": change}
    base = load_recipe("quickstart", []).config.model_dump()
    return RunConfig.model_validate({**base, "iterations": iterations, "gate": gate})


@given(
    st.integers(2, 12), st.integers(0, 5), st.lists(st.sampled_from([MIN, BETTER, NO_WORSE])),
    st.floats(0.01, 0.5), st.data(),
)  # fmt: skip
def test_whatever_happens_no_more_is_spent_than_there_is(k, retries, more, alpha, data) -> None:
    budget = error_budget(config(k, retries, [BETTER, *more], alpha))
    assert budget is not None
    made: dict[int, int] = {}
    total, before = 0.0, 0.0
    for j in range(1, k + 1):
        for n in range(1, 2 if j == 1 else data.draw(st.integers(2, retries + 2))):
            made[j] = n
            account = budget.spent(made, j)
            total += account.share
            assert account.spent == pytest.approx(total)
            assert account.spent + account.left == pytest.approx(alpha)
            assert before <= account.spent <= alpha * (1 + 1e-12) and account.left >= 0
            before = account.spent
    most = budget.spent({j: 1 if j == 1 else retries + 1 for j in range(1, k + 1)}, k)
    assert most.spent == pytest.approx(alpha) and most.left == pytest.approx(0)


def test_m1_has_a_share_where_a_rule_of_it_needs_no_champion() -> None:
    with_min = error_budget(config(3, 1, [MIN, BETTER], 0.06))
    assert [with_min.share(k) for k in (1, 2, 3)] == pytest.approx([0.02, 0.01, 0.01])
    without = error_budget(config(3, 1, [BETTER, NO_WORSE], 0.06))
    assert [without.share(k) for k in (1, 2, 3)] == pytest.approx([0.0, 0.015, 0.015])
    assert error_budget(config(1, 0, [MIN], 0.05)).share(1) == 0.05
    with pytest.raises(UsageError, match="iterations: 1 there is no champion"):
        error_budget(config(1, 0, [BETTER], 0.05))
    assert error_budget(load_recipe("quickstart", []).config) is None


def test_shares_go_to_rules_that_prove_and_never_loosen_one() -> None:
    rules = [Rule(**MIN), Rule(**BETTER), Rule(**NO_WORSE), Rule(**BETTER, alpha=0.001)]
    budget = error_budget(config(3, 1, [MIN, BETTER], 0.06))
    assert [r.alpha for r in budget.rules(rules, 2)] == pytest.approx([0.01, 0.01, 0.05, 0.001])
    # Without a champion nothing is compared, so that no share is there for it.
    paired = error_budget(config(2, 0, [BETTER], 0.05))
    assert [r.alpha for r in paired.rules(rules, 1)] == [0.05, 0.05, 0.05, 0.001]


def test_rounds_follow_alpha_within_reach() -> None:
    assert [rounds_for(a) for a in (0.5, 0.05, 0.01, 0.001)] == [2000, 2000, 2000, 20_000]
    assert rounds_for(1e-9) == MOST_ROUNDS


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        ({"alpha": 0.05}, "no rule min, max or improves"),
        ({"alpha": 0.05, "rules": [NO_WORSE]}, "no rule min, max or improves"),
        ({"alpha": 0.0, "rules": [MIN]}, "greater than 0"),
        ({"on_hold": "retry"}, "needs retries: NUMBER and changes"),
        ({"on_hold": "retry", "retries": 1}, "the same settings give the same model"),
        ({"retries": 1, "changes": [{"pairs.min_margin": 1}]}, "not of stop"),
        ({"changes": [{"pairs.min_margin": 1}]}, "1 entries for 0 retries"),
        ({"on_hold": "ask", "retries": 1, "changes": [{"sft.settings": {}}]},
         "cannot change 'sft.settings'"),
        ({"on_hold": "ask", "retries": 1, "changes": [{"judge.model": "self"}]},
         "only what is under candidates, judge.draws, pairs, dpo"),
        ({"on_hold": "ask", "retries": 1, "changes": [{}]}, "entry 1 changes nothing"),
        ({"waived_by": {"m3": "Ana"}}, "should match pattern"),
    ],
)  # fmt: skip
def test_settings_that_do_not_fit_are_refused(gate: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Gate.model_validate(gate)
