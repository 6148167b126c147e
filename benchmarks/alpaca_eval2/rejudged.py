"""Stored pairs judged anew by another judge, so that the two can be set side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from backends.engines.caller import Caller
from benchmarks.alpaca_eval2.annotations import Annotations
from benchmarks.alpaca_eval2.annotator import Annotator, judge_outputs, preference
from benchmarks.alpaca_eval2.outputs import Item
from benchmarks.alpaca_eval2.win_rate import DISCRETE
from benchmarks.alpaca_eval2.written import annotation_rows
from benchmarks.benchmark import evenly
from judges.judging import unscored
from judges.pointwise import cluster_of
from results.errors import SrlmError
from results.files import write_json
from results.records import PairJudgment, Unscored
from results.text import slug
from results.weights import text_hash


def sampled(found: Sequence[Annotations], sample: int | None) -> list[Annotations]:
    """The rows of ``sample`` prompts, evenly from those that all models have with a preference, the
    same for each; null = all rows with a preference. What nobody can compare with is left out.

    Raises:
        SrlmError: no prompt has a preference for every model.
    """
    scored = [{row.instruction for row in model.rows if row.share is not None} for model in found]
    if sample is None:
        kept = [replace(m, rows=[r for r in m.rows if r.share is not None]) for m in found]
    else:
        shared = set.intersection(*scored)
        prompts = [row.instruction for row in found[0].rows if row.instruction in shared]
        chosen = set(evenly(prompts, sample))
        kept = [replace(m, rows=[r for r in m.rows if r.instruction in chosen]) for m in found]
    if not all(model.rows for model in kept):
        raise SrlmError(
            f"found no prompt with a preference for all {len(found)} models, expected some to "
            "judge again; give judge.sample=null, or a file of models with the same prompts"
        )
    return kept


def folder_of(model: str, folder: Path) -> Path:
    """Where the judgments of a model's pairs are kept."""
    return folder / "models" / f"{slug(model)[:60]}-{text_hash(model)[:8]}"


@dataclass(frozen=True)
class Rejudged:
    """One model's pairs with the new judge's preferences; ``discrete``: the judge gave verdicts
    alone where the annotator wants preferences between win and loss.
    """

    found: Annotations
    judgments: dict[str, PairJudgment]
    discrete: bool

    @property
    def asked(self) -> bool:
        """Whether the judge was asked at all: identical outputs need no call."""
        return any(judgment.call is not None for judgment in self.judgments.values())

    @property
    def unscored(self) -> Unscored:
        """Pairs without a preference."""
        return unscored(list(self.judgments.values()))


def rejudge(
    judge: Caller, name: str, of: Annotator, found: Annotations, folder: Path, seed: int
) -> Rejudged:
    """Asks the judge about every pair of one model.

    Args:
        judge: who is asked.
        name: how the new annotator is called.
        of: the annotator whose prompt, order and decoding are used.
        found: the stored pairs; what is said of them is not looked at.
        folder: for the records; a finalised file is read, not made again.
        seed: of decoding.
    """
    items = [
        Item(cluster_of(row.instruction), row.instruction, row.dataset, row.output_1)
        for row in found.rows
    ]
    outputs = {item.id: row.output_2 for item, row in zip(items, found.rows, strict=True)}
    judged = judge_outputs(judge, of, items, outputs, folder, seed)
    rows = [
        row.model_copy(update={"annotator": name, "preference": preference(of, judgment)})
        for row, judgment in zip(found.rows, judged.judgments, strict=True)
    ]
    by_prompt = {judgment.prompt_id: judgment for judgment in judged.judgments}
    return Rejudged(
        Annotations(found.model, found.baseline, name, rows), by_prompt, judged.discrete
    )


def write_rejudged(found: Sequence[Rejudged], path: Path) -> None:
    """Writes the ``annotations.json`` of all models. Where the judge gave verdicts alone, for any
    of them, ``(discrete)`` stands behind its name in all rows.
    """
    mark = DISCRETE if any(one.discrete for one in found) else ""
    rows = []
    for one in found:
        named = [
            row.model_copy(update={"annotator": f"{row.annotator}{mark}"}) for row in one.found.rows
        ]
        rows += annotation_rows(replace(one.found, rows=named), one.judgments)
    write_json(path, rows)
