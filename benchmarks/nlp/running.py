"""Runs the tasks of a suite in lm-eval's process, and goes on with those that are not done."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from backends.engines.caller import Caller, Tally
from backends.engines.engine import LmEvalModel
from backends.process import run_worker
from benchmarks.nlp.records import RUNS, TASKS, TaskRun, samples_file
from benchmarks.nlp.tasks import Planned
from results.errors import SrlmError
from results.files import file_sha256, write_bytes
from results.store import RecordFile, write_json
from results.weights import text_hash

WORKER = "benchmarks.nlp.worker"
OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
QUIET = {"OMP_WAIT_POLICY": "PASSIVE", "TOKENIZERS_PARALLELISM": "false",
         "HF_HUB_DISABLE_TELEMETRY": "1", "PYTHONWARNINGS": "ignore"}  # fmt: skip


def run_tasks(
    planned: Sequence[Planned], model: Caller, opened: LmEvalModel, folder: Path, silence_s: float
) -> dict[str, TaskRun]:
    """Runs what ``folder`` does not hold yet of this model; returns every metric's record.

    Args:
        planned: what is to be measured.
        model: who is told of progress; its engine's identity is part of a record's key.
        opened: how lm-eval opens the model.
        folder: keeps task files, samples and records.
        silence_s: lm-eval's process is killed after so long without an answer.

    Raises:
        SrlmError: data cannot be fetched, the server cannot be asked, or the process ended.
    """
    file = RecordFile(folder / RUNS, TaskRun)
    bound = opened.arguments.get("max_length")
    keys = {p.metric: text_hash([model.engine.identity, bound, p.hash()]) for p in planned}
    done = {
        run.metric: run
        for run in file.read()
        if run.finish_reason == "stop" and keys.get(run.metric) == run.key
    }
    if file.done:
        return {run.metric: run for run in file.read() if run.metric in keys}
    todo = [p for p in planned if p.metric not in done]
    if todo:
        done |= _run(todo, keys, model, opened, folder, file, silence_s)
    file.replace([done[p.metric] for p in planned if p.metric in done])
    return done


def _run(
    todo: Sequence[Planned], keys: dict[str, str], model: Caller, opened: LmEvalModel,
    folder: Path, file: RecordFile[TaskRun], silence_s: float,
) -> dict[str, TaskRun]:  # fmt: skip
    found: dict[str, TaskRun] = {}
    ends: list[str] = []
    of = len(todo)

    def record(event: dict[str, Any], **facts: Any) -> TaskRun:
        metric = event["metric"]
        run = TaskRun(metric=metric, key=keys[metric], **facts)
        file.append([run])
        found[metric] = run
        model.on_batch(Tally(done=len(found)), of)
        return run

    def on_event(event: dict[str, Any]) -> None:
        kind = event["event"]
        if kind == "answers":
            model.on_note(f"nlp: {event['metric']}: {event['done']} answers")
        elif kind == "failed":
            run = record(event, finish_reason="error", text=event["why"])
            model.on_note(f"nlp: {run.metric} failed: {run.text}; the same command tries it again")
        elif kind == "done":
            model.on_time(event["seconds"], 0.0)
            run = record(
                event, finish_reason="stop",
                sha256=file_sha256(samples_file(folder, event["metric"])),
                **{key: event[key] for key in ("n", "upstream", "prompt", "docs")},
            )  # fmt: skip
            shown = "no aggregate" if run.upstream is None else f"{run.upstream:.3f}"
            model.on_note(
                f"nlp: {run.metric} {shown} on {run.n} samples, "
                f"{len(found)} of {of} tasks, {event['seconds']:.0f} s"
            )
        elif kind == "missing":
            lacking = "; ".join(f"{metric}: {why}" for metric, why in event["why"].items())
            ends.append(
                f"nlp: no data for {len(event['why'])} tasks, and nothing was run: {lacking}. Run "
                "once where the hub can be reached, or put the files in a folder and name it "
                "with options.data (docs/nlp.md)"
            )
        elif kind == "refused":
            ends.append(f"nlp: {event['why']}")

    with tempfile.TemporaryDirectory(prefix="srlm-nlp-") as cache:
        job = folder / TASKS / "job.json"
        write_json(job, _job(todo, opened, folder))
        local = all(leaf.files is not None for p in todo for leaf in p.leaves)
        offline = OFFLINE if local and opened.kind == "hf" else {}
        environment = {**QUIET, **offline, **opened.environment}
        if local:  # copies of local files are no use to anybody after this
            environment["HF_DATASETS_CACHE"] = cache
        log = folder / TASKS / "lm_eval.log"
        run_worker(WORKER, [str(job)], log, environment, on_event, silence_s)
    if ends:
        raise SrlmError(ends[0])
    return found


def _job(todo: Sequence[Planned], opened: LmEvalModel, folder: Path) -> dict[str, Any]:
    """What the process is told; writes the task files that plain lm-eval can be given too."""
    metrics = []
    for planned in todo:
        tasks = []
        for leaf in planned.leaves:
            path = folder / TASKS / planned.metric / f"{leaf.name}.yaml"
            write_bytes(path, leaf.text().encode())
            files = [] if leaf.files is None else [
                str(p) for paths in leaf.files.splits.values() for p in paths
            ]  # fmt: skip
            builder = None if leaf.files is None else leaf.files.builder
            tasks.append({"name": leaf.name, "part": leaf.part, "file": str(path.resolve()),
                          "files": files, "builder": builder})  # fmt: skip
        entry = planned.entry
        metrics.append(
            {
                "metric": planned.metric,
                "tasks": tasks,
                "score": entry.metric,
                "filter": entry.filter,
                "samples": planned.samples,
                "seed": entry.seed,
                "generates": all(leaf.generates for leaf in planned.leaves),
                "local": all(leaf.files is not None for leaf in planned.leaves),
            }
        )
    model = {"kind": opened.kind, "arguments": opened.arguments}
    return {"folder": str(folder.resolve()), "model": model, "metrics": metrics}
