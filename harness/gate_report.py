"""A gate's decision for a pipeline: JUnit XML for its test view, Markdown for its job summary.

JUnit: one test case a rule. ``failure`` says that the rule did not hold, ``error`` that it is
inconclusive: no verdict could be reached, which is JUnit's own distinction. Both end a job as the
exit code does. ``skipped``: nothing measured it, and the rule lets that pass.
"""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

from results.figures import NULL
from results.files import write_bytes
from results.records import GateDecision, Outcome, RuleResult
from results.text import markdown, one_line

WORDS = {"promote": "promoted", "hold": "held", "stop": "stopped"}
HEAD = ("rule", "outcome", "value", "interval", "threshold", "prompts")
SEQUENTIAL = (
    "sequential: the evaluation stopped when the decision was certain; these are not the figures "
    "of all prompts"
)
# What XML 1.0 has not, beyond the controls and surrogates that one_line removes.
_NO_XML = re.compile("[\ufffe\uffff]")


def write_junit(path: Path, decision: GateDecision, name: str) -> None:
    """Writes ``junit`` to ``path``, the old file or the new one whole; SrlmError on failure."""
    write_bytes(path, junit(decision, name).encode())


def write_summary(path: Path, decision: GateDecision, name: str) -> None:
    """Writes ``summary`` to ``path``, the old file or the new one whole; SrlmError on failure."""
    write_bytes(path, summary(decision, name).encode())


def outcome(result: RuleResult) -> Outcome:
    """How a rule ended; a decision that tells nothing apart has passed and failed alone."""
    if result.outcome is not None:
        return result.outcome
    return "passed" if result.passed else "failed"


def junit(decision: GateDecision, name: str) -> str:
    """The decision as a JUnit document: one suite, named ``name``, of one test case a rule.

    A decision that no rule explains (all passed, and yet it is no promotion) is a failed test case
    of its own: the file must not be green where the exit code is not 0.
    """
    cases = [_case(result, name) for result in decision.rules]
    if decision.decision != "promote" and all(result.passed for result in decision.rules):
        case = ET.Element("testcase", classname=_clean(f"srlm gate {name}"), name="decision")
        why = _verdict(decision, _clean(name))
        ET.SubElement(case, "failure", type=decision.decision, message=why)
        cases.append(case)
    counts = {
        "tests": str(len(cases)),
        "failures": str(sum(case.find("failure") is not None for case in cases)),
        "errors": str(sum(case.find("error") is not None for case in cases)),
    }
    skipped = str(sum(case.find("skipped") is not None for case in cases))
    root = ET.Element("testsuites", {"name": "srlm gate", **counts})
    suite = ET.SubElement(root, "testsuite", {"name": _clean(name), **counts, "skipped": skipped})
    properties = ET.SubElement(suite, "properties")
    ET.SubElement(properties, "property", name="decision", value=decision.decision)
    suite.extend(cases)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def summary(decision: GateDecision, name: str) -> str:
    """The decision as Markdown: a heading, a table of the rules, and why those that did not pass
    did not.
    """
    rows = [HEAD, *(_cells(result) for result in decision.rules)]
    lines = [f"### Gate: {_verdict(decision, markdown(_clean(name)))}", ""]
    table = [f"| {' | '.join(row)} |" for row in rows]
    lines += [table[0], "|:--|:--|--:|:--|--:|--:|", *table[1:]]
    open_ones = [result for result in decision.rules if outcome(result) != "passed"]
    if open_ones:
        lines += ["", *(f"- **{outcome(r)}**: {markdown(_clean(r.reason))}" for r in open_ones)]
    if any(result.sequential for result in decision.rules):
        lines += ["", f"\\* {SEQUENTIAL}"]
    return "\n".join(lines) + "\n"


def _case(result: RuleResult, name: str) -> ET.Element:
    found = outcome(result)
    case = ET.Element(
        "testcase",
        classname=_clean(f"srlm gate {name}"),
        name=_clean(f"{result.metric} {result.rule} {result.threshold:g}"),
    )
    why = _clean(result.reason)
    if found == "unmeasured":
        ET.SubElement(case, "skipped", message=why)
        return case
    if result.passed:
        ET.SubElement(case, "system-out").text = why
        return case
    kind, tag = (found, "error") if found == "inconclusive" else (result.rule, "failure")
    what = ET.SubElement(case, tag, type=kind, message=why)
    facts = [f"{key} {text}" for key, text in zip(HEAD[2:], _cells(result)[2:], strict=True)]
    what.text = ", ".join(facts + _settling(result))
    return case


def _settling(result: RuleResult) -> list[str]:
    return [] if result.settles_at is None else [f"settles at about {result.settles_at} prompts"]


def _cells(result: RuleResult) -> tuple[str, ...]:
    """Rule, outcome, value, interval, threshold and prompts of a result, for a table."""
    ends = result.low is not None and result.high is not None
    n = str(result.n_used) if result.n_used == result.of else f"{result.n_used} of {result.of}"
    return (
        markdown(_clean(f"{result.metric}: {result.rule}")),
        ", ".join([outcome(result), *_settling(result)]) + (r" \*" if result.sequential else ""),
        _number(result.value),
        f"{_number(result.low)} to {_number(result.high)}" if ends else NULL,
        f"{result.threshold:g}",
        n if result.of else NULL,
    )


def _verdict(decision: GateDecision, name: str) -> str:
    """``M3 held: 2 of 13 rules failed, 1 inconclusive``."""
    what, of = WORDS[decision.decision], len(decision.rules)
    held = [outcome(result) for result in decision.rules if not result.passed]
    unsettled = held.count("inconclusive")
    unseen = len(decision.unmeasured)
    if not held:
        more = f", {unseen} not evaluated" if unseen else ""
        return f"{name} {what} ({of - unseen} of {of - unseen} rules passed{more})"
    more = f", {unsettled} inconclusive" if unsettled else ""
    return f"{name} {what}: {len(held) - unsettled} of {of} rules failed{more}"


def _number(value: float | None) -> str:
    return NULL if value is None else f"{value:.3f}"


def _clean(text: str) -> str:
    """One line that XML 1.0 can hold; escaping is ElementTree's."""
    return _NO_XML.sub("", one_line(text))
