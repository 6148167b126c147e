"""srlm gate on the paper's tables and on a run folder, and the reports that it writes."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from harness.cli import main

PAPER = ["gate", "--candidate", "paper:M3", "--incumbent", "paper:M2"]


def test_the_paper_is_a_model_and_its_rules_are_shipped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reports = ["--junit", str(tmp_path / "gate.xml"), "--summary", str(tmp_path / "gate.md")]
    assert main([*PAPER, "--json", *reports]) == 3
    decision = json.loads(capsys.readouterr().out)
    failed = [rule["metric"] for rule in decision["rules"] if not rule["passed"]]
    assert failed == ["length_growth", "nlp_average"]
    suite = ET.parse(tmp_path / "gate.xml").getroot()
    assert suite.get("failures") == "2" and suite.get("tests") == str(len(decision["rules"]))
    assert "### Gate: paper:M3 held: 2 of 14 rules failed" in (tmp_path / "gate.md").read_text()
    loose = tmp_path / "rules.yaml"
    loose.write_text("rules: [{metric: length_growth, rule: max, threshold: 0.7}]")
    assert main([*PAPER, "--rules", str(loose)]) == 0
    assert "promote: 1 of 1 rules passed" in capsys.readouterr().out


def test_a_narrow_terminal_cuts_no_name(capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(PAPER) == 3
    table = capsys.readouterr().out.split("win_rate: ")[0]
    assert "…" not in table and "805 of 805" in table and "14042 of 14042" in table


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["gate"], "expected --rules FILE --candidate FILE, or a run folder"),
        (["gate", "--candidate", "x.json"], "expected --rules FILE"),
        ([*PAPER, "--sequential"], "paper:... has no values per prompt"),
        (["gate", "--candidate", "paper:M9"], "paper:M9"),
        (["gate", "runs/x", "--candidate", "paper:M3"], "--candidate goes with --candidate"),
        (["gate", "runs/x", "--junit", "a.xml"], "runs/x is a run whose decisions are made again"),
        (["gate", "runs/x", "--seed", "0"], "--seed goes with --candidate"),
        (["gate", "runs/x", "--at-most", "0"], "--at-most goes with --candidate"),
        ([*PAPER, "--seed", "3"], "nothing is drawn of paper:...; leave out --seed"),
        (["gate", "runs/x"], "runs/x: not a run folder"),
    ],
)
def test_what_does_not_go_together_is_one_line(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_report_is_not_written_where_nothing_was_decided(tmp_path: Path) -> None:
    words = ["gate", "--candidate", "none.json", "--rules", "none.yaml"]
    assert main([*words, "--junit", str(tmp_path / "gate.xml")]) == 2
    assert not list(tmp_path.iterdir())
