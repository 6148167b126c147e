"""The workflow of docs/pipeline.md: its ``run`` steps in a shell, as a pipeline runs them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from results.records import Evaluated, Unscored, Value
from results.stats import ratio_metric
from results.store import RecordFile, write_json
from tests.junit import check_junit

PAGE = Path(__file__).parents[2] / "docs" / "pipeline.md"
BIN = Path(sys.executable).parent


def blocks() -> dict[str, str]:
    """The YAML files that the page shows, by the name in their first line."""
    text = PAGE.read_text(encoding="utf-8")
    return dict(re.findall(r"```yaml\n# (\S+)\n(.*?)```", text, re.DOTALL))


@dataclass
class Job:
    """What came of the steps: the first exit code that was not 0, all that they printed, and the
    file that is uploaded.
    """

    code: int
    said: str
    report: Path


def run_job(folder: Path, **env: str) -> Job:
    """Every ``run`` step in ``folder``; after a failure those alone that always run."""
    workflow = yaml.safe_load(blocks()[".github/workflows/gate.yaml"])
    (job,) = workflow["jobs"].values()
    summary = str(folder / "step_summary.md")
    there = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", **job["env"], **env}
    code, said, ran = 0, "", 0
    for step in job["steps"]:
        if "run" not in step or (code and step.get("if") != "always()"):
            continue
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", step["run"]], cwd=folder, text=True, timeout=120,
            env={**there, "GITHUB_STEP_SUMMARY": summary}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
        said, code, ran = said + done.stdout, code or done.returncode, ran + 1
    assert ran == 2
    (upload,) = (step["with"] for step in job["steps"] if "upload" in step.get("uses", ""))
    return Job(code, said, folder / upload["path"])


def as_folder(path: Path, wins: list[float]) -> None:
    """An evaluation folder, as ``srlm eval`` leaves it."""
    values = [
        Value(prompt_id=f"q{at}", metric="win_rate", num=win, cluster=f"q{at}")
        for at, win in enumerate(wins)
    ]
    file = RecordFile(path / "values.jsonl", Value)
    file.append(values)
    file.finalise()
    evaluated = Evaluated(
        model=path.name, benchmark="alpaca_eval2", identity="i", data="d", judge="j",
        judge_is_judged=False, judge_spec=None, judge_model=None, baseline="b", n=len(wins),
        metrics={"win_rate": ratio_metric("win_rate", values, len(values), "mean")},
        unscored=Unscored(n=0, of=len(wins)),
    )  # fmt: skip
    write_json(path / "metrics.json", evaluated.model_dump())


def as_lines(path: Path, wins: list[float]) -> None:
    lines = [json.dumps({"prompt_id": f"q{at}", "value": win}) for at, win in enumerate(wins)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


BETTER, WORSE = [0.9, 0.6, 0.8, 0.7] * 10, [0.5, 0.2, 0.4, 0.3] * 10


@pytest.mark.parametrize("form", ["folders", "lines"])
@pytest.mark.parametrize(
    ("candidate", "champion", "code"), [(BETTER, WORSE, 0), (WORSE, BETTER, 3)]
)
def test_the_workflow_runs(
    form: str, candidate: list[float], champion: list[float], code: int, tmp_path: Path
) -> None:
    (tmp_path / "gate-rules.yaml").write_text(blocks()["gate-rules.yaml"], encoding="utf-8")
    (tmp_path / "evaluations").mkdir()
    env: dict[str, Any] = {}
    if form == "folders":
        as_folder(tmp_path / "evaluations" / "candidate", candidate)
        as_folder(tmp_path / "evaluations" / "champion", champion)
    else:
        env = {"CANDIDATE": "new.jsonl", "CHAMPION": "old.jsonl"}
        as_lines(tmp_path / "new.jsonl", candidate)
        as_lines(tmp_path / "old.jsonl", champion)
    done = run_job(tmp_path, **env)
    assert done.code == code, done.said
    suite = check_junit(done.report.read_text(encoding="utf-8"))
    assert suite.get("tests") == "2"
    red = int(suite.attrib["failures"]) + int(suite.attrib["errors"])
    assert red == (2 if code else 0)
    shown = (tmp_path / "step_summary.md").read_text(encoding="utf-8")
    assert shown == (tmp_path / "gate.md").read_text(encoding="utf-8")
    assert "### Gate: " in shown and ("held" if code else "promoted") in shown
    assert shown.count("| win_rate: ") == 2


def test_an_error_is_no_report(tmp_path: Path) -> None:
    (tmp_path / "gate-rules.yaml").write_text(blocks()["gate-rules.yaml"], encoding="utf-8")
    done = run_job(tmp_path)
    assert done.code in (1, 2) and "evaluations/candidate" in done.said
    assert not done.report.exists() and not (tmp_path / "gate.md").exists()
