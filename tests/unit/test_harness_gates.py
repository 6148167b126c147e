"""Gate rules at values worked out by hand, on both sides of the threshold."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from benchmarks.registry import open_benchmark
from harness.gate_config import Rule, RulesFile
from harness.gates import CONDITIONS, Measured, decide, settles_at
from harness.recipe import read_rules
from harness.stages.gate import check_rules, describe
from results.errors import SrlmError, UsageError
from results.records import Evaluated, Metric, RuleResult, Unscored, Value
from results.stats import ratio_metric
from results.store import RecordFile


def measured(metric: str, *numbers: float) -> Measured:
    return Measured(
        {metric: [Value(prompt_id=str(i), metric=metric, num=n, cluster=str(i))
                  for i, n in enumerate(numbers)]}
    )  # fmt: skip


def result(rule: Rule, ours: Measured, theirs: Measured | None = None) -> RuleResult:
    decision = decide([rule], ours, theirs, seed=0)
    assert decision.decision == ("promote" if decision.rules[0].passed else "hold")
    return decision.rules[0]


# All values equal: the interval is the value itself, so the threshold is exact.
CONSTANT = measured("m", *[0.5] * 8)


@pytest.mark.parametrize(
    ("kind", "threshold", "passed"),
    [("min", 0.5, True), ("min", 0.5 + 1e-9, False), ("min", 0.4, True),
     ("max", 0.5, True), ("max", 0.5 - 1e-9, False), ("max", 0.6, True)],
)  # fmt: skip
def test_bounds_of_one_model(kind: str, threshold: float, passed: bool) -> None:
    found = result(Rule(metric="m", rule=kind, threshold=threshold), CONSTANT)
    assert found.passed is passed
    assert (found.value, found.low, found.high) == (0.5, 0.5, 0.5)
    assert (found.n_used, found.of, found.threshold) == (8, 8, threshold)


@pytest.mark.parametrize(
    ("kind", "threshold", "difference", "passed"),
    [
        ("improves", 0.0, 0.25, True),
        ("improves", 0.0, 0.0, False),  # as good is no improvement
        ("improves", 0.25, 0.25, False),
        ("improves", 0.25, 0.5, True),
        ("improves", 0.0, -0.25, False),
        ("no_regression", 0.0, 0.0, True),
        ("no_regression", 0.0, 0.25, True),
        ("no_regression", 0.0, -0.25, False),
        ("no_regression", 0.25, -0.25, True),  # a loss of the threshold itself is allowed
        ("no_regression", 0.25, -0.5, False),
    ],
)
def test_differences_to_the_champion(
    kind: str, threshold: float, difference: float, passed: bool
) -> None:
    ours = measured("m", *[0.5 + difference] * 8)
    found = result(Rule(metric="m", rule=kind, threshold=threshold), ours, CONSTANT)
    assert found.passed is passed
    assert (found.value, found.low, found.high) == (difference,) * 3


NOISY = measured("m", *[0.0, 1.0] * 20)  # mean 0.5, 95 % interval about 0.35 to 0.65


def test_the_interval_decides_not_the_value() -> None:
    assert not result(Rule(metric="m", rule="min", threshold=0.45), NOISY).passed
    assert result(Rule(metric="m", rule="min", threshold=0.30), NOISY).passed
    assert not result(Rule(metric="m", rule="max", threshold=0.55), NOISY).passed
    assert result(Rule(metric="m", rule="max", threshold=0.70), NOISY).passed
    # Half of the prompts lose a whole point, half win one: no proof of either.
    turned = measured("m", *[1.0, 0.0] * 20)
    assert not result(Rule(metric="m", rule="improves"), turned, NOISY).passed
    assert result(Rule(metric="m", rule="no_regression"), turned, NOISY).passed


@pytest.mark.parametrize(
    ("kind", "threshold", "outcome"),
    [("min", 0.30, "passed"), ("min", 0.45, "inconclusive"), ("min", 0.9, "failed"),
     ("max", 0.70, "passed"), ("max", 0.45, "inconclusive"), ("max", 0.1, "failed")],
)  # fmt: skip
def test_what_the_interval_leaves_open_is_no_failure(kind, threshold, outcome) -> None:
    found = result(Rule(metric="m", rule=kind, threshold=threshold), NOISY)
    assert found.outcome == outcome and found.passed is (outcome == "passed")
    assert (found.settles_at is None) is (outcome != "inconclusive")
    assert found.reason.count("; ") == (outcome != "passed")


def test_differences_fail_only_where_the_interval_excludes_passing() -> None:
    turned = measured("m", *[1.0, 0.0] * 20)
    better = Rule(metric="m", rule="improves", threshold=0.1)
    assert result(better, turned, NOISY).outcome == "inconclusive"
    assert result(better, NOISY, NOISY).outcome == "failed"  # surely not above the threshold
    exactly = Rule(metric="m", rule="improves")
    assert result(exactly, NOISY, NOISY).outcome == "failed"
    no_worse = Rule(metric="m", rule="no_regression")
    assert result(no_worse, turned, NOISY).outcome == "passed"
    assert result(no_worse, measured("m", *[-1.0, 0.0] * 20), NOISY).outcome == "failed"
    missing = result(Rule(metric="other", rule="improves"), turned, NOISY)
    assert (missing.outcome, missing.settles_at) == ("inconclusive", None)


@given(
    st.floats(-1, 1), st.floats(1e-6, 1), st.floats(1e-6, 1), st.floats(0, 1), st.integers(2, 5000)
)
def test_as_many_prompts_as_are_said_would_settle_it(value, below, above, part, n) -> None:
    low, high = value - below, value + above
    threshold = low + part * (high - low)
    enough = settles_at(value, low, high, threshold, n)
    if enough is None:
        assert abs(value - threshold) < 2 * max(below, above) * math.sqrt(n / 1e7) + 1e-12
        return
    assert enough >= n - 1
    shrink = math.sqrt(n / enough)
    assert value - below * shrink >= threshold - 1e-9 or value + above * shrink <= threshold + 1e-9


def test_alpha_widens_the_interval() -> None:
    wide, usual, narrow = (
        result(Rule(metric="m", rule="min", threshold=0.4, alpha=a), NOISY)
        for a in (0.001, 0.05, 0.5)
    )
    assert wide.low < usual.low < narrow.low <= narrow.high < usual.high < wide.high
    assert (wide.passed, narrow.passed) == (False, True)


def test_pairing_is_by_prompt() -> None:
    ours = measured("m", *[0.0, 1.0] * 20)
    better = measured("m", *[0.1, 1.1] * 20)
    found = result(Rule(metric="m", rule="improves"), better, ours)
    assert found.passed and found.low == pytest.approx(0.1)
    half = Measured({"m": ours.values["m"][:10]})
    found = result(Rule(metric="m", rule="no_regression"), ours, half)
    assert (found.n_used, found.of) == (10, 40)


@pytest.mark.parametrize("kind", CONDITIONS)
def test_a_metric_without_a_value_never_passes(kind: str) -> None:
    rule = Rule(metric="other", rule=kind, threshold=0.0)
    found = result(rule, CONSTANT, CONSTANT)
    assert not found.passed and found.value is None and found.n_used == 0
    assert found.reason.startswith("other has no value with an interval (no")
    assert f"), needs {CONDITIONS[kind].words[:4]}" in found.reason


@pytest.mark.parametrize("kind", ["min", "max"])
def test_one_prompt_has_no_interval_and_does_not_pass(kind: str) -> None:
    threshold = {"min": -10.0, "max": 10.0}[kind]
    found = result(Rule(metric="m", rule=kind, threshold=threshold), measured("m", 0.5))
    assert not found.passed and (found.value, found.low) == (0.5, None)


@pytest.mark.parametrize("kind", ["improves", "no_regression"])
def test_without_a_champion_there_is_nothing_to_compare(kind: str) -> None:
    found = result(Rule(metric="m", rule=kind), CONSTANT, None)
    assert found.passed and found.reason == "no champion yet: nothing to compare with"
    assert not result(Rule(metric="m", rule="min", threshold=0.9), CONSTANT, None).passed


def test_every_rule_must_pass_and_each_says_what_it_saw() -> None:
    rules = [Rule(metric="m", rule="min", threshold=0.5), Rule(metric="m", rule="max", threshold=0)]
    decision = decide(rules, Measured(CONSTANT.values, {"m": (3, 9)}), None, seed=0)
    assert decision.decision == "hold"
    assert [r.passed for r in decision.rules] == [True, False]
    assert decision.rules[1].reason == (
        "m: value 0.500 [0.500, 0.500] on 3 of 9, max needs high <= 0; failed"
    )
    assert decide([], CONSTANT, None, seed=0).decision == "promote"


def test_reasons_name_the_negative_threshold() -> None:
    rule = Rule(metric="m", rule="no_regression", threshold=0.25)
    assert "high of the difference >= -0.25" in result(rule, measured("m", 0, 0), CONSTANT).reason


def test_what_passes_on_proof_alone_can_be_asked_to_prove_it_for_any_values() -> None:
    """Where 100 of 100 are right the bootstrap has nothing to draw from."""
    all_right, same = measured("m", *[1.0] * 100), measured("m", *[0.0] * 100)
    rule = Rule(metric="m", rule="min", threshold=0.97)
    by_bootstrap = decide([rule], all_right, None, 0).rules[0]
    assert (by_bootstrap.passed, by_bootstrap.bounds) == (True, "bootstrap")
    proven = decide([rule], all_right, None, 0, proven=True).rules[0]
    assert (proven.outcome, proven.bounds) == ("inconclusive", "betting")
    assert proven.low is not None and 0.93 < proven.low < 0.97
    better = decide([Rule(metric="m", rule="improves")], all_right, same, 0, proven=True).rules[0]
    assert (better.passed, better.bounds, better.n_used) == (True, "betting", 100)
    kept = decide([Rule(metric="m", rule="no_regression")], all_right, same, 0, proven=True)
    assert kept.rules[0].bounds == "bootstrap"  # its error is a wrong hold


def test_a_figure_that_has_no_such_bounds_says_so() -> None:
    scores = measured("m", *[7.0, 9.0] * 20)
    found = decide([Rule(metric="m", rule="min", threshold=6)], scores, None, 0, proven=True)
    assert (found.rules[0].passed, found.rules[0].bounds) == (True, "bootstrap")
    assert found.rules[0].reason.endswith(
        "; by bootstrap, which is approximate: its values do not lie in 0..1"
    )


def test_evaluations_are_read_from_their_folder(tmp_path: Path) -> None:
    with pytest.raises(SrlmError, match=r"values\.jsonl: not there; evaluate the model first"):
        Measured.read(tmp_path)
    values = [*CONSTANT.values["m"], Value(prompt_id="0", metric="k", num=1, cluster="0")]
    RecordFile(tmp_path / "values.jsonl", Value).replace(values)
    with pytest.raises(SrlmError, match=r"metrics\.json"):
        Measured.read(tmp_path)
    metric = ratio_metric("k", values[-1:], 7, "")
    (tmp_path / "metrics.json").write_text(evaluated({"k": metric}).model_dump_json())
    found = Measured.read(tmp_path)
    assert found.coverage == {"k": (1, 7)}
    assert found.values["m"] == CONSTANT.values["m"] and len(found.values["k"]) == 1


def evaluated(metrics: dict[str, Metric]) -> Evaluated:
    return Evaluated(
        model="M1", benchmark="b", identity="i", data="d", judge=None, judge_is_judged=False,
        judge_spec="s", judge_model="self", baseline=None, n=1, metrics=metrics,
        unscored=Unscored(),
    )  # fmt: skip


def test_a_rule_that_could_never_pass_is_refused() -> None:
    world = open_benchmark("micro_world", {"items": 2, "rankings": 1})
    check_rules([], world, False)
    check_rules([Rule(metric="win_rate", rule="improves")], world, True)
    rules = [
        Rule(metric="oracle_score", rule="improves"),
        Rule(metric="win_rat", rule="min", threshold=0.5),
    ]
    with pytest.raises(UsageError) as caught:
        check_rules(rules, world, True)
    said = str(caught.value)
    assert "gate rule 2 (min): metric 'win_rat' is not one of benchmark 'micro_world'" in said
    assert "did you mean 'win_rate'?" in said
    with pytest.raises(UsageError, match=r"rule 1 .*'win_rate' needs a baseline"):
        check_rules([Rule(metric="win_rate", rule="improves")], world, False)


SAID = Rule(metric="safety.refusal", rule="no_regression", missing="say")


def test_what_nothing_measures_is_said_and_holds_nothing_where_the_rule_says_so() -> None:
    found = decide([Rule(metric="m", rule="min", threshold=0.4), SAID], CONSTANT, CONSTANT, 0)
    assert [r.outcome for r in found.rules] == ["passed", "unmeasured"]
    assert describe(found) == "promote (1 of 1 rules passed; NOT EVALUATED: safety.refusal)"
    held = decide([SAID.model_copy(update={"missing": "hold"})], CONSTANT, CONSTANT, 0)
    assert held.decision == "hold"


def test_what_is_measured_and_has_no_value_is_held_all_the_same() -> None:
    lost = Measured({}, {"safety.refusal": (0, 20)})
    assert decide([SAID], lost, lost, 0).decision == "hold"


def test_such_a_rule_names_a_metric_of_a_part_that_is_there() -> None:
    world = open_benchmark("micro_world", {"items": 2, "rankings": 1})
    check_rules([SAID], world, True)
    with pytest.raises(UsageError, match=r"'safety\.refusal' is not one of benchmark"):
        check_rules([SAID], world, True, {"safety": world})
    with pytest.raises(ValidationError, match="give one at least missing: hold"):
        RulesFile(rules=[SAID])


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parents[2] / "harness" / "recipes" / "rules").glob("*.yaml"))
)
def test_every_shipped_rules_file_looks_at_safety(path: Path) -> None:
    rules = read_rules(path)
    assert [r for r in rules if r.metric == "safety.refusal" and r.rule == "no_regression"]
