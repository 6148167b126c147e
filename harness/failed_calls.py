"""Record files with failed calls in them, whatever the records: found, and opened again."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from harness.stages.evaluation import METRICS, VALUES
from results.files import write_bytes
from results.lines import read_json_lines
from results.text import excerpt

Line = dict[str, Any]
RETRIES = "retries.jsonl"  # judgments that are asked for under another draw
OUTCOMES = (METRICS, VALUES)  # what is made of an evaluation's records


def failed_calls(folder: Path) -> dict[Path, list[Line]]:
    """The records of failed calls in an evaluation folder, by file that has some."""
    files = [p for p in sorted(folder.glob("*.jsonl")) if p.name not in (RETRIES, VALUES)]
    return {path: found for path in files if (found := failed_lines(path))}


def failed_lines(path: Path) -> list[Line]:
    """The records of a file whose call failed."""
    return [line for line in _lines(path) if line.get("finish_reason") == "error"]


def commonest_error(paths: Iterable[Path]) -> str:
    """What most of the failed calls in some files say, to end a line with; empty without any."""
    texts = Counter(str(line.get("text")) for path in paths for line in failed_lines(path))
    if not texts:
        return ""
    text, n = texts.most_common(1)[0]
    return f"; {texts.total()} calls failed, {n} of them: {excerpt(text, 200)}"


def unscored_lines(path: Path) -> list[Line]:
    """The judgments of a file that have no score or verdict."""
    return [line for line in _lines(path) if line.get("status") == "unscored"]


def unscored_judgments(folder: Path) -> dict[Path, list[Line]]:
    """The same of every file of judgments in an evaluation folder, by file that has some."""
    files = sorted(folder.glob("*judgments*.jsonl"))
    return {path: found for path in files if (found := unscored_lines(path))}


def without_answer(folder: Path) -> dict[str, int]:
    """How many records of a run's calls failed or are unscored, by folder that has some."""
    found: dict[str, int] = {}
    for pattern in ("seed/*.jsonl", "iter_*/*.jsonl", "*/evaluation/*.jsonl", "*/beside/*/*.jsonl"):
        for path in sorted(folder.glob(pattern)):
            if path.name not in (RETRIES, VALUES):
                n = sum(
                    line.get("finish_reason") == "error" or line.get("status") == "unscored"
                    for line in _lines(path)
                )
                place = path.parent.relative_to(folder).as_posix()
                found[place] = found.get(place, 0) + n
    return {place: n for place, n in found.items() if n}


def reopen(path: Path, keep: Callable[[Line], bool]) -> None:
    """Turns a finalised file into a begun one that holds what is kept."""
    kept = [json.dumps(line, ensure_ascii=False) for line in _lines(path) if keep(line)]
    write_bytes(path.with_name(f"{path.name}.part"), "".join(f"{x}\n" for x in kept).encode())
    path.unlink()


def reopen_failed(folder: Path) -> int:
    """Makes a finished evaluation one that lacks its failed calls; returns how many they are.

    Its outcomes go first: a kill in between leaves an evaluation that is not finished.
    """
    failed = failed_calls(folder)
    if failed:
        for name in OUTCOMES:
            (folder / name).unlink(missing_ok=True)
    for path in failed:
        reopen(path, lambda line: line.get("finish_reason") != "error")
    return sum(map(len, failed.values()))


def _lines(path: Path) -> list[Line]:
    if not path.exists() or not path.stat().st_size:
        return []
    return [line for _, line in read_json_lines(path)]
