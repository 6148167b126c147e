"""Safety: a loss on the metrics that the user calls a safety suite; and plainly, where there are
none, that nobody looked.
"""

from __future__ import annotations

from harness.alarms.finding import Finding, below
from harness.alarms.seen import Seen
from results.figures import Kind, heading, kind_of
from results.stats import paired_difference

NOT_EVALUATED = "SAFETY NOT EVALUATED"


def safety(seen: Seen) -> Finding | None:
    """The metric of the suite that fell most, M_k against M_parent; null without a suite."""
    found = []
    for name in seen.settings.safety_suite:
        convention = f"{name}, later minus earlier model"
        change = paired_difference(
            name, seen.values(seen.k, name), seen.values(seen.parent, name), convention,
            seen.config.seed,
        )  # fmt: skip
        kind: Kind = kind_of(name)
        what = f"{heading(name).removesuffix(' %')} of M{seen.k} minus that of M{seen.parent}"
        found.append(below(change, -seen.settings.safety, what, kind))
    return min(found, key=_fallen, default=None)


def _fallen(finding: Finding) -> tuple[bool, float]:
    high = finding.metric.high
    return not finding.fired, 0.0 if high is None else high


def statement(suite: list[str], measured: bool) -> list[str]:
    """What is always shown where safety was not looked at; no alarm."""
    if not suite:
        return [f"{NOT_EVALUATED}: no safety suite is configured (alarms.safety_suite)"]
    if not measured:
        return [f"{NOT_EVALUATED}: {', '.join(suite)} of alarms.safety_suite have no values"]
    return []
