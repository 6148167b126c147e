"""Every decision of a run made again from its records alone, and whether it is the same."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.attempts import attempt_folder, attempt_number
from harness.config import RunConfig
from harness.deciding import decided
from harness.lineage import GATE, champion_before
from harness.recipe import load_recipe
from harness.stages.gate import describe
from results.errors import SrlmError, UsageError
from results.files import file_sha256, read_model
from results.records import GateDecision, RuleResult


@dataclass(frozen=True)
class Replayed:
    """One decision as it stands (``stored``) and as it comes out ``again``, null where it cannot.

    ``same``: null where nothing can be compared. ``why``: what differs, or what is missing.
    """

    k: int
    attempt: int
    stored: GateDecision
    again: GateDecision | None
    same: bool | None
    why: str


def replay(folder: Path) -> list[Replayed]:
    """Makes every decision of the run in ``folder`` again; calls no model and writes nothing.

    Raises:
        UsageError: it is no run folder, or nothing was decided in it yet.
    """
    if not (folder / "config.yaml").is_file():
        raise UsageError(f"{folder}: not a run folder (no config.yaml); give runs/NAME")
    config = load_recipe(str(folder / "config.yaml"), []).config
    found = [
        _again(config, folder, k, n, place / GATE)
        for k in range(1, config.iterations + 1)
        for n in range(1, attempt_number(folder, k) + 1)
        if ((place := attempt_folder(folder, k, n)) / GATE).is_file()
    ]
    if not found:
        raise UsageError(f"{folder}: nothing is decided yet; go on with srlm run")
    return found


def _again(config: RunConfig, folder: Path, k: int, n: int, path: Path) -> Replayed:
    stored = read_model(path, GateDecision)
    if stored.decision == "stop":
        why = f"stopped before its gate: {stored.rules[-1].reason}"
        return Replayed(k, n, stored, None, None, why)
    if any(rule.sequential for rule in stored.rules):
        return Replayed(k, n, stored, None, None, "decided while values came in")
    try:
        if (changed := _changed(folder, path.parent, stored)) is not None:
            return Replayed(k, n, stored, None, False, changed)
        champion = champion_before(folder, k) if k > 1 else None
        again = decided(config, folder, k, n, path.parent, champion)
    except SrlmError as error:
        return Replayed(k, n, stored, None, False, str(error))
    differences = _differences(stored, again)
    waived = f"held, waived by {stored.waived_by}" if stored.waived_by else ""
    return Replayed(k, n, stored, again, not differences, "; ".join(differences) or waived)


def _changed(folder: Path, place: Path, stored: GateDecision) -> str | None:
    """The first input that is not what the decision was made from, in words."""
    if stored.inputs is None:
        return None
    sides = {"candidate": place / stored.inputs.candidate}
    if stored.inputs.incumbent is not None:
        sides["incumbent"] = folder / stored.inputs.incumbent
    for name, was in stored.inputs.sha256.items():
        side, _, file = name.partition("/")
        path = sides[side] / file
        if not path.is_file():
            return f"{path}: not there any more; restore the file"
        if (found := file_sha256(path)) != was:
            return f"{path}: sha256 {found[:12]}, decided on {was[:12]}; restore the file"
    return None


def _differences(stored: GateDecision, again: GateDecision) -> list[str]:
    """Where the two do not agree; fields that an older record lacks are not compared."""
    decision = "hold" if stored.waived_by is not None else stored.decision
    found = []
    if decision != again.decision:
        found.append(f"decided {decision}, now {again.decision}")
    if len(stored.rules) != len(again.rules):
        found.append(f"{len(stored.rules)} rules, now {len(again.rules)}")
    for was, now in zip(stored.rules, again.rules, strict=False):
        keys = [key for key, value in _figures(was).items() if value != _figures(now)[key]]
        if was.outcome is not None and was.outcome != now.outcome:
            keys.append("outcome")
        if keys:
            found.append(f"{was.metric} ({was.rule}): another {', '.join(keys)}")
    if stored.inputs is not None:
        for name in ("attempt", "changes", "inputs", "alpha"):
            if getattr(stored, name) != getattr(again, name):
                found.append(f"another {name}")
    return found


def _figures(result: RuleResult) -> dict[str, Any]:
    keys = ("rule", "metric", "value", "low", "high", "threshold", "passed", "n_used", "of")
    return {key: getattr(result, key) for key in keys}


def agreed(found: list[Replayed]) -> bool:
    """Whether every decision that could be made again is the same."""
    return not any(one.same is False for one in found)


def show(found: list[Replayed], as_json: bool) -> None:
    """Prints the replay: a table, or ``{"decisions": [...]}``."""
    if as_json:
        rows = [
            {
                "model": f"M{one.k}",
                "attempt": one.attempt,
                "stored": one.stored.model_dump(),
                "again": None if one.again is None else one.again.model_dump(),
                "same": one.same,
                "why": one.why,
            }
            for one in found
        ]
        print(json.dumps({"decisions": rows}, indent=2, ensure_ascii=False, allow_nan=False))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from results.text import one_line

    table = Table(box=None, pad_edge=False)
    for name in ("model", "attempt", "decided", "again", "what it saw, and what does not agree"):
        table.add_column(name, overflow="fold")
    for one in found:
        mark = {True: "the same", False: "DIFFERS", None: "not made again"}[one.same]
        said = "; ".join(part for part in (describe(one.stored), one.why) if part)
        table.add_row(
            *map(Text, (f"M{one.k}", str(one.attempt), one.stored.decision, mark, one_line(said)))
        )
    Console().print(table)
