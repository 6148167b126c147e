"""srlm export: a run's or an evaluation's answers and judgments in the field's own formats.

``alpaca_eval``: ``OUT/MODEL/model_outputs.json`` and ``OUT/MODEL/ANNOTATOR/annotations.json``, as
alpaca-eval lays out its results. ``fastchat``: ``OUT/model_answer/MODEL.jsonl`` and
``OUT/model_judgment/JUDGE_single.jsonl``, ``_pair.jsonl``, as FastChat lays out ``data/mt_bench``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.rows import places
from results.errors import UsageError
from results.files import read_json, read_model, write_bytes, write_json
from results.lines import read_json_lines
from results.records import Evaluated

DRAWN_BY = {"alpaca_eval": "alpaca_eval2", "fastchat": "mt_bench"}  # which benchmark has all of it


@dataclass(frozen=True)
class Evaluation:
    """An evaluated model: what tables call it, and its folder."""

    model: str
    folder: Path
    found: Evaluated


def export(folder: Path, to: str, out: Path) -> list[tuple[Path, int]]:
    """Writes the files of format ``to`` into ``out``; returns each with its number of rows.

    Raises:
        UsageError: nothing is evaluated there, or nothing in a way that the format has.
    """
    evaluations = _evaluations(folder)
    if not evaluations:
        raise UsageError(
            f"{folder}: neither an evaluation nor a run with one (no {'metrics.json'}); give "
            "runs/NAME, or a folder of srlm eval"
        )
    names: dict[str, str] = {}
    for one in evaluations:
        other = names.setdefault(_name(one.model), one.model)
        if other != one.model:
            raise UsageError(f"{folder}: {one.model!r} and {other!r} have one file name; rename")
    written = [found for one in evaluations for found in WRITERS[to](one, out)]
    if to == "fastchat":
        written += _judgments(evaluations, out)
    if not written:
        there = ", ".join(sorted({one.found.benchmark for one in evaluations}))
        raise UsageError(
            f"{folder}: its benchmark is {there}, expected {DRAWN_BY[to]} for --to {to}; evaluate "
            f"with --benchmark {DRAWN_BY[to]}"
        )
    return written


def _evaluations(folder: Path) -> list[Evaluation]:
    own = folder / "metrics.json"
    if own.is_file():
        found = read_model(own, Evaluated)
        return [Evaluation(found.model, folder, found)]
    if not (folder / "config.yaml").is_file():
        return []
    return [
        Evaluation(model, place / "evaluation", read_model(path, Evaluated))
        for model, _, place in places(folder)
        if (path := place / "evaluation" / "metrics.json").is_file()
    ]


def _alpaca_eval(one: Evaluation, out: Path) -> Iterable[tuple[Path, int]]:
    """Outputs and annotations under the model's name in the run."""
    place = out / _name(one.model)
    for source, target, key in (
        ("model_outputs.json", place / "model_outputs.json", "generator"),
        (
            "annotations.json",
            place / _name(one.found.judge or "judge") / "annotations.json",
            "generator_2",
        ),
    ):
        path = one.folder / source
        if path.is_file():
            rows = [{**row, key: one.model} for row in _list(path)]
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
        target = out / "model_answer" / f"{_name(one.model)}.jsonl"
        rows = [{**row, "model_id": one.model} for _, row in read_json_lines(source)]
        _write_lines(target, rows)
        yield target, len(rows)


def _judgments(evaluations: list[Evaluation], out: Path) -> list[tuple[Path, int]]:
    """All models that one judge judged in one file, as FastChat's ``show_result`` reads it."""
    files: dict[Path, list[dict[str, Any]]] = {}
    for one in evaluations:
        judge = _name(one.found.judge or "judge")
        opponent = one.found.baseline or "baseline"
        for kind, names in (
            ("single", {"model": one.model}),
            ("pair", {"model_1": one.model, "model_2": opponent}),
        ):
            source = one.folder / "fastchat" / f"{kind}.jsonl"
            if source.is_file():
                target = out / "model_judgment" / f"{judge}_{kind}.jsonl"
                lines = ({**row, **names} for _, row in read_json_lines(source))
                files.setdefault(target, []).extend(lines)
    for target, rows in files.items():
        _write_lines(target, rows)
    return [(target, len(rows)) for target, rows in files.items()]


def _write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    write_bytes(path, text.encode())


def _name(text: str) -> str:
    """A name as one part of a path."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.") or "model"


WRITERS: dict[str, Callable[[Evaluation, Path], Iterable[tuple[Path, int]]]] = {
    "alpaca_eval": _alpaca_eval,
    "fastchat": _answers,
}
