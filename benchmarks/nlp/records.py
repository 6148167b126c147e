"""The records of an NLP evaluation: one a sample, and one a task that was run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from benchmarks.nlp.tasks import Planned
from results.errors import SrlmError
from results.files import file_sha256
from results.lines import read_jsonl
from results.records import Metric, Record, Value
from results.stats import ratio_metric

RUNS, TASKS, SAMPLES = "tasks.jsonl", "tasks", "samples.jsonl"
PREFIX = 16  # hex digits of a sample's hash that name its cluster


class Sample(Record):
    """What a model said to one sample, and what it is worth.

    ``doc_id`` counts the rows of the task's split from 0, also in a subset. ``answers``: per choice
    the log-likelihood and whether it is what greedy decoding gives, or the text that counts after
    the filter. ``scores`` holds all of lm-eval's metrics that are numbers; ``value`` is the
    suite's. The hashes are lm-eval's, of the row, the (first) prompt with its examples, and the
    target.
    """

    task: str
    part: str | None
    doc_id: int
    value: float
    scores: dict[str, float]
    target: str
    answers: list[Any]
    doc_hash: str
    prompt_hash: str
    target_hash: str


class TaskRun(Record):
    """One metric's tasks, run or failed.

    ``key`` is of the model and of what was asked; ``text`` says why it failed; ``upstream`` is
    lm-eval's own aggregate, ``prompt`` the first prompt as the model got it, ``docs`` a hash over
    the samples' hashes, ``sha256`` of the file of samples.
    """

    metric: str
    key: str
    finish_reason: Literal["stop", "error"]
    text: str = ""
    n: int = 0
    upstream: float | None = None
    prompt: str = ""
    docs: str = ""
    sha256: str = ""


def samples_file(folder: Path, metric: str) -> Path:
    """Where an evaluation folder keeps the samples of a metric."""
    return folder / TASKS / metric / SAMPLES


def values_of(metric: str, samples: Sequence[Sample]) -> list[Value]:
    """One value a sample; samples of the same content are resampled together."""
    return [
        Value(
            prompt_id=f"{s.task}/{s.doc_id}",
            metric=metric,
            num=s.value,
            cluster=f"{s.task}/{s.doc_hash[:PREFIX]}",
            category=s.part,
        )
        for s in samples
    ]


def measured(
    planned: Planned, folder: Path, run: TaskRun | None, seed: int
) -> tuple[Metric, list[Value]]:
    """A metric and its values from the records; null with the reason where its tasks failed.

    Raises:
        SrlmError: the samples are not those that were measured.
    """
    name = planned.metric
    if run is None or run.finish_reason == "error":
        why = "was not run" if run is None else run.text
        return ratio_metric(name, [], 0, planned.convention(), seed, missing=why), []
    path = samples_file(folder, name)
    if not path.is_file() or file_sha256(path) != run.sha256:
        raise SrlmError(
            f"{path}: is not the file that was written when {name} was measured; restore it, or "
            f"delete {folder / RUNS} and the same command runs the tasks again"
        )
    values = values_of(name, read_jsonl(path, Sample))
    return ratio_metric(name, values, len(values), planned.convention(len(values)), seed), values
