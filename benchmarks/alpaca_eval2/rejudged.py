"""Stored pairs judged anew by another judge, so that the two can be set side by side."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from backends.engines.caller import Caller
from benchmarks.alpaca_eval2.annotations import Annotation, Annotations
from benchmarks.alpaca_eval2.annotator import Annotator, judge_outputs, preference
from benchmarks.alpaca_eval2.outputs import Item
from benchmarks.alpaca_eval2.written import write_annotations
from benchmarks.benchmark import evenly
from judges.judging import unscored
from judges.pointwise import cluster_of
from results.records import Unscored

ANNOTATIONS = "annotations.json"


def sampled(found: Sequence[Annotations], sample: int | None) -> list[Annotations]:
    """``sample`` rows of every model, evenly from the file; null = all."""
    if sample is None:
        return list(found)
    return [replace(model, rows=evenly(model.rows, sample)) for model in found]


def folder_of(model: str, folder: Path) -> Path:
    """Where the judgments of a model's pairs are kept."""
    return folder / (re.sub(r"[^A-Za-z0-9._-]+", "-", model).strip("-.") or "model")


def rejudge(
    judge: Caller, name: str, of: Annotator, found: Annotations, folder: Path, seed: int
) -> tuple[Path, Unscored]:
    """Asks the judge about every pair of one model.

    Args:
        judge: who is asked.
        name: how the new annotator is called.
        of: the annotator whose prompt, order and decoding are used.
        found: the stored pairs; what is said of them is not looked at.
        folder: for the records; a finalised file is read, not made again.
        seed: of decoding.

    Returns:
        The ``annotations.json`` that was written, and how many pairs have no preference. Where the
        judge gives no log-probabilities its verdicts stand there whole, and ``(discrete)`` behind
        its name.
    """
    items = [
        Item(cluster_of(row.instruction), row.instruction, row.dataset, row.output_1)
        for row in found.rows
    ]
    outputs = {item.id: row.output_2 for item, row in zip(items, found.rows, strict=True)}
    judged = judge_outputs(judge, of, items, outputs, folder, seed)
    annotator = f"{name} (discrete)" if judged.discrete else name
    rows = [
        Annotation(
            instruction=row.instruction,
            output_1=row.output_1,
            output_2=row.output_2,
            generator_1=row.generator_1,
            generator_2=row.generator_2,
            annotator=annotator,
            dataset=row.dataset,
            preference=preference(of, judgment),
        )
        for row, judgment in zip(found.rows, judged.judgments, strict=True)
    ]
    path = folder / ANNOTATIONS
    by_prompt = {judgment.prompt_id: judgment for judgment in judged.judgments}
    write_annotations(path, Annotations(found.model, found.baseline, annotator, rows), by_prompt)
    return path, unscored(judged.judgments)
