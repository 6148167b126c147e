"""From an attempt's evaluation to its decision, with all that it was made from."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from harness.alarms.measuring import FILE as ALARMS
from harness.alarms.measuring import held_by_alarms
from harness.attempts import attempt_number, changes_of, settings_of
from harness.config import RunConfig
from harness.error_budget import error_budget
from harness.families import expanded
from harness.gates import Measured, decide, known_metrics
from harness.stages.beside import BESIDE
from harness.stages.evaluation import METRICS, VALUES
from results.files import file_sha256
from results.gate_records import AlphaSpent, AppliedRule, GateInputs, Policy
from results.records import GateDecision

EVALUATION = "evaluation"


def decided(config: RunConfig, folder: Path, k: int, n: int, place: Path,
            champion: int | None) -> GateDecision:  # fmt: skip
    """Decides on attempt ``n`` at M_k, from records alone; the same again gives the same. Alarms
    that fired and are set to hold are rules that did not pass, beside those of the gate.

    Args:
        config: of the run.
        folder: of the run.
        k: the iteration.
        n: the attempt.
        place: the folder of the attempt.
        champion: the iteration that it is compared to, null where there is none yet.
    """
    budget = error_budget(config)
    rules = config.gate.rules if budget is None else budget.rules(config.gate.rules, k)
    theirs = None if champion is None else _evaluation(champion)
    candidate, sides = _measured("candidate", place, config)
    incumbent = None
    if theirs is not None:
        incumbent, more = _measured("incumbent", (folder / theirs).parent, config)
        sides |= more
    rules = expanded(rules, known_metrics(candidate, incumbent))
    proven = budget is not None
    found = decide(rules, candidate, incumbent, config.seed, proven)
    inputs = GateInputs(
        candidate=EVALUATION,
        incumbent=theirs,
        sha256=hashes(place, sides),
        seed=config.seed,
        rules=[AppliedRule(**rule.model_dump()) for rule in rules],
    )
    made = {j: attempt_number(folder, j) for j in range(1, k)} | {k: n}
    spent: AlphaSpent | None = None if budget is None else budget.spent(made, k)
    raised = held_by_alarms(place)
    promoted = found.decision == "promote" and not raised
    return found.model_copy(
        update={
            "decision": "promote" if promoted else "hold",
            "rules": [*found.rules, *raised],
            "attempt": n,
            "changes": settings_of(config, n),
            "inputs": inputs,
            "alpha": spent,
            "policy": what_follows(config, k, n, promoted, champion),
        }
    )


def _measured(side: str, place: Path, config: RunConfig) -> tuple[Measured, dict[str, Path]]:
    """What was measured of the model in ``place``, and the folders that it stands in."""
    folders = input_folders(side, place, list(config.evaluation.beside))
    main, *others = folders.values()
    parts = dict(zip(config.evaluation.beside, map(Measured.read, others), strict=True))
    return Measured.read(main).beside(parts), folders


def input_folders(side: str, place: Path, beside: Iterable[str]) -> dict[str, Path]:
    """The evaluations of one side of a decision, by the name that their hashes have."""
    others = {f"{side}/{BESIDE}/{name}": place / BESIDE / name for name in beside}
    return {side: place / EVALUATION, **others}


def what_follows(config: RunConfig, k: int, n: int, promoted: bool,
                 champion: int | None) -> Policy:  # fmt: skip
    """What the run's policy makes of a promotion or a hold of M_k, at attempt ``n``."""
    if promoted:
        return Policy(then="go_on" if k < config.iterations else "end", champion=f"M{k}")
    stands = None if champion is None else f"M{champion}"
    gate = config.gate
    if gate.on_hold == "ask":
        return Policy(then="ask", champion=stands)
    if gate.on_hold == "stop" or champion is None:  # SFT has nothing to roll back to
        return Policy(then="end", champion=None if champion is None else stands)
    if gate.on_hold == "retry" and n <= gate.retries:
        return Policy(then="retry", champion=stands, changes=next_settings(config, n))
    return Policy(then="roll_back", champion=stands)


def next_settings(config: RunConfig, n: int) -> dict[str, object]:
    """What the attempt after ``n`` changes, with the values that come out."""
    found = settings_of(config, n + 1)
    return {key: found[key] for key in changes_of(config, n + 1)}


def hashes(place: Path, sides: dict[str, Path]) -> dict[str, str]:
    """sha256 of the files that a decision reads, by side and name; alarms.json is the attempt's, in
    ``place``, and M1 has none.
    """
    found = {
        f"{side}/{name}": file_sha256(folder / name)
        for side, folder in sides.items()
        for name in (VALUES, METRICS)
    }
    raised = place / ALARMS
    return found | ({ALARMS: file_sha256(raised)} if raised.is_file() else {})


def _evaluation(k: int) -> str:
    return f"iter_{k}/{EVALUATION}"
