"""Every decision of a run made again from its records alone, and whether it is the same."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from harness.alarms.measuring import FILE as ALARMS
from harness.attempts import attempt_folder, attempt_number
from harness.config import RunConfig
from harness.deciding import decided, input_folders, next_settings, what_follows
from harness.lineage import GATE, champion_before
from harness.recipe import load_recipe
from harness.replay_audit import audit_again
from harness.stages.beside import BESIDE
from harness.stages.gate import describe
from results.errors import SrlmError, UsageError
from results.files import file_sha256, read_model
from results.gate_records import GateInputs, Policy
from results.records import GateDecision

FIGURES = ("rule", "metric", "value", "low", "high", "threshold", "passed", "n_used", "of",
           "family", "p", "p_adjusted", "detectable")  # fmt: skip
WORDS = ("settles_at", "reason")  # made by this program, so an older record may have others


@dataclass(frozen=True)
class Replayed:
    """One decision as it stands (``stored``) and as it comes out ``again``, null where it cannot.

    ``same``: null where nothing can be compared; of a waived hold it is about what was waived.
    ``why``: what differs, what is missing, or where the name of a waiver stands.
    """

    k: int
    attempt: int
    stored: GateDecision
    again: GateDecision | None
    same: bool | None
    why: str

    @property
    def mark(self) -> str:
        """The comparison in words. A promotion by a person is no decision that was made again."""
        if self.same and self.stored.waived_by is not None:
            return f"held; promoted by {self.stored.waived_by}"
        return {True: "the same", False: "DIFFERS", None: "not made again"}[self.same]


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
    place = path.parent
    try:
        if stored.decision == "stop":
            why = f"stopped before its gate: {stored.rules[-1].reason}"
            again = audit_again(config, folder, k, n, place, stored)
            if again is None:
                return Replayed(k, n, stored, None, None, why)
            differences = _differences(stored, again, again.policy)
            return Replayed(k, n, stored, again, not differences, "; ".join(differences) or why)
        if (changed := _changed(folder, place, stored)) is not None:
            return Replayed(k, n, stored, None, False, changed)
        champion = champion_before(folder, k) if k > 1 else None
        again = decided(config, folder, k, n, place, champion)
    except SrlmError as error:
        return Replayed(k, n, stored, None, False, str(error))
    follows, waived = again.policy, ""
    if stored.waived_by is not None:
        follows = what_follows(config, k, n, True, champion)
        waived = _waiver(config, k, stored.waived_by)
    elif _answered_by_retry(stored, again):
        stands = None if again.policy is None else again.policy.champion
        follows = Policy(then="retry", champion=stands, changes=next_settings(config, n))
    differences = _differences(stored, again, follows)
    return Replayed(k, n, stored, again, not differences, "; ".join(differences) or waived)


def _answered_by_retry(stored: GateDecision, again: GateDecision) -> bool:
    """Whether somebody who was asked said to make it again: no record foretells that."""
    asked = again.policy is not None and again.policy.then == "ask"
    return asked and stored.policy is not None and stored.policy.then == "retry"


def _waiver(config: RunConfig, k: int, name: str) -> str:
    """Where the name stands beside gate.json. Of a waiver that was given at a later start, or at a
    terminal, nothing else tells.
    """
    if config.gate.waived_by.get(f"M{k}") == name:
        return f"waived by {name}, whom config.yaml names (gate.waived_by.M{k})"
    return f"waived by {name}, by the record alone: config.yaml names nobody of that name for M{k}"


def _changed(folder: Path, place: Path, stored: GateDecision) -> str | None:
    """The first input that is not what the decision was made from, in words."""
    if stored.inputs is None:
        return None
    keys = [key.split("/") for key in stored.inputs.sha256]
    parts = [key[2] for key in keys if len(key) == 4 and key[1] == BESIDE]
    sides = {"": place, **input_folders("candidate", place, parts)}
    if stored.inputs.incumbent is not None:
        theirs = (folder / stored.inputs.incumbent).parent
        sides |= input_folders("incumbent", theirs, parts)
    for name, was in stored.inputs.sha256.items():
        side, _, file = name.rpartition("/")
        path = sides[side] / file
        if not path.is_file():
            return f"{path}: not there any more; restore the file"
        if (found := file_sha256(path)) != was:
            return f"{path}: sha256 {found[:12]}, decided on {was[:12]}; restore the file"
    return None


def _differences(stored: GateDecision, again: GateDecision, follows: Policy | None) -> list[str]:
    """Where the two do not agree; fields that an older record lacks are not compared.

    Args:
        stored: as it stands.
        again: as the records give it.
        follows: the policy that the stored decision should have.
    """
    decision = "hold" if stored.waived_by is not None else stored.decision
    found = []
    if decision != again.decision:
        found.append(f"decided {decision}, now {again.decision}")
    if len(stored.rules) != len(again.rules):
        found.append(f"{len(stored.rules)} rules, now {len(again.rules)}")
    older = stored.inputs is None
    for was, now in zip(stored.rules, again.rules, strict=False):
        keys = [key for key in FIGURES if getattr(was, key) != getattr(now, key)]
        for key in ("outcome", "bounds"):  # older records lack them
            if getattr(was, key) is not None and getattr(was, key) != getattr(now, key):
                keys.append(key)
        if not older:
            keys += [key for key in WORDS if getattr(was, key) != getattr(now, key)]
        if keys:
            found.append(f"{was.metric} ({was.rule}): another {', '.join(keys)}")
    if stored.policy is not None and stored.policy != follows:
        found.append("another policy")
    if not older:
        found += [f"another {name}" for name in ("attempt", "changes", "alpha")
                  if getattr(stored, name) != getattr(again, name)]  # fmt: skip
        if stored.inputs != _as_old(again.inputs, stored.inputs):
            found.append("another inputs")
    return found


def _as_old(again: GateInputs | None, stored: GateInputs | None) -> GateInputs | None:
    """The inputs without alarms.json, where the record is from before its hash was kept."""
    if again is None or stored is None or ALARMS in stored.sha256:
        return again
    kept = {name: was for name, was in again.sha256.items() if name != ALARMS}
    return again.model_copy(update={"sha256": kept})


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
                "mark": one.mark,
                "why": one.why,
            }
            for one in found
        ]
        print(json.dumps({"decisions": rows}, indent=2, ensure_ascii=False, allow_nan=False))
        return
    from rich.console import Console
    from rich.text import Text

    from harness.judge_tables import table
    from results.text import one_line

    head = ["model", "attempt", "decided", "again"]
    console = Console()
    console.print(
        table(head, [[f"M{o.k}", str(o.attempt), o.stored.decision, o.mark] for o in found])
    )
    for one in found:  # what it saw, and what does not agree
        said = "; ".join(part for part in (describe(one.stored), one.why) if part)
        console.print(Text(one_line(f"M{one.k} attempt {one.attempt}: {said}"), style="dim"))
