"""A stop by the pair audit made again: from its labels and the pairs that they are of."""

from __future__ import annotations

from pathlib import Path

from harness.config import RunConfig
from harness.stages.audit import STOPPED, judge_counts
from harness.stages.audit_labels import KEPT
from harness.stages.gate import ended
from judges.pair_audit import count, draw_blind
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
    share, _, passed = judge_counts(settings, count(drawn, labels.read()), len(rows))
    again = rule.model_copy(
        update={"rule": "min", "value": share.value, "low": share.low, "high": share.high,
                "threshold": settings.floor, "passed": passed, "n_used": share.n, "of": share.of}
    )  # fmt: skip
    stop = ended(config, folder, n, again)
    return stop.model_copy(update={"decision": "promote"}) if passed else stop
