"""lm-eval in its process: figures equal to its own, failures named, resumed by task."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from backends.engines.caller import Caller
from backends.engines.hf import HfEngine
from benchmarks.benchmark import Evaluation
from benchmarks.nlp.benchmark import Nlp
from benchmarks.nlp.records import RUNS, Sample, TaskRun, samples_file
from benchmarks.nlp.shipped import tasks_folder
from harness.failed_calls import reopen_failed
from harness.rehearsal import rehearse
from results.cache import CallCache
from results.errors import UsageError
from results.lines import read_jsonl
from results.store import RecordFile
from tests.nlp_files import piqa_rows, write_folder, write_rows

ROOT = Path(__file__).parents[2]
BATCH = 8
SUITE = {
    "arc_easy": {"task": "arc_easy", "shots": 1, "metric": "acc_norm"},
    "siqa": {"task": "social_iqa", "shots": 0},
    "mmlu": {"task": ["mmlu_formal_logic", "mmlu_logical_fallacies"], "shots": 2},
    "piqa": {"task": "piqa", "shots": 0},
    "few": {"task": ["social_iqa", "piqa"], "shots": 0, "samples": 8, "seed": 3},
    "gsm8k": {"task": "gsm8k", "shots": 0, "metric": "exact_match", "filter": "flexible-extract"},
}


class Ctrl(Exception):
    """Stands for an interruption."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_folder(tmp_path_factory.mktemp("nlp"))
    (folder / "suite.yaml").write_text(yaml.safe_dump({"metrics": SUITE}, sort_keys=False))
    (folder / "piqa" / "validation.jsonl").write_text('{"goal": "cut off\n')
    return folder


def evaluate(model: Path, data: Path, out: Path, notes: list[str], stop: str = "",
             **options: Any) -> Evaluation:  # fmt: skip
    benchmark = Nlp(suite=str(data / "suite.yaml"), data=str(data), **options)

    def told(line: str) -> None:
        notes.append(line)
        if stop and stop in line:
            raise Ctrl

    with CallCache(out.parent / f"{out.name}.sqlite") as cache:
        caller = Caller(HfEngine(str(model), batch_size=BATCH), cache, on_note=told)
        return benchmark.evaluate(caller, None, None, out, 0)


@pytest.fixture(scope="module")
def first(tiny_llama: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """An evaluation with a damaged file that is interrupted after its second task, and gone on with
    when the file is mended.
    """
    out, notes = tmp_path_factory.mktemp("out") / "evaluation", [[], []]
    with pytest.raises(Ctrl):
        evaluate(tiny_llama, data, out, notes[0], stop="nlp: siqa 0.")
    begun = RecordFile(out / RUNS, TaskRun).read()
    kept = samples_file(out, "arc_easy").stat().st_mtime_ns
    write_rows(data / "piqa" / "validation.jsonl", piqa_rows(10))
    found = evaluate(tiny_llama, data, out, notes[1])
    return out, found, notes, begun, kept


def done(notes: list[str]) -> list[str]:
    return [line.split()[1] for line in notes if " samples" in line]


def test_a_damaged_file_is_named_and_the_other_tasks_run(first: Any, data: Path) -> None:
    _, _, notes, begun, _ = first
    # Known before the model is loaded; both that read the file fail.
    assert [run.metric for run in begun] == ["piqa", "few", "arc_easy", "siqa"]
    for run in begun[:2]:
        assert run.finish_reason == "error" and "\n" not in run.text
        assert f"{data / 'piqa' / 'validation.jsonl'}: cannot be read as json" in run.text
    assert done(notes[0]) == ["arc_easy", "siqa"]
    assert any(line.startswith("nlp: piqa failed: ") for line in notes[0])


def test_an_interrupted_run_goes_on_by_task(first: Any) -> None:
    out, found, notes, _, kept = first
    assert samples_file(out, "arc_easy").stat().st_mtime_ns == kept
    assert done(notes[1]) == ["mmlu", "piqa", "few"]
    assert found.n == 30 + 20 + 21 + 10 + 8 and list(found.metrics) == list(SUITE)
    assert RecordFile(out / RUNS, TaskRun).done


def test_a_task_that_fails_is_null_with_its_reason(first: Any) -> None:
    out, found, _, _, _ = first
    gsm8k = found.metrics["gsm8k"]
    # 96 positions are fewer than the tokens that GSM8K's answers may take.
    assert gsm8k.value is None and "Error" in (gsm8k.reason or "")
    assert {v.metric for v in found.values} == set(SUITE) - {"gsm8k"}
    # The same command opens it again, and it alone.
    assert reopen_failed(out) == 1
    runs = RecordFile(out / RUNS, TaskRun)
    assert not runs.done and [run.metric for run in runs.read()] == list(SUITE)[:-1]
    runs.finalise()


def test_figures_and_samples_are_those_of_plain_lm_eval(
    first: Any, data: Path, tiny_llama: Path, tmp_path: Path
) -> None:
    out, found, _, _, _ = first
    theirs = plain(data, tiny_llama, tmp_path)
    for metric, tasks, score in (
        ("arc_easy", ["arc_easy"], "acc_norm"),
        ("siqa", ["social_iqa"], "acc"),
        ("mmlu", ["mmlu_formal_logic", "mmlu_logical_fallacies"], "acc"),
    ):
        ours = read_jsonl(samples_file(out, metric), Sample)
        assert {s.task for s in ours} == set(tasks)
        for sample in ours:
            assert sample.scores == theirs["samples"][sample.task][str(sample.doc_id)]
            assert sample.value == sample.scores[score]
        sizes = {task: len(theirs["samples"][task]) for task in tasks}
        whole = sum(theirs["results"][t][f"{score},none"] * n for t, n in sizes.items())
        assert found.metrics[metric].value == pytest.approx(whole / sum(sizes.values()), abs=1e-15)
    convention = found.metrics["mmlu"].convention
    assert (
        convention.startswith("acc, 2 shots from dev, ")
        and "21 local samples of test" in convention
    )
    assert {v.category for v in found.values if v.metric == "mmlu"} == {
        "formal_logic", "logical_fallacies",
    }  # fmt: skip


def plain(data: Path, model: Path, tmp_path: Path) -> dict[str, Any]:
    """The same tasks by lm-eval alone, from task files written here."""
    tasks = tmp_path / "plain"
    tasks.mkdir()
    shipped = tasks_folder()

    def write(name: str, include: str, shots: int, **files: Path) -> None:
        splits = {"training_split": None, "validation_split": None, "fewshot_split": "test"}
        if "dev" in files:
            splits["fewshot_split"] = "dev"
        told = {
            "include": str(shipped / include), "task": name, "num_fewshot": shots,
            "dataset_path": "json", "dataset_name": None, "test_split": "test", **splits,
            "dataset_kwargs": {"data_files": {k: str(v) for k, v in files.items()}},
        }  # fmt: skip
        (tasks / f"{name}.yaml").write_text(yaml.safe_dump(told))

    write("arc_easy", "arc/arc_easy.yaml", 1, test=data / "arc_easy/validation.jsonl")
    write("social_iqa", "siqa/siqa.yaml", 0, test=data / "social_iqa/validation.jsonl.gz")
    for part in ("formal_logic", "logical_fallacies"):
        files = {split: data / "mmlu" / part / f"{split}.jsonl" for split in ("test", "dev")}
        write(f"mmlu_{part}", f"mmlu/default/mmlu_{part}.yaml", 2, **files)
    out = tmp_path / "plain.json"
    command = [sys.executable, "-m", "tests.workers.plain_lm_eval", str(tasks), str(model),
               str(BATCH), str(out)]  # fmt: skip
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(tmp_path / "hf")}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(out.read_text())
    return found


def test_a_subset_keeps_its_rows(first: Any) -> None:
    out, _, _, _, _ = first
    whole = {(s.task, s.doc_id): s for m in ("siqa", "piqa")
             for s in read_jsonl(samples_file(out, m), Sample)}  # fmt: skip
    few = read_jsonl(samples_file(out, "few"), Sample)
    assert len({(s.task, s.doc_id) for s in few}) == len(few) == 8
    assert {s.task for s in few} == {"social_iqa", "piqa"}, "drawn from both together"
    for sample in few:  # each is the row that it says it is
        assert sample.doc_hash == whole[sample.task, sample.doc_id].doc_hash
        assert sample.value == whole[sample.task, sample.doc_id].value


def test_rehearsal_checks_and_runs_nothing(data: Path, tmp_path: Path) -> None:
    suite = str(data / "suite.yaml")
    benchmark = Nlp(suite=suite, data=str(data), tasks=["arc_easy"])
    found = rehearse(benchmark, None, None, 0)
    assert found.model == [] and found.data
    with pytest.raises(UsageError, match="no data for 1 of 1 tasks: nq"):
        rehearse(Nlp(data=str(data), tasks=["nq"]), None, None, 0)


def test_an_engine_that_lm_eval_cannot_open(data: Path, tmp_path: Path) -> None:
    class Other:
        identity, startup_seconds = "other", 0.0  # and no way to open it

    benchmark = Nlp(data=str(data), tasks=["arc_easy"])
    with CallCache(tmp_path / "c.sqlite") as cache, pytest.raises(UsageError, match="engine Other"):
        benchmark.evaluate(Caller(Other(), cache), None, None, tmp_path, 0)  # type: ignore[arg-type]
