"""Suites, lm-eval's task files, and local data: what is known before anything runs."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from benchmarks.nlp import shipped
from benchmarks.nlp.benchmark import Nlp
from benchmarks.nlp.local_files import open_folder
from benchmarks.nlp.suite import load_suite, shipped_suites
from benchmarks.nlp.tasks import Planned, plan_suite
from results.errors import SrlmError, UsageError
from tests.nlp_files import arc_rows, write_folder, write_rows

NINE = ["arc_easy", "arc_challenge", "hellaswag", "siqa", "piqa", "gsm8k", "mmlu", "obqa", "nq"]


def own_suite(tmp_path: Path, **metrics: object) -> str:
    path = tmp_path / "suite.yaml"
    path.write_text(yaml.safe_dump({"metrics": metrics}))
    return str(path)


def planned(data: Path, suite: str, limit: int | None = None) -> list[Planned]:
    return plan_suite(load_suite(suite), open_folder(str(data)), None, limit)


def test_shipped_suites() -> None:
    assert shipped_suites() == ["fast", "local", "paper", "reasoning", "safety"]
    paper, fast = load_suite("paper"), load_suite("fast")
    assert list(paper.metrics) == list(fast.metrics) == NINE
    assert {name: e.shots for name, e in paper.metrics.items() if e.shots} == {
        "gsm8k": 8,
        "mmlu": 5,
    }
    for name, entry in fast.metrics.items():
        assert (
            entry.samples
            and entry.model_copy(update={"samples": None, "seed": 0}) == paper.metrics[name]
        )
    assert load_suite("local").local and load_suite("local").metrics == paper.metrics
    for name in shipped_suites():  # every task, metric and filter is one that lm-eval has
        assert plan_suite(load_suite(name), None, None, None)


def test_a_suite_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("include: paper\nmetrics:\n  arc_easy: {shots: 3}\n  more: {task: boolq}\n")
    found = load_suite(str(path)).metrics
    assert list(found) == [*NINE, "more"]
    assert (found["arc_easy"].shots, found["arc_easy"].metric) == (3, "acc_norm")
    with pytest.raises(UsageError, match=r"no such suite; did you mean 'paper'\?"):
        load_suite("papre")
    path.write_text("metrics: {a: {task: boolq, shot: 3}}\n")
    with pytest.raises(UsageError, match=r"mine.yaml: metrics.a.shot: Extra"):
        load_suite(str(path))
    path.write_text(f"include: {path}\nmetrics: {{}}\n")
    with pytest.raises(UsageError, match="includes itself"):
        load_suite(str(path))
    path.write_text("metrics: [a\n")
    with pytest.raises(UsageError, match="not YAML"):
        load_suite(str(path))


def test_tasks_of_lm_eval() -> None:
    parts = shipped.leaves("mmlu")
    assert len(parts) == 57 and parts[0][0] == "mmlu_abstract_algebra"
    assert set(shipped.leaves("mmlu_stem")) < set(parts)
    ((name, path),) = shipped.leaves("arc_challenge")
    found = shipped.settings(path)  # it includes arc_easy
    assert (name, found["dataset_name"], found["output_type"]) == (
        "arc_challenge", "ARC-Challenge", "multiple_choice",
    )  # fmt: skip
    with pytest.raises(UsageError, match=r"task 'arc_eazy': lm-eval .* has none of that name"):
        shipped.leaves("arc_eazy")


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"metric": "acc_nrm"}, "found metric 'acc_nrm', expected .*: acc, acc_norm"),
        ({"filter": "strict"}, "found filter 'strict', expected .*: none"),
    ],
)
def test_a_metric_that_the_task_has_not(tmp_path: Path, entry: dict[str, str], words: str) -> None:
    suite = own_suite(tmp_path, a={"task": "arc_easy", **entry})
    with pytest.raises(UsageError, match=words):
        planned(write_folder(tmp_path / "data"), suite)


def test_missing_data_are_all_named_before_anything_runs(tmp_path: Path) -> None:
    data = write_folder(tmp_path / "data")
    with pytest.raises(UsageError) as error:
        planned(data, "local")
    text = str(error.value)
    assert "no data for 5 of 9 tasks" in text and "hellaswag (hellaswag/validation.jsonl)" in text
    assert "mmlu (mmlu/abstract_algebra/test.jsonl and 54 more)" in text
    assert "files.yaml" in text and "\n" not in text
    with pytest.raises(UsageError, match=r"suite local is of local files: give their folder"):
        Nlp(suite="local")
    with pytest.raises(UsageError, match="no such folder"):
        Nlp(data=str(tmp_path / "nowhere"))
    with pytest.raises(UsageError, match=r"has no 'arc_esay'; did you mean 'arc_easy'"):
        Nlp(tasks=["arc_esay"])


def test_files_by_other_names(tmp_path: Path) -> None:
    write_rows(tmp_path / "raw" / "easy_val.jsonl", arc_rows(3))
    write_rows(tmp_path / "raw" / "hub" / "train-00000-of-00001.jsonl", arc_rows(3))
    mapping = tmp_path / "files.yaml"
    mapping.write_text("arc_easy: {validation: raw/easy_*.jsonl, train: raw/hub/train-*.jsonl}\n")
    suite = own_suite(tmp_path, arc_easy={"task": "arc_easy", "shots": 2})
    for data in (tmp_path, mapping):
        (leaf,) = planned(data, suite)[0].leaves
        assert (leaf.split, leaf.shots_from) == ("validation", "train")
        assert leaf.config["dataset_kwargs"]["data_files"] == {
            "train": [str(tmp_path / "raw/hub/train-00000-of-00001.jsonl")],
            "validation": [str(tmp_path / "raw/easy_val.jsonl")],
        }
    mapping.write_text("arc_easy: {val: raw/easy_val.jsonl}\n")
    with pytest.raises(UsageError, match="arc_easy: found the split 'val', expected one of train"):
        planned(tmp_path, suite)
    mapping.write_text("arc_easy: {validation: raw/easy_val.jsonl, train: raw/x.arrow}\n")
    (tmp_path / "raw" / "x.arrow").touch()
    with pytest.raises(UsageError, match="files of several formats"):
        planned(tmp_path, suite)


def test_shots_without_another_split_leave_the_question_itself_out(tmp_path: Path) -> None:
    data = write_folder(tmp_path / "data")
    suite = own_suite(tmp_path, arc_easy={"task": "arc_easy", "shots": 2})
    (found,) = planned(data, suite)
    (leaf,) = found.leaves
    # lm-eval leaves the question out where examples come from what it calls the test split.
    assert leaf.config["fewshot_split"] == leaf.config["test_split"] == "validation"
    assert "2 shots from validation itself, the asked one left out" in found.convention()


def test_what_makes_figures_comparable(tmp_path: Path) -> None:
    data = write_folder(tmp_path / "data")

    def mark(limit: int | None = None, data: Path = data, **entry: object) -> str:
        told = {"task": "arc_easy", "shots": 0, "metric": "acc", **entry}
        return planned(data, own_suite(tmp_path, arc_easy=told), limit)[0].hash()

    same = mark()
    assert same == mark(data=write_folder(tmp_path / "elsewhere")), "paths do not count"
    others = [mark(shots=1), mark(metric="acc_norm"), mark(samples=5), mark(limit=7),
              mark(samples=5, seed=1)]  # fmt: skip
    write_rows(tmp_path / "elsewhere" / "arc_easy" / "validation.jsonl", arc_rows(29))
    others.append(mark(data=tmp_path / "elsewhere"))
    assert len({same, *others}) == len(others) + 1


def test_questions_are_held_out(tmp_path: Path) -> None:
    data = write_folder(tmp_path / "data")
    (data / "piqa" / "validation.jsonl").write_text("{broken\n")
    benchmark = Nlp(suite="paper", data=str(data), tasks=["arc_easy", "siqa", "piqa", "gsm8k"])
    assert benchmark.held_out("What does  goat number 1\neat?")
    assert benchmark.held_out("A hen lays 3 eggs and 2 more. How many?")
    assert benchmark.held_out("A cow lives on farm 0. What does it do?")
    assert not benchmark.held_out("A hen lays 3 eggs") and not benchmark.held_out("")
    assert benchmark.smaller(1).held_out("What does goat number 1 eat?")


def test_without_lm_eval(monkeypatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "lm_eval" else found(name)
    )
    with pytest.raises(SrlmError, match=r"needs the package 'lm_eval'.*pip install 'srlm\[nlp\]'"):
        Nlp()


def test_nothing_heavy_is_imported_before_it_is_needed(tmp_path: Path) -> None:
    data = write_folder(tmp_path)
    code = (
        "import sys\nfrom benchmarks.nlp.benchmark import Nlp\n"
        f"Nlp(data={str(data)!r}, tasks=['siqa']).data_hash()\n"
        "print([m for m in ('torch', 'lm_eval', 'datasets') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
