"""Which model each iteration begins with, and which one is a run's result: from its decisions."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from results.files import read_model, write_json
from results.records import GateDecision

GATE = "gate.json"
CHAMPION = "champion.json"


class Champion(BaseModel):
    """The contents of champion.json: a run's best model so far, null where none was promoted.

    ``checkpoint`` is relative to the run where it lies in it. ``held`` names the models after it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    model: str | None
    iteration: int | None
    checkpoint: str | None
    held: list[str]


def decision_of(folder: Path, k: int) -> GateDecision | None:
    """The last decision on M_k of the run in ``folder``, null where there is none yet."""
    path = folder / f"iter_{k}" / GATE
    return read_model(path, GateDecision) if path.is_file() else None


def forget_stop(folder: Path, k: int, stopped: str) -> None:
    """Removes the decision by which an earlier start ended before the gate of M_k, where the metric
    of its first rule begins with ``stopped``.
    """
    decision = decision_of(folder, k)
    if decision is not None and decision.rules and decision.rules[0].metric.startswith(stopped):
        (folder / f"iter_{k}" / GATE).unlink()


def champion_before(folder: Path, k: int) -> int:
    """The iteration whose model M_k begins with, is judged by and compared to: M_(k-1), or the last
    one before it that was not held.
    """
    for j in range(k - 1, 0, -1):
        decision = decision_of(folder, j)
        if decision is None or decision.decision == "promote":
            return j
    return k - 1


def iterations(folder: Path, first: int) -> Iterator[tuple[int, Path]]:
    """Number and folder of the iterations of a run that have one, from ``first`` on."""
    for k in count(first):
        if not (place := folder / f"iter_{k}").is_dir():
            return
        yield k, place


def promoted(folder: Path) -> int | None:
    """The last iteration that was promoted, null where none was."""
    found = None
    for k, _ in iterations(folder, 1):
        decision = decision_of(folder, k)
        found = k if decision is not None and decision.decision == "promote" else found
    return found


def note_champion(folder: Path, champion: int | None, checkpoint: Path | None) -> Champion:
    """Keeps in champion.json which model the run's result is; written only where it changed."""
    later = iterations(folder, (champion or 0) + 1)
    held = [f"M{k}" for k, _ in later if decision_of(folder, k) is not None]
    inside = checkpoint is not None and checkpoint.is_relative_to(folder)
    found = Champion(
        model=None if champion is None else f"M{champion}",
        iteration=champion,
        checkpoint=str(checkpoint.relative_to(folder) if inside and checkpoint else checkpoint)
        if checkpoint is not None
        else None,
        held=held,
    )
    path = folder / CHAMPION
    if not path.is_file() or read_model(path, Champion) != found:
        write_json(path, found.model_dump())
    return found
