"""GSM8K from stored solutions."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.nlp.stored import rows
from harness.cli import main
from results.errors import SrlmError
from tests.nlp_files import write_rows
from tests.real_data import real_data

PUBLISHED = {  # per cent
    "6b_finetuning": 21.68,
    "6b_verification": 39.04,
    "175b_finetuning": 34.72,
    "175b_verification": 56.25,
}


def test_the_published_solutions_score_as_published(capsys) -> None:
    file = real_data("nlp", "gsm8k", "example_model_solutions.jsonl.gz")
    answers = real_data("nlp", "gsm8k", "test.jsonl.gz")
    for more in ([], [f"answers={answers}"]):
        code = main(["eval", "--benchmark", "nlp", "--gsm8k", str(file), "--json", *more])
        found = json.loads(capsys.readouterr().out)["rows"]
        assert code == 0
        scores = {row["model"]: row["metrics"]["gsm8k"] for row in found}
        assert {name: round(100 * m["value"], 2) for name, m in scores.items()} == PUBLISHED
        assert all(m["n"] == m["of"] == 1319 for m in scores.values())
        assert not any(row.get("note") for row in found), "no flag says otherwise"


SOLUTIONS = [
    ("A hen lays 1 egg", "A: 1", {"solution": "It is 1.\nA: 1", "is_correct": True}),
    ("Two hens", "A: 1,200", {"solution": "so $1200.", "is_correct": True}),
    ("Three hens", "A: 3", {"solution": "not to be known", "is_correct": True}),
    ("Four hens", "A: 4", {"solution": "4 and then 5", "is_correct": False}),
]


def test_the_last_number_counts_and_flags_are_only_compared(tmp_path: Path) -> None:
    file = tmp_path / "s.jsonl.gz"
    lines = [{"question": q, "ground_truth": t, "m": m} for q, t, m in SOLUTIONS]
    write_rows(file, lines)
    (row,) = rows(file)
    assert row["metrics"]["gsm8k"].value == 0.5 and row["metrics"]["gsm8k"].n == 4
    assert row["note"] == "1 stored flags say otherwise (gsm8k/2)"
    answers = tmp_path / "test.jsonl"
    write_rows(answers, [{"question": q, "answer": f"9 + 9\n#### {i}"}
                         for i, (q, _, _) in enumerate(SOLUTIONS)])  # fmt: skip
    (row,) = rows(file, answers)
    assert row["metrics"]["gsm8k"].value == 0.0


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ({"question": "a", "ground_truth": "1"}, "found no model"),
        ({"question": "a", "m": {"solution": "1"}}, ":1: no ground_truth"),
        ({"m": {"solution": "1"}}, ":1: found no question"),
        ({"question": "a", "ground_truth": "1", "m": {"solution": 1}}, ":1: m.solution: expected"),
    ],
)
def test_a_line_of_another_form(tmp_path: Path, line: dict[str, object], words: str) -> None:
    write_rows(tmp_path / "s.jsonl", [line])
    with pytest.raises(SrlmError, match=words):
        rows(tmp_path / "s.jsonl")


def test_it_reads_answers_as_lm_eval_does(tmp_path: Path) -> None:
    """Our reading against lm-eval's own filter and metric, in its own process."""
    texts = ["A: 18", "no number", "1,000 or $2.50.", "-3 then 4-5", "a 7.", "1 2 3 .", "#### 12"]
    code = (
        "import json, sys\n"
        "from lm_eval.filters.extraction import RegexFilter\n"
        "f = RegexFilter(regex_pattern=sys.argv[1], group_select=-1)\n"
        "print(json.dumps(f.apply([json.loads(sys.argv[2])], [{}])[0]))\n"
    )
    from benchmarks.nlp import shipped
    from benchmarks.nlp.stored import _scoring

    task = shipped.settings(shipped.leaves("gsm8k")[0][1])
    pattern = task["filter_list"][1]["filter"][0]["regex_pattern"]
    done = subprocess.run(
        [sys.executable, "-c", code, pattern, json.dumps(texts)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    extract, _, _ = _scoring()
    assert [extract(text) for text in texts] == json.loads(done.stdout)
