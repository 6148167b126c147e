"""Which model each iteration begins with, and which one is a run's result: from its decisions."""

from __future__ import annotations

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


def champion_before(folder: Path, k: int) -> int:
    """The iteration whose model M_k begins with, is judged by and compared to: M_(k-1), or the last
    one before it that was not held.
    """
    for j in range(k - 1, 0, -1):
        decision = decision_of(folder, j)
        if decision is None or decision.decision == "promote":
            return j
    return k - 1


def promoted(folder: Path) -> int | None:
    """The last iteration that was promoted, null where none was."""
    found, k = None, 1
    while (folder / f"iter_{k}").is_dir():
        decision = decision_of(folder, k)
        found = k if decision is not None and decision.decision == "promote" else found
        k += 1
    return found


def note_champion(folder: Path, champion: int | None, checkpoint: Path | None) -> Champion:
    """Keeps in champion.json which model the run's result is; written only where it changed."""
    held, k = [], (champion or 0) + 1
    while (folder / f"iter_{k}").is_dir():
        if decision_of(folder, k) is not None:
            held.append(f"M{k}")
        k += 1
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
