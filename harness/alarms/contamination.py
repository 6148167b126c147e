"""Contamination: evaluation texts among what was written or given to train on.

Those that are found are dropped. Many of them say that the writer, or the seed data, knows the
evaluation set, and a filter of shared words does not see a paraphrase.
"""

from __future__ import annotations

from harness.alarms.finding import Finding, above, counted
from harness.alarms.seen import Seen
from harness.monitoring import UNFILTERED

REASONS = ("held_out", "contaminated")


def contamination(seen: Seen) -> Finding:
    """The larger share of the two: of the prompts written, and of the seed examples given."""
    counts = seen.monitors.prompts
    dropped = sum(counts.get(reason, 0) for reason in REASONS)
    looked_at = sum(n for reason, n in counts.items() if reason not in UNFILTERED)
    left_out = _lines(seen, "contaminated")
    given = left_out + sum(_lines(seen, kind) for kind in ("ift", "eft", "ranked"))
    convention = "share dropped because an evaluation text is in it"
    prompts = counted("contamination", dropped, looked_at, convention, "no prompt was looked at")
    examples = counted("contamination", left_out, given, convention, "there are no seed examples")
    most = seen.settings.contamination
    found = max(
        (above(prompts, most, "written prompts dropped for an evaluation text"),
         above(examples, most, "seed examples left out for an evaluation text")),
        key=lambda finding: (finding.fired, finding.metric.low or 0.0),
    )  # fmt: skip
    if seen.config.prompts.decontaminate is not None:
        return found
    off = "; shared words are not looked for (prompts.decontaminate is null)"
    return Finding(found.fired, found.metric, found.threshold, found.evidence + off)


def _lines(seen: Seen, name: str) -> int:
    path = seen.folder / "seed" / f"{name}.jsonl"
    if not path.is_file():
        return 0
    with path.open("rb") as file:  # it may be empty: a run without EFT
        return sum(1 for _ in file)
