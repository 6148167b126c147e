"""The process that runs lm-eval: ``python -m benchmarks.nlp.worker JOB.json``.

All data are loaded before the model is, and every finished task is written before the next begins.
"""

from __future__ import annotations

import json
import numbers
import os
import random
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from backends.process import become_worker
from benchmarks.nlp.records import Sample, samples_file
from results.store import RecordFile
from results.text import excerpt
from results.weights import text_hash

Emit = Callable[[dict[str, Any]], None]
Loaded = dict[str, Any]  # lm-eval's name -> its task
FEWSHOT_SEED = 1234  # lm-eval's own default
TELL_S = 30.0  # between two words on progress
REASON = 300  # characters of an error


class Progress:
    """Counts the answers of a model as lm-eval gets them: it stands where lm-eval's cache would."""

    def __init__(self, emit: Emit) -> None:
        self.emit, self.metric, self.done, self.told = emit, "", 0, 0.0

    def begin(self, metric: str) -> None:
        """The answers that follow are of ``metric``."""
        self.metric, self.done, self.told = metric, 0, time.monotonic()

    def add_partial(self, *_: Any) -> None:
        """One answer more."""
        self.done += 1
        if time.monotonic() - self.told > TELL_S:
            self.told = time.monotonic()
            self.emit({"event": "answers", "metric": self.metric, "done": self.done})


def main() -> None:
    """Reads the job file named on the command line and runs its tasks."""
    emit = become_worker()
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    from lm_eval.tasks import TaskManager

    # Of no tasks: an index of lm-eval's own takes as long as a small evaluation.
    manager = TaskManager(include_defaults=False)
    loaded, failed = _load_all(job, manager)
    hub = {m["metric"]: failed[m["metric"]] for m in job["metrics"]
           if m["metric"] in failed and not m["local"]}  # fmt: skip
    if hub:
        emit({"event": "missing", "why": hub})
        return
    for metric, reason in failed.items():
        emit({"event": "failed", "metric": metric, "why": reason})
    todo = [m for m in job["metrics"] if m["metric"] in loaded]
    if not todo:
        return
    if (why := _refused(job["model"], any(not m["generates"] for m in todo))) is not None:
        emit({"event": "refused", "why": why})
        return
    import lm_eval.api.registry

    kind, arguments = job["model"]["kind"], job["model"]["arguments"]
    lm = lm_eval.api.registry.get_model(kind).create_from_arg_obj(dict(arguments), {})
    progress = Progress(emit)
    lm.set_cache_hook(progress)
    emit({"event": "opened"})
    for asked in todo:
        name = asked["metric"]
        progress.begin(name)
        started = time.monotonic()
        try:
            found = _run(lm, asked, loaded.pop(name), manager, Path(job["folder"]))
        except Exception as error:  # whatever one task raises, the others go on
            emit({"event": "failed", "metric": name, "why": _why(error)})
            continue
        emit({"event": "done", "metric": name, "seconds": time.monotonic() - started, **found})


def _load_all(job: Mapping[str, Any], manager: Any) -> tuple[dict[str, Loaded], dict[str, str]]:
    """The tasks of every metric with their data, and why some of them cannot be had."""
    loaded: dict[str, Loaded] = {}
    failed: dict[str, str] = {}
    for metric in job["metrics"]:
        try:
            loaded[metric["metric"]] = manager.load([t["file"] for t in metric["tasks"]])["tasks"]
        except Exception as error:  # no network, no such data set, a damaged file
            failed[metric["metric"]] = _damaged(metric) or _why(error)
    return loaded, failed


def _damaged(metric: Mapping[str, Any]) -> str | None:
    """Which local file cannot be read and why, null where all can."""
    import datasets

    for task in metric["tasks"]:
        for path in task["files"]:
            try:
                datasets.load_dataset(task["builder"], data_files=[path])
            except Exception as error:  # datasets and pyarrow raise many kinds
                cause = error.__cause__ or error
                return f"{path}: cannot be read as {task['builder']} ({_why(cause)}); restore it"
    return None


def _run(
    lm: Any, asked: Mapping[str, Any], tasks: Loaded, manager: Any, folder: Path
) -> dict[str, Any]:
    """Runs one metric's tasks and writes their samples."""
    from lm_eval import simple_evaluate

    drawn = _draw({name: len(task.eval_docs) for name, task in tasks.items()}, asked)
    kept = [task for name, task in tasks.items() if drawn is None or drawn[name]]
    results = simple_evaluate(
        lm,
        tasks=kept,
        samples=None if drawn is None else {k: v for k, v in drawn.items() if v},
        task_manager=manager,
        bootstrap_iters=0,
        fewshot_random_seed=FEWSHOT_SEED,
    )
    assert results is not None
    parts = {task["name"]: task["part"] for task in asked["tasks"]}
    samples = [
        _sample(name, parts[name], row, asked)
        for name in parts
        for row in results["samples"].get(name, [])
        if row["filter"] == asked["filter"]
    ]
    RecordFile(samples_file(folder, asked["metric"]), Sample).replace(samples)
    first = next(iter(results["samples"].values()))[0]
    return {
        "n": len(samples),
        "upstream": _upstream(results["results"], Counter(s.task for s in samples), asked),
        "prompt": str(first["arguments"][0][0]),
        "docs": text_hash([[s.doc_hash, s.prompt_hash, s.target_hash] for s in samples]),
    }


def _upstream(
    results: Mapping[str, Any], sizes: Mapping[str, int], asked: Mapping[str, Any]
) -> float | None:
    """lm-eval's own aggregate, that of several tasks weighted by their samples."""
    key = f"{asked['score']},{asked['filter']}"
    values = [(float(results[name][key]), n) for name, n in sizes.items() if key in results[name]]
    if len(values) == 1:
        return values[0][0]
    total = sum(n for _, n in values)
    return sum(value * n for value, n in values) / total if total else None


def _draw(sizes: Mapping[str, int], asked: Mapping[str, Any]) -> dict[str, list[int]] | None:
    """Rows of each task that are asked, drawn from all tasks of the metric together; null = all."""
    n, total = asked["samples"], sum(sizes.values())
    if n is None or n >= total:
        return None
    chosen = sorted(random.Random(f"{asked['seed']}/{asked['metric']}").sample(range(total), n))
    found: dict[str, list[int]] = {}
    begin = 0
    for name, size in sizes.items():
        found[name] = [i - begin for i in chosen if begin <= i < begin + size]
        begin += size
    return found


def _sample(
    name: str, part: str | None, row: Mapping[str, Any], asked: Mapping[str, Any]
) -> Sample:
    scores = {key: float(row[key]) for key in row["metrics"] if _is_number(row[key])}
    if asked["score"] not in scores:
        raise ValueError(
            f"{name}: metric {asked['score']!r} is no number of one sample; there are: "
            f"{', '.join(sorted(scores)) or 'none'}"
        )
    return Sample(
        task=name,
        part=part,
        doc_id=int(row["doc_id"]),
        value=scores[asked["score"]],
        scores=scores,
        target=str(row["target"]),
        answers=list(_plain(row["filtered_resps"])),
        doc_hash=row["doc_hash"],
        prompt_hash=row["prompt_hash"],
        target_hash=row["target_hash"],
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real | np.bool_)


def _plain(answers: Any) -> Iterator[Any]:
    """Log-likelihoods as [number, greedy], everything else as text."""
    for answer in answers:
        if isinstance(answer, tuple | list) and len(answer) == 2 and _is_number(answer[0]):
            yield [float(answer[0]), bool(answer[1])]
        else:
            yield str(answer)


def _refused(model: Mapping[str, Any], likelihoods: bool) -> str | None:
    """Why a server cannot be asked, null where it can: it must give its prompts' likelihoods."""
    if model["kind"] != "local-completions" or not likelihoods:
        return None
    import requests

    url = model["arguments"]["base_url"]
    asked = {"model": model["arguments"]["model"], "prompt": "One two three", "max_tokens": 1,
             "temperature": 0, "logprobs": 1, "echo": True}  # fmt: skip
    key = os.environ.get("OPENAI_API_KEY", "")
    try:
        answer = requests.post(url, json=asked, headers={"Authorization": f"Bearer {key}"},
                               timeout=model["arguments"]["timeout"])  # fmt: skip
    except requests.RequestException as error:
        return f"{url}: no answer ({type(error).__name__}); start the server, or check the address"
    try:
        found = answer.json()["choices"][0]["logprobs"]["token_logprobs"]
        if len(found) > 2 and all(isinstance(p, int | float) for p in found[1:]):
            return None
    except (ValueError, LookupError, TypeError):
        pass
    return (
        f"{url}: gives no log-probabilities of the prompt (status {answer.status_code}), which "
        "multiple-choice tasks need (completions with echo and logprobs); serve the model with "
        "vllm, or keep to tasks that generate (options.tasks)"
    )


def _why(error: BaseException) -> str:
    """The error in a line; one without words is told by the line of code that raised it."""
    said = " ".join(str(error).split())
    frames = traceback.extract_tb(error.__traceback__)
    said = said or (frames[-1].line if frames else None) or "without a reason"
    return excerpt(f"{type(error).__name__}: {said}", REASON)


if __name__ == "__main__":
    main()
