"""Monitors of one iteration: derived from its records once and kept in monitors.json."""

from __future__ import annotations

from harness.monitoring import measure
from harness.run import Run
from results.files import read_model, write_json
from results.monitors import Monitors, heading, shown

FILE = "monitors.json"
TOLD = ("self_score", "share_at_top", "pair_yield", "length_gap", "judge_inflation",
        "anchored_change")  # fmt: skip


def monitors(run: Run, k: int) -> Monitors:
    """The monitors of iteration ``k`` (>= 2), made before its gate. Calls no model."""
    path = run.iteration(k) / FILE
    if path.exists():
        return read_model(path, Monitors)
    run.display.start(f"M{k}", "monitors")
    found = measure(run.folder, run.config, run.spec, k)
    write_json(path, found.model_dump())
    run.display.finish(f"M{k}", "monitors", summary(found))
    return found


def summary(found: Monitors) -> str:
    """The most telling figures in one line; those without a value are left out."""
    told = (found.metrics[name] for name in TOLD)
    at = found.anchor
    return ", ".join(f"{heading(m.name, at)} {shown(m, at)}" for m in told if m.value is not None)
