"""srlm export: a run's or an evaluation's answers and judgments in the field's own formats.

``alpaca_eval``: ``OUT/MODEL/model_outputs.json`` and ``OUT/MODEL/ANNOTATOR/annotations.json``, as
alpaca-eval lays out its results. ``fastchat``: ``OUT/model_answer/MODEL.jsonl`` and
``OUT/model_judgment/JUDGE_single.jsonl``, ``_pair.jsonl``, as FastChat lays out ``data/mt_bench``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.mt_bench.answers import write_fastchat
from harness.rows import BASELINES, places
from harness.stages.evaluation import METRICS
from results.errors import UsageError
from results.files import read_json, read_model, write_json
from results.lines import read_json_lines
from results.records import Evaluated
from results.text import excerpt, slug

DRAWN_BY = {"alpaca_eval": "alpaca_eval2", "fastchat": "mt_bench"}  # which benchmark has all of it


@dataclass(frozen=True)
class Evaluation:
    """An evaluated model: what tables call it, and its folder."""

    model: str
    folder: Path
    found: Evaluated


def export(folders: Sequence[Path], to: str, out: Path) -> list[tuple[Path, int]]:
    """Writes the files of format ``to`` into ``out``; returns each with its number of rows.

    Judgments of models that a file there has already and these folders have not are kept.

    Raises:
        UsageError: nothing is evaluated there, or nothing in a way that the format has.
    """
    evaluations: list[Evaluation] = []
    for folder in folders:
        found = _evaluations(folder)
        if not found:
            raise UsageError(
                f"{folder}: neither an evaluation nor a run with one (no {METRICS}); give "
                "runs/NAME, or a folder of srlm eval"
            )
        evaluations += found
    names: dict[str, Path] = {}
    for one in evaluations:
        other = names.setdefault(slug(one.model), one.folder)
        if other != one.folder:
            raise UsageError(
                f"{one.folder} and {other}: both would be {slug(one.model)!r} (of {one.model!r}); "
                "give one of them another name (srlm eval --name), or another --out"
            )
    written = [found for one in evaluations for found in WRITERS[to](one, out)]
    if to == "fastchat":
        written += _judgments(evaluations, out)
    if not written:
        there = ", ".join(sorted({one.found.benchmark for one in evaluations}))
        raise UsageError(
            f"{folders[0]}: its benchmark is {there}, expected {DRAWN_BY[to]} for --to {to}; "
            f"evaluate with --benchmark {DRAWN_BY[to]}"
        )
    return written


def _evaluations(folder: Path) -> list[Evaluation]:
    own = folder / METRICS
    if own.is_file():
        found = read_model(own, Evaluated)
        return [Evaluation(found.model, folder, found)]
    if not (folder / "config.yaml").is_file():
        return []
    return [
        Evaluation(model, place / "evaluation", read_model(path, Evaluated))
        for model, _, place in places(folder)
        if (path := place / "evaluation" / METRICS).is_file()
    ]


def _alpaca_eval(one: Evaluation, out: Path) -> Iterable[tuple[Path, int]]:
    """Outputs and annotations under the model's name in the run."""
    place = out / slug(one.model)
    for source, target, key in (
        ("model_outputs.json", place / "model_outputs.json", "generator"),
        (
            "annotations.json",
            place / slug(one.found.judge or "judge") / "annotations.json",
            "generator_2",
        ),
    ):
        path = one.folder / source
        if path.is_file():
            rows = [{**row, key: one.model} for row in _list(path)]
            _refuse_another(target, _list(target) if target.is_file() else [], key, one.model)
            write_json(target, rows)
            yield target, len(rows)


def _list(path: Path) -> list[dict[str, Any]]:
    rows = read_json(path)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UsageError(f"{path}: found no list of rows; evaluate again")
    return rows


def _answers(one: Evaluation, out: Path) -> Iterable[tuple[Path, int]]:
    source = one.folder / "fastchat" / "model_answer.jsonl"
    if source.is_file():
        target = out / "model_answer" / f"{slug(one.model)}.jsonl"
        # FastChat takes a model's name from the file's: inside it is the same.
        rows = [{**row, "model_id": slug(one.model)} for row in _lines(source)]
        write_fastchat(target, rows)
        yield target, len(rows)


def _judgments(evaluations: Sequence[Evaluation], out: Path) -> list[tuple[Path, int]]:
    """All models that one judge judged in one file, as FastChat's ``show_result`` reads it."""
    files: dict[Path, list[dict[str, Any]]] = {}
    for one in evaluations:
        judge = slug(one.found.judge or "judge")
        for kind, names in (
            ("single", {"model": slug(one.model)}),
            ("pair", {"model_1": slug(one.model), "model_2": slug(_opponent(one.found.baseline))}),
        ):
            source = one.folder / "fastchat" / f"{kind}.jsonl"
            if source.is_file():
                target = out / "model_judgment" / f"{judge}_{kind}.jsonl"
                files.setdefault(target, []).extend({**row, **names} for row in _lines(source))
    for target, rows in files.items():
        ours = {_about(row) for row in rows}
        rows[:0] = [row for row in _lines(target) if _about(row) not in ours]
        write_fastchat(target, rows)
    return [(target, len(rows)) for target, rows in files.items()]


def _about(row: dict[str, Any]) -> tuple[Any, ...]:
    """Whose judgment a line is: of a model, or of one against another."""
    return row.get("model"), row.get("model_1"), row.get("model_2")


def _lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a file; none where it is not there or nobody was judged."""
    if not path.is_file() or not path.stat().st_size:
        return []
    return [row for _, row in read_json_lines(path)]


def _refuse_another(path: Path, rows: Sequence[dict[str, Any]], key: str, model: str) -> None:
    """Two names may make one path: what another model has there is not written over."""
    other = next((row.get(key) for row in rows if row.get(key) != model), None)
    if other is not None:
        raise UsageError(
            f"{path}: holds {excerpt(other)}, expected {model!r} or no file; choose another --out"
        )


def _opponent(baseline: str | None) -> str:
    """What the opponent's own export calls it: without the hash that tells baselines apart."""
    name = (baseline or "baseline").rpartition(" ")[0] or "baseline"
    return BASELINES.get(name, name)


WRITERS: dict[str, Callable[[Evaluation, Path], Iterable[tuple[Path, int]]]] = {
    "alpaca_eval": _alpaca_eval,
    "fastchat": _answers,
}
