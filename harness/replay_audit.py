"""A stop by the pair audit made again: from its labels and the pairs that they are of."""

from __future__ import annotations

from pathlib import Path

from harness.attempts import settings_of
from harness.config import RunConfig
from harness.lineage import promoted
from harness.stages.audit import STOPPED
from harness.stages.audit_labels import KEPT
from judges.pair_audit import chosen_is_better, count, draw_blind
from results.gate_records import Policy
from results.records import AuditLabel, GateDecision, Pair
from results.store import RecordFile


def audit_again(config: RunConfig, folder: Path, k: int, n: int, place: Path,
                stored: GateDecision) -> GateDecision | None:  # fmt: skip
    """What the labels in ``place`` say of its pairs; null where something else stopped the run, or
    the labels were waited for. The reason is taken as it stands: it tells what can be done.
    """
    settings, pairs = config.audit, RecordFile(place / "pairs.jsonl", Pair)
    labels, rule = RecordFile(place / "audit" / KEPT, AuditLabel), stored.rules[-1]
    there = settings is not None and pairs.done and labels.done
    if rule.metric != f"{STOPPED}, chosen_is_better" or settings is None or not there:
        return None
    rows = pairs.read()
    drawn = draw_blind(rows, settings.size, f"{config.seed}:{k}")
    counts = count(drawn, labels.read())
    share = chosen_is_better(counts, len(rows), settings.level)
    lacking = share.low is None or counts.unscored.n > settings.max_unscored * share.of
    passed = not lacking and share.low is not None and share.low > settings.floor
    stands = promoted(folder)
    again = rule.model_copy(
        update={"rule": "min", "value": share.value, "low": share.low, "high": share.high,
                "threshold": settings.floor, "passed": passed, "n_used": share.n, "of": share.of}
    )  # fmt: skip
    return GateDecision(
        decision="promote" if passed else "stop", rules=[again], attempt=n,
        changes=settings_of(config, n),
        policy=Policy(then="end", champion=None if stands is None else f"M{stands}"),
    )  # fmt: skip
