"""AlpacaEval 2.0 from stored files: no model is called, nothing is fetched."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from benchmarks.alpaca_eval2.annotations import (
    Annotation,
    Annotations,
    Output,
    read_annotations,
    read_outputs,
)
from benchmarks.alpaca_eval2.glm_files import read_coefficients, read_difficulty, read_gamed
from benchmarks.alpaca_eval2.length_control import (
    Array,
    Judged,
    bootstrap,
    controlled,
    predicted,
)
from benchmarks.alpaca_eval2.official import place, places
from benchmarks.alpaca_eval2.win_rate import (
    DISCRETE,
    average_length,
    by_dataset,
    no_shares,
    unscored,
    win_rates,
)
from benchmarks.outside_data import outside_file
from results.errors import SrlmError, UsageError
from results.records import Metric
from results.stats import Ends
from results.tables import leaderboard_row
from results.text import excerpt

MISSING = 20  # rows that a published file may lack and still count as the set in its order
BASELINE = "gpt4_1106_preview"  # whose verbose and concise answers upstream's files describe


class LengthControl(BaseModel):
    """How the length-controlled win rate is had.

    ``gamed``: upstream's df_gamed.csv, for a fit; null = as ``srlm data fetch`` got it.
    ``coefficients``: a CSV of published ones, instead of a fit. ``difficulty``: upstream's
    instruction_difficulty.csv, for these; null = as in ``gamed``, or as fetched. ``c``: of the fit,
    > 0; null = by cross-validation. ``join``: ``prompt`` finds the difficulty of a row by its
    prompt, ``position`` takes the row number, as upstream does (the published figures of incomplete
    sets are such). ``rounds``: of the bootstrap that refits.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    gamed: Path | None = None
    coefficients: Path | None = None
    difficulty: Path | None = None
    c: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    join: Literal["prompt", "position"] = "prompt"
    rounds: int = Field(default=1000, ge=1)

    @model_validator(mode="after")
    def _one_way(self) -> LengthControl:
        if self.coefficients is not None and self.c is not None:
            raise ValueError("coefficients and c are both set; c is of a fit, leave one out")
        return self


def rows(annotations: Path, outputs: Path | None = None, baseline_outputs: Path | None = None,
         control: LengthControl | None = None, seed: int = 0) -> list[dict[str, Any]]:  # fmt: skip
    """A leaderboard row for every model of an ``annotations.json``, in file order.

    Args:
        annotations: what a judge said of pairs of outputs.
        outputs: the model's ``model_outputs.json``: its lengths count, and the rows must show its
            texts.
        baseline_outputs: the baseline's, the whole set: the rows must show its texts, and its
            prompts say how many there are.
        control: of length; null = without files, so without that figure.
        seed: of the intervals.

    Raises:
        SrlmError: a file is none of its kind, or the rows show outputs of another set.
    """
    control = control or LengthControl()
    theirs = read_outputs(baseline_outputs) if baseline_outputs else None
    ours = read_outputs(outputs) if outputs else None
    found = read_annotations(annotations)
    if ours is not None and len(found) > 1:
        raise UsageError(
            f"{annotations}: found {len(found)} models, expected one with --outputs; split the file"
        )
    for model in found:
        if theirs is not None:
            _same_texts(annotations, model.rows, "output_1", theirs, baseline_outputs)
        if ours is not None:
            _same_texts(annotations, model.rows, "output_2", ours, outputs)
    return [_row(model, ours, theirs, control, seed) for model in found]


def _row(model: Annotations, ours: Sequence[Output] | None, theirs: Sequence[Output] | None,
         control: LengthControl, seed: int) -> dict[str, Any]:  # fmt: skip
    official = all(place(row.instruction) is not None for row in model.rows)
    of = len(theirs) if theirs is not None else len(places()) if official else len(model.rows)
    texts = _outputs(model, ours, theirs, official)
    metrics: dict[str, Any] = win_rates(model, of, seed)
    verdicts = model.annotator.endswith(DISCRETE)
    if verdicts:  # as where they were made: no verdict stands under the name of a preference
        names = ("win_rate", "standard_error", "lc_win_rate", "lc_standard_error")
        metrics |= {name: no_shares(name, metrics["win_rate"].n, of) for name in names}
    else:
        metrics |= length_controlled(model, of, official, control, seed)
    metrics["avg_length"] = average_length(texts, of)
    if not verdicts and (parts := by_dataset(model, seed)):
        metrics["datasets"] = parts
    return leaderboard_row(
        model.model,
        "alpaca_eval2",
        model.annotator,
        int(metrics["n_total"].value),
        metrics,
        unscored(model),
        _note(model, of, metrics["lc_win_rate"].reason),
        baseline=model.baseline,
    )


def _outputs(model: Annotations, ours: Sequence[Output] | None, theirs: Sequence[Output] | None,
             official: bool) -> list[str]:  # fmt: skip
    """The model's outputs to the prompts of the set: a file of outputs may be of a larger one."""
    if ours is None:
        return [row.output_2 for row in model.rows]
    if theirs is None and official:
        return [output.output for output in ours if place(output.instruction) is not None]
    prompts = {pair.instruction for pair in (model.rows if theirs is None else theirs)}
    return [output.output for output in ours if output.instruction in prompts]


def length_controlled(model: Annotations, of: int, official: bool, control: LengthControl,
                      seed: int) -> dict[str, Metric]:  # fmt: skip
    """``lc_win_rate`` and ``lc_standard_error``; null with a reason where they cannot be had.

    Args:
        model: its rows.
        of: prompts of the whole set.
        official: whether all of its prompts are AlpacaEval's.
        control: how; files that it needs and that are not there are a reason.
        seed: of the interval.
    """
    n = sum(row.share is not None for row in model.rows)

    def metric(name: str, value: float | None, ends: Ends, said: str) -> Metric:
        null = value is None
        return Metric(
            name=name,
            value=value,
            low=ends[0],
            high=ends[1],
            n=n,
            of=of,
            convention="preference at equal length" if null else said,
            reason=said if null else None,
        )

    why = _why_not(model, official, control)
    if why is None:
        control, why = _with_files(control)
    if why is not None:
        return {
            name: metric(name, None, (None, None), why)
            for name in ("lc_win_rate", "lc_standard_error")
        }
    by_prompt, ends, said = _controlled(model, control, seed)
    error = float(by_prompt.std(ddof=1) / math.sqrt(len(by_prompt))) if len(by_prompt) > 1 else None
    return {
        "lc_win_rate": metric("lc_win_rate", float(by_prompt.mean()), ends, said),
        "lc_standard_error": metric(
            "lc_standard_error",
            error,
            (None, None),
            "of the mean over prompts (ddof 1), the coefficients held",
        ),
    }


def _why_not(model: Annotations, official: bool, control: LengthControl) -> str | None:
    """Why there is no length-controlled win rate, with the mend; null where there is one."""
    known = len(places())
    if not official:
        return f"some prompts are none of AlpacaEval's {known}: their difficulty is not known"
    if model.baseline != BASELINE:
        return f"the baseline is {excerpt(model.baseline)!r}; upstream's files are of {BASELINE}"
    if len(model.rows) < known and control.join == "prompt":
        return f"{len(model.rows)} of {known} prompts are there; annotate the rest"
    if control.join == "position" and not _in_order(model):
        return (
            "control.join=position takes row numbers for prompts, and these rows are not the set "
            f"in its order with at most {MISSING} missing; leave it out"
        )
    if not any(row.share is not None for row in model.rows):
        return "no row has a preference"
    if len({len(row.output_1) - len(row.output_2) for row in model.rows}) < 2:
        return "all outputs differ by the same length from the baseline's: nothing to control for"
    return None


def _in_order(model: Annotations) -> bool:
    """Whether the rows are the set in its order with a few left out, as upstream's function wants
    them.
    """
    found = [place(row.instruction) for row in model.rows]
    numbers = [number for number in found if number is not None]
    whole = len(numbers) == len(found) >= len(places()) - MISSING
    return whole and numbers == sorted(numbers)


def _with_files(control: LengthControl) -> tuple[LengthControl, str | None]:
    """``control`` with the file that it needs from the data folder where none is named; and what is
    missing and how to get it, null where nothing is.
    """
    named = (control.gamed, control.difficulty if control.coefficients else None)
    if any(path is not None for path in named):
        return control, None
    key, file = "gamed", "df_gamed.csv"
    if control.coefficients is not None:
        key, file = "difficulty", "instruction_difficulty.csv"
    try:
        return control.model_copy(update={key: outside_file("alpaca_eval", file)}), None
    except SrlmError as error:
        return control, f"{error}; or name it: control.{key}=FILE"


def _controlled(model: Annotations, control: LengthControl, seed: int) -> tuple[Array, Ends, str]:
    """The preference at equal length by prompt, the interval of its mean, and the convention."""
    ordered = list(model.rows)
    if control.join == "prompt":
        ordered.sort(key=lambda row: place(row.instruction) or 0)
    joined = "" if control.join == "prompt" else "; difficulty by row number"
    at = np.arange(len(ordered))
    gamed = read_gamed(control.gamed) if control.gamed is not None else None
    if control.coefficients is not None:
        published = read_coefficients(control.coefficients, model.model)
        difficulty = read_difficulty(control.difficulty) if control.difficulty else None
        if difficulty is None:
            assert gamed is not None  # _with_files
            difficulty = gamed.difficulty
        said = f"preference at equal length by published coefficients{joined}"
        return predicted(published, difficulty[at]), (None, None), said
    assert gamed is not None  # _with_files
    judged = Judged(
        at,
        np.array([float(len(row.output_1) - len(row.output_2)) for row in ordered]),
        np.array([math.nan if row.share is None else row.share for row in ordered]),
    )
    fitted = controlled(judged, gamed, control.c)
    ends = bootstrap(judged, gamed, fitted, seed, control.rounds)
    chosen = "by cross-validation" if control.c is None else "given"
    said = (
        f"preference at equal length, fitted with C = {fitted.c:.5g} ({chosen}); interval: "
        f"refitted over resampled prompts{joined}"
    )
    return fitted.by_prompt, ends, said


def _note(model: Annotations, of: int, uncontrolled: str | None) -> str | None:
    """What is odd about the rows, in words, and why length is not controlled for; null where there
    is nothing to say.
    """
    parts = []
    if len(model.rows) < of:
        parts.append(f"{of - len(model.rows)} of {of} prompts are missing")
    same = sum(row.output_1 == row.output_2 for row in model.rows)
    if same and model.model != model.baseline:
        parts.append(f"{same} outputs are the baseline's own")
    blank = sum(not row.output_2.strip() for row in model.rows)
    if blank:
        parts.append(f"{blank} outputs are empty")
    if uncontrolled is not None:
        parts.append(f"no LC win rate: {uncontrolled}")
    return "; ".join(parts) or None


def _same_texts(path: Path, found: Sequence[Annotation], key: Literal["output_1", "output_2"],
                outputs: Sequence[Output], where: Path | None) -> None:  # fmt: skip
    """Raises SrlmError where rows show another text than ``outputs`` has for their prompt."""
    known = {output.instruction: output.output for output in outputs}
    for number, row in enumerate(found):
        if row.instruction not in known:
            raise SrlmError(
                f"{path}: row {number}: the prompt {excerpt(row.instruction)!r} is not in {where}, "
                "expected outputs of the same set; give the file that was annotated"
            )
        shown: str = getattr(row, key)
        if shown != known[row.instruction]:
            raise SrlmError(
                f"{path}: row {number}: {key}: found {excerpt(shown)!r}, expected "
                f"{excerpt(known[row.instruction])!r} as in {where}; give the file that was "
                "annotated"
            )
