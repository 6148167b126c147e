"""All nine NLP tasks on the quick start's M1 and M3 against plain lm-eval: ``make nlp``.

Ours goes through ``srlm eval``; theirs is lm-eval's own command on task files that are written
here, with the same files, model and batch size. Scores of samples and aggregates must be equal.
Needs the real data. ``--samples N`` takes N rows of each task, spread over it, in place of all.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

import yaml

from benchmarks.nlp.records import Sample, samples_file
from benchmarks.nlp.shipped import leaves
from benchmarks.nlp.suite import load_suite
from results.lines import read_jsonl
from tests.real_data import real_data_path

OUT = Path("runs/proofs/nlp")
BATCH = 64
MAX_LENGTH = 1024  # tokens: two answers of PIQA have more than the 512 that the model was made for
ARROW = {
    "arc_easy": "arc_easy_validation",
    "arc_challenge": "arc_challenge_validation",
    "siqa": "social_i_qa_validation",
    "piqa": "piqa_validation",
    "obqa": "openbookqa_validation",
    "nq": "nq_open_validation",
}
Files = dict[str, dict[str, str]]


def local_files(data: Path, out: Path) -> Files:
    """Pattern by metric and split, MMLU unpacked into ``out``; written as ``files.yaml`` there."""
    if not (out / "mmlu_no_train").is_dir():
        with tarfile.open(next((data / "mmlu").glob("*.tar.gz"))) as packed:
            packed.extractall(out, filter="data")
    found: Files = {
        name: {"validation": str(data / "hf_arrow" / f"{file}.arrow")}
        for name, file in ARROW.items()
    }
    (hellaswag,) = (data / "hellaswag").glob("*.jsonl.gz")
    found["hellaswag"] = {"validation": str(hellaswag)}
    gsm8k = data / "gsm8k"
    found["gsm8k"] = {
        "train": str(gsm8k / "train_first64.jsonl"),
        "test": str(gsm8k / "test.jsonl.gz"),
    }
    place = str((out / "mmlu_no_train").resolve())
    found["mmlu"] = {split: f"{place}/{{part}}/{split}/*.arrow" for split in ("dev", "test")}
    (out / "files.yaml").write_text(yaml.safe_dump(found))
    return found


def plain_tasks(files: Files, out: Path) -> dict[str, list[str]]:
    """Task files for lm-eval's own command; returns its tasks by metric."""
    out.mkdir(parents=True, exist_ok=True)
    named: dict[str, list[str]] = {}
    for metric, entry in load_suite("local").metrics.items():
        for name, path in leaves(entry.asked[0]):
            part = name.removeprefix("mmlu_")
            splits = {s: p.replace("{part}", part) for s, p in files[metric].items()}
            kind = "json" if ".jsonl" in next(iter(splits.values())) else "arrow"
            asked = "test" if "test" in splits else "validation"
            examples = next((s for s in ("dev", "train") if s in splits), asked)
            told: dict[str, Any] = {
                "include": str(path), "task": name, "num_fewshot": entry.shots,
                "dataset_path": kind, "dataset_name": None,
                "dataset_kwargs": {"data_files": splits},
                "training_split": None, "validation_split": None,
                "test_split": asked, "fewshot_split": examples,
            }  # fmt: skip
            (out / f"{name}.yaml").write_text(yaml.safe_dump(told))
            named.setdefault(metric, []).append(name)
    return named


def plain(model: Path, tasks: dict[str, list[str]], rows: dict[str, list[int]], out: Path) -> float:
    """lm-eval's own command into ``out``; returns its seconds."""
    began = time.monotonic()
    names = [name for metric in tasks.values() for name in metric if not rows or name in rows]
    command = [
        sys.executable, "-m", "lm_eval", "run", "--model", "hf",
        "--model_args", f"pretrained={model.resolve()}", "dtype=auto", f"max_length={MAX_LENGTH}",
        "--tasks", ",".join(names), "--include_path", str(OUT / "tasks"),
        "--device", "cpu", "--batch_size", str(BATCH), "--output_path", str(out),
        "--log_samples", *(["--samples", json.dumps(rows)] if rows else []),
    ]  # fmt: skip
    with (out.parent / f"{out.name}.log").open("wb") as log:
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
        subprocess.run(command, check=True, stdout=log, stderr=log, env=environment)
    return time.monotonic() - began


def ours(model: Path, out: Path, limit: int | None) -> float:
    """``srlm eval`` into ``out``; returns its seconds."""
    began = time.monotonic()
    options = ["options.suite=local", f"options.data={OUT}", f"engine.batch_size={BATCH}",
               f"options.max_length={MAX_LENGTH}"]  # fmt: skip
    options += [] if limit is None else [f"options.limit={limit}"]
    command = [sys.executable, "-m", "harness.cli", "eval", f"hf:{model}", "--benchmark", "nlp",
               "--out", str(out), *options]  # fmt: skip
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def same(ours: Sample, theirs: dict[str, Any], metric: str) -> bool:
    """Whether prompt, target, score and, where the model wrote one, its answer are equal."""
    wrote = [x for x in theirs["filtered_resps"] if isinstance(x, str)]
    return (
        (ours.doc_hash, ours.prompt_hash, ours.target_hash, ours.value)
        == (theirs["doc_hash"], theirs["prompt_hash"], theirs["target_hash"], theirs[metric])
    ) and (not wrote or ours.answers == wrote)


def compare(evaluation: Path, theirs: Path, tasks: dict[str, list[str]]) -> list[str]:
    """A line for every metric; those with a difference say DIFFERS."""
    results = json.loads(max(theirs.rglob("results_*.json")).read_text())["results"]
    metrics = json.loads((evaluation / "metrics.json").read_text())["metrics"]
    lines = []
    for metric, entry in load_suite("local").metrics.items():
        samples = read_jsonl(samples_file(evaluation, metric), Sample)
        key = f"{entry.metric},{entry.filter}"
        wrong = 0
        for name in tasks[metric]:
            own = {s.doc_id: s for s in samples if s.task == name}
            if not own:
                continue
            file = max(theirs.rglob(f"samples_{name}_*.jsonl"))
            told = [json.loads(line) for line in file.read_text().splitlines()]
            rows = {row["doc_id"]: row for row in told if row["filter"] == entry.filter}
            wrong += len(own.keys() ^ rows.keys())
            wrong += sum(not same(own[i], rows[i], entry.metric) for i in own.keys() & rows)
        sizes = {name: sum(s.task == name for s in samples) for name in tasks[metric]}
        sums = [results[name][key] * n for name, n in sizes.items() if n]
        value = results[tasks[metric][0]][key] if len(sums) == 1 else sum(sums) / len(samples)
        equal = not wrong and abs(metrics[metric]["value"] - value) < 1e-12
        lines.append(
            f"{metric:14} {len(samples):6} samples  ours {metrics[metric]['value']:.6f}  lm_eval "
            f"{value:.6f}  {wrong} samples differ  {'equal' if equal else 'DIFFERS'}"
        )
    return lines


def main() -> int:
    """Prints the comparison; exit code 1 where anything differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, help="rows of each task (default: all)")
    parser.add_argument("--run", type=Path, default=Path("runs/quickstart"))
    arguments = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    files = local_files(real_data_path("nlp").resolve(), OUT)
    tasks = plain_tasks(files, OUT / "tasks")
    if not (arguments.run / "iter_3" / "checkpoint").is_dir():
        command = [sys.executable, "-m", "harness.cli", "run", "quickstart", "--out", arguments.run]
        subprocess.run(command, check=True)
    found = []
    for k in (1, 3):
        model = arguments.run / f"iter_{k}" / "checkpoint"
        mark = "all" if arguments.samples is None else str(arguments.samples)
        evaluation, theirs = OUT / f"M{k}-{mark}", OUT / f"M{k}-{mark}-lm_eval"
        seconds = ours(model, evaluation, arguments.samples)
        rows: dict[str, list[int]] = {}
        if arguments.samples is not None:
            for metric in tasks:
                for sample in read_jsonl(samples_file(evaluation, metric), Sample):
                    rows.setdefault(sample.task, []).append(sample.doc_id)
        if not theirs.is_dir():
            plain_seconds = plain(model, tasks, rows, theirs)
            print(f"M{k}: {seconds:.0f} s, plain lm_eval {plain_seconds:.0f} s")
        lines = compare(evaluation, theirs, tasks)
        print("\n".join(lines), flush=True)
        found += lines
    return 1 if any("DIFFERS" in line for line in found) else 0


if __name__ == "__main__":
    sys.exit(main())
