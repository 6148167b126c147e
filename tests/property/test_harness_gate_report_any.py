"""Whatever a decision holds, its JUnit file is XML with the right counts, its table one table."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.gate_report import junit, summary
from results.records import GateDecision, RuleResult
from tests.junit import check_junit

# Any character that Python has, lone surrogates included.
TEXT = st.text(st.characters(codec=None), max_size=20)
NUMBER = st.none() | st.floats(-2, 2)
RULES = st.builds(
    RuleResult,
    rule=st.sampled_from(["min", "max", "improves", "no_regression"]),
    metric=TEXT, value=NUMBER, low=NUMBER, high=NUMBER, threshold=st.floats(-2, 2),
    passed=st.booleans(), n_used=st.integers(0, 9), of=st.integers(0, 9), reason=TEXT,
    outcome=st.sampled_from([None, "passed", "failed", "inconclusive"]),
    sequential=st.booleans(), settles_at=st.none() | st.integers(1, 9),
)  # fmt: skip
DECISIONS = st.builds(
    GateDecision,
    decision=st.sampled_from(["promote", "hold", "stop"]),
    rules=st.lists(RULES, max_size=4),
)


@settings(max_examples=150, deadline=None)
@given(DECISIONS, TEXT)
def test_any_decision_makes_a_report(decision: GateDecision, name: str) -> None:
    suite = check_junit(junit(decision, name))
    red = int(suite.attrib["failures"]) + int(suite.attrib["errors"])
    explained = sum(not rule.passed for rule in decision.rules)
    assert red == explained or (red == 1 and decision.decision != "promote")
    assert decision.decision == "promote" or red > 0
    lines = summary(decision, name).splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == len(decision.rules) + 2
    plain = [line.replace("\\\\", "").replace("\\|", "") for line in table]
    assert {line.count("|") for line in plain} == {7}
