"""srlm compare, and the paper's NLP rows under ours."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.cli import main
from harness.evaluations_compared import compare_evaluations
from results.errors import UsageError
from results.paired_counts import least_drop, mcnemar
from results.records import Value
from results.stats import paired_difference
from results.store import RecordFile
from tests.evaluation_folders import evaluation
from tests.real_data import real_data

RNG = np.random.default_rng(0)
BEFORE = {"arc_easy": RNG.random(300) < 0.7, "nq": RNG.random(500) < 0.3}
AFTER = {"arc_easy": BEFORE["arc_easy"] ^ (RNG.random(300) < 0.1),
         "nq": BEFORE["nq"] & (RNG.random(500) < 0.8)}  # fmt: skip


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    return (evaluation(tmp_path / "a", "M1", BEFORE), evaluation(tmp_path / "b", "M2", AFTER))


def test_every_metric_by_sample(folders: tuple[Path, Path]) -> None:
    found = compare_evaluations(*folders)
    assert [m.name for m in found.metrics] == ["arc_easy", "nq"] and not found.left_out
    nq = found.metrics[1]
    before, after = BEFORE["nq"], AFTER["nq"]
    assert (nq.a, nq.b) == (before.mean(), after.mean())
    assert (nq.won, nq.lost) == (0, int((before & ~after).sum()))
    assert (nq.p_loss, nq.p) == mcnemar(0, nq.lost)
    assert nq.p_adjusted == 2 * nq.p
    assert nq.detectable == least_drop(500, nq.lost, 0.025)
    ours, theirs = ([v for v in RecordFile(f / "values.jsonl", Value).read() if v.metric == "nq"]
                    for f in reversed(folders))  # fmt: skip
    again = paired_difference("nq", ours, theirs, "b minus a, paired by sample")
    assert nq.difference == again


def test_the_command(folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    said = ["compare", *map(str, folders)]
    assert main(said) == 0
    page = capsys.readouterr().out
    assert "ARC-Easy %" in page and "Natural Questions %" in page
    assert all(len(line) <= 80 for line in page.splitlines()[1:])
    assert main([*said, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["metrics"]["nq"]["difference"]["n"] == 500
    assert document["metrics"]["nq"]["lost"] > 0 == document["metrics"]["nq"]["won"]
    assert main([*said, "--alpha", "0"]) == 2
    assert "--alpha 0.0, expected a share" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({"data": "other"}, "differ in data: 'd' and 'other'"),
        ({"benchmark": "mt_bench"}, "differ in benchmark: 'nlp' and 'mt_bench'"),
        ({"judge": "gpt-4"}, "differ in judge: none and 'gpt-4'"),
        ({"baseline": "sft"}, "differ in baseline: none and 'sft'"),
        ({"convention": "acc_norm, 5 shots"},
         "do not count arc_easy alike: 'acc, 0 shots' and 'acc_norm, 5 shots'"),
    ],
)  # fmt: skip
def test_what_differs_is_named(tmp_path: Path, about: dict[str, Any], said: str) -> None:
    a = evaluation(tmp_path / "a", "M1", {"arc_easy": [1, 0]})
    b = evaluation(tmp_path / "b", "M2", {"arc_easy": [1, 0]}, **about)
    with pytest.raises(UsageError) as caught:
        compare_evaluations(a, b)
    assert said in str(caught.value)


def test_what_only_one_has_is_said(tmp_path: Path) -> None:
    a = evaluation(tmp_path / "a", "M1", {"arc_easy": [1, 0], "nq": [1, 0, 1]})
    b = evaluation(tmp_path / "b", "M2", {"arc_easy": [1, 0, 1]})
    found = compare_evaluations(a, b)
    assert found.left_out == {"nq": "b has no value of it"}
    assert (found.metrics[0].difference.n, found.metrics[0].difference.of) == (2, 3)
    with pytest.raises(UsageError, match="not an evaluation"):
        compare_evaluations(tmp_path, b)
    c = evaluation(tmp_path / "c", "M2", {"piqa": [1, 0, 1]})
    with pytest.raises(UsageError, match="no metric with values of both"):
        compare_evaluations(a, c)


def test_real_solutions_of_grade_school_problems(tmp_path: Path) -> None:
    """GSM8K's stored solutions: a bigger model, and the same with a verifier."""
    path = real_data("nlp", "gsm8k", "example_model_solutions.jsonl.gz")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    names = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")
    places = {
        name: evaluation(
            tmp_path / name, name, {"gsm8k": [row[name]["is_correct"] for row in rows]}
        )
        for name in names
    }
    found = compare_evaluations(places["175b_finetuning"], places["6b_verification"]).metrics[0]
    assert (round(found.a, 4), round(found.b, 4)) == (0.3472, 0.3904)
    assert found.difference.n == 1319 and found.won - found.lost == round(0.0432 * 1319)
    assert found.p < 0.01 and found.p_loss > 0.99


def test_the_papers_rows_stand_under_ours(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    rights = {"arc_easy": [1, 0, 1], "gsm8k": [0] * 1319}
    ours = evaluation(tmp_path / "ours", "M2", rights, convention="acc_norm, 0 shots")
    assert main(["leaderboard", str(ours), "--reference", "self_rewarding"]) == 0
    page = capsys.readouterr().out
    first, second, *_ = (table.splitlines() for table in page.split("\n\n"))
    assert first[0].startswith("nlp, n = 1322") and second[0] == "nlp"
    assert any("66.7" in line for line in first if "ARC-Easy" in line or "M2" in line)
    paper = " ".join(second)
    assert "ARC-Easy %" in paper and "published" in paper
    assert all(cell in paper for cell in ("80.2", "76.5", "78.1", "74.8", "72.4"))
    below = " ".join(second)
    assert (
        "other conventions, not ranked together with the table above: acc_norm, 0 shots there, as"
        in below
    )
    assert "ARC-Easy (3 and 2365)" in below and "GSM8K (1319 and 1319)" in below
    assert "PIQA (" not in below
    assert main(["leaderboard", "--reference", "self_rewarding"]) == 0
    assert "other conventions" not in capsys.readouterr().out
