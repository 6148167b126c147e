"""A decision as JUnit XML and as Markdown."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from harness.gate_report import junit, summary, write_junit, write_summary
from results.errors import SrlmError
from results.records import GateDecision, RuleResult
from tests.junit import check_junit


def rule(**other: Any) -> RuleResult:
    base: dict[str, Any] = {
        "rule": "improves", "metric": "win_rate", "value": 0.05, "low": 0.01, "high": 0.09,
        "threshold": 0.0, "passed": True, "n_used": 360, "of": 360, "reason": "win_rate: fine",
    }  # fmt: skip
    return RuleResult(**{**base, **other})


FAILED = rule(
    metric="correct", rule="no_regression", value=-0.08, low=-0.12, high=-0.04, passed=False,
    n_used=355, reason="correct: difference -0.080 [-0.120, -0.040]",
)  # fmt: skip
OPEN = rule(
    metric="judge", rule="min", threshold=0.7, value=0.71, low=0.66, high=0.76, passed=False,
    outcome="inconclusive", settles_at=1200, reason="judge: 0.710",
)  # fmt: skip
HELD = GateDecision(decision="hold", rules=[rule(), FAILED, OPEN])


def test_junit_has_one_case_a_rule_and_tells_three_outcomes_apart() -> None:
    suite = check_junit(junit(HELD, "M3"))
    assert suite.get("name") == "M3"
    assert [suite.get(key) for key in ("tests", "failures", "errors")] == ["3", "1", "1"]
    passed, failed, unsettled = suite.findall("testcase")
    assert [case.get("name") for case in (passed, failed, unsettled)] == [
        "win_rate improves 0", "correct no_regression 0", "judge min 0.7",
    ]  # fmt: skip
    assert [child.tag for child in passed] == ["system-out"]
    assert passed.findtext("system-out") == "win_rate: fine"
    failure, error = failed.find("failure"), unsettled.find("error")
    assert failure is not None and error is not None
    assert failure.get("type") == "no_regression"
    assert failure.get("message") == "correct: difference -0.080 [-0.120, -0.040]"
    assert (
        failure.text == "value -0.080, interval -0.120 to -0.040, threshold 0, prompts 355 of 360"
    )
    assert error.get("type") == "inconclusive" and unsettled.find("failure") is None
    assert error.text == ("value 0.710, interval 0.660 to 0.760, threshold 0.7, prompts 360, "
                          "settles at about 1200 prompts")  # fmt: skip


def test_summary_golden() -> None:
    assert summary(HELD, "M3") == (
        "### Gate: M3 held: 1 of 3 rules failed, 1 inconclusive\n"
        "\n"
        "| rule | outcome | value | interval | threshold | prompts |\n"
        "|:--|:--|--:|:--|--:|--:|\n"
        "| win_rate: improves | passed | 0.050 | 0.010 to 0.090 | 0 | 360 |\n"
        "| correct: no_regression | failed | -0.080 | -0.120 to -0.040 | 0 | 355 of 360 |\n"
        "| judge: min | inconclusive, settles at about 1200 prompts | 0.710 | 0.660 to 0.760 "
        "| 0.7 | 360 |\n"
        "\n"
        "- **failed**: correct: difference -0.080 \\[-0.120, -0.040\\]\n"
        "- **inconclusive**: judge: 0.710\n"
    )


def test_a_promotion_is_green() -> None:
    decision = GateDecision(decision="promote", rules=[rule(outcome="passed"), rule(rule="min")])
    suite = check_junit(junit(decision, "M2"))
    assert (suite.get("failures"), suite.get("errors")) == ("0", "0")
    text = summary(decision, "M2")
    assert text.startswith("### Gate: M2 promoted (2 of 2 rules passed)\n")
    assert "failed" not in text and "- **" not in text


@pytest.mark.parametrize(
    "decision",
    [GateDecision(decision="stop", rules=[]), GateDecision(decision="hold", rules=[rule()])],
)
def test_what_no_rule_explains_is_not_green_either(decision: GateDecision) -> None:
    suite = check_junit(junit(decision, "M2"))
    assert suite.get("tests") == str(len(decision.rules) + 1) and suite.get("failures") == "1"
    failure = suite.findall("testcase")[-1].find("failure")
    assert failure is not None and failure.get("type") == decision.decision


def test_a_figure_that_is_not_there_is_a_dash() -> None:
    empty = rule(value=None, low=None, high=None, n_used=0, of=0, passed=False, reason="no value")
    decision = GateDecision(decision="hold", rules=[empty])
    assert "| failed | – | – | 0 | – |" in summary(decision, "M2")
    assert "value –, interval –" in junit(decision, "M2")


def test_a_sequential_figure_is_never_shown_as_a_full_one() -> None:
    decision = GateDecision(decision="promote", rules=[rule(sequential=True, n_used=41, of=805)])
    text = summary(decision, "M2")
    assert "| passed \\* | 0.050 | 0.010 to 0.090 | 0 | 41 of 805 |" in text
    assert "\\* sequential: the evaluation stopped when the decision was certain" in text
    assert "sequential" not in summary(HELD, "M3")


HOSTILE = "a</failure>&<b>\x00\x1b[31m\x0b\ufffe\uffff\ud800 | `x` [y](z)\nnext\u202e ]]>"


def test_hostile_text_is_text_in_both() -> None:
    held = rule(metric=HOSTILE, reason=HOSTILE, passed=False)
    decision = GateDecision(decision="hold", rules=[held])
    suite = check_junit(junit(decision, HOSTILE))
    shown = "a</failure>&<b>\ufffd | `x` [y](z) next ]]>"
    assert suite.get("name") == shown
    failure = suite.find("testcase/failure")
    assert failure is not None and failure.get("message") == shown
    table = [line for line in summary(decision, HOSTILE).splitlines() if line.startswith("|")]
    assert len(table) == 3
    assert all(line.replace("\\|", "").count("|") == 7 for line in table)
    assert "<b>" not in summary(decision, HOSTILE)


def test_files_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    write_junit(tmp_path / "out" / "gate.xml", HELD, "M3")
    write_summary(tmp_path / "out" / "gate.md", HELD, "M3")
    assert (tmp_path / "out" / "gate.xml").read_text(encoding="utf-8") == junit(HELD, "M3")
    assert (tmp_path / "out" / "gate.md").read_text(encoding="utf-8") == summary(HELD, "M3")
    assert ET.parse(tmp_path / "out" / "gate.xml").getroot().tag == "testsuites"
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["gate.md", "gate.xml"]
    with pytest.raises(SrlmError, match=r"gate\.xml: cannot be written"):
        write_junit(tmp_path / "out" / "gate.md" / "gate.xml", HELD, "M3")


def test_old_decisions_are_read_without_the_new_fields() -> None:
    old = {key: value for key, value in FAILED.model_dump().items()
           if key not in ("outcome", "sequential", "settles_at")}  # fmt: skip
    decision = GateDecision.model_validate({"decision": "hold", "rules": [old]})
    assert decision.rules == [FAILED]
    assert check_junit(junit(decision, "M3")).get("failures") == "1"
