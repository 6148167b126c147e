"""From run folders to leaderboard rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from results.errors import UsageError
from results.store import read_json


def run_rows(folder: Path) -> list[dict[str, Any]]:
    """The rows of one run, M0 first; a model that was not evaluated has none."""
    places: list[tuple[str, int | None, Path]] = [
        ("M0", 0, folder / "m0"),
        ("SFT baseline", None, folder / "sft_baseline"),
    ]
    k = 1
    while (place := folder / f"iter_{k}").is_dir():
        places.append((f"M{k}", k, place))
        k += 1
    return [
        _row(folder.name, model, iteration, place)
        for model, iteration, place in places
        if (place / "evaluation" / "metrics.json").is_file()
    ]


def rows_of(paths: list[Path]) -> list[dict[str, Any]]:
    """The rows of several runs; UsageError names a folder that is no run with an evaluation."""
    rows = []
    for path in paths:
        if not (path / "config.yaml").is_file():
            raise UsageError(f"{path}: not a run folder (no config.yaml); give runs/NAME")
        rows += run_rows(path)
    if not rows:
        raise UsageError("no model of these runs has been evaluated yet; finish a run first")
    return rows


def _row(run: str, model: str, iteration: int | None, place: Path) -> dict[str, Any]:
    found = read_json(place / "evaluation" / "metrics.json")
    gate = place / "gate.json"
    return {
        "model": model,
        "run": run,
        "iteration": iteration,
        "benchmark": found["benchmark"],
        "judge": found["judge"],
        "baseline": found["baseline"],
        "n": found["n"],
        "metrics": found["metrics"],
        "unscored": found["unscored"],
        "gate": read_json(gate)["decision"] if gate.is_file() else None,
    }
