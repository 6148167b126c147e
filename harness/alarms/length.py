"""Length: answers that grow, and pairs that teach them to."""

from __future__ import annotations

import math
from dataclasses import replace

from harness.alarms.finding import Finding, above
from harness.alarms.seen import Seen
from harness.anchored import null
from results.records import Metric, Value
from results.stats import ratio_metric

CONTROLLED = "lc_win_rate"
SINCE = "mean length over that of the model before, minus 1"


def candidates_grow(seen: Seen) -> Finding:
    """M_parent's candidates against its own parent's, to other prompts."""
    cap, name = seen.settings.length_growth, "length_growth"
    now, before = seen.metric("candidate_length"), seen.before
    if before is None:
        return above(null(name, SINCE, "iteration 2 is the first with candidates"), cap, "length")
    growth = _over(name, now, before.metrics["candidate_length"])
    what = f"growth of the candidates' length from M{seen.grandparent} to M{seen.parent}"
    return above(growth, cap, what)


def outputs_grow(seen: Seen) -> Finding:
    """M_k's held-out outputs against M_parent's, to the same prompts.

    Growth beyond the cap is no alarm where the length-controlled win rate surely rose with it.
    """
    cap, name = seen.settings.length_growth, "length_growth"
    ours, theirs = seen.now.outputs, seen.last.outputs
    shared = sorted(ours.keys() & theirs.keys())
    clusters = {value.prompt_id: value.cluster for value in seen.now.values}
    what = f"growth of the held-out outputs' length from M{seen.parent} to M{seen.k}"
    if not shared:
        why = "the two evaluations share no outputs"
        return above(null(name, SINCE, why), cap, what)
    longer = [
        Value(prompt_id=key, metric=name, num=len(ours[key]) - len(theirs[key]),
              den=len(theirs[key]), cluster=clusters.get(key, key))
        for key in shared
    ]  # fmt: skip
    found = above(ratio_metric(name, longer, len(shared), SINCE, seen.config.seed), cap, what)
    said, excused = _controlled(seen)
    return replace(found, fired=found.fired and not excused, evidence=f"{found.evidence}{said}")


def chosen_longer(seen: Seen) -> Finding:
    """Nearly every chosen answer is the longer one: training will push that way."""
    what = "pairs whose chosen answer is the longer one"
    return above(seen.metric("chosen_longer"), seen.settings.chosen_longer, what)


def _controlled(seen: Seen) -> tuple[str, bool]:
    """The length-controlled win rates of both models in words, and whether they surely rose."""
    last, now = (
        None if side.evaluated is None else side.evaluated.metrics.get(CONTROLLED)
        for side in (seen.last, seen.now)
    )
    if last is None or now is None or last.high is None or now.low is None:
        return "", False
    rose = now.low > last.high
    words = "surely rose" if rose else "did not surely rise"
    return f"; the length-controlled win rate {words}", rose


def _over(name: str, now: Metric, before: Metric) -> Metric:
    """The growth between two means of different prompts, from their intervals: the logarithms are
    taken as normal and independent.
    """
    errors = _error(now), _error(before)
    if not now.value or not before.value or errors[0] is None or errors[1] is None:
        return null(name, SINCE, "one of the two lengths has no interval")
    ratio, spread = now.value / before.value, math.hypot(errors[0], errors[1])
    return Metric(
        name=name, value=ratio - 1, low=ratio * math.exp(-spread) - 1,
        high=ratio * math.exp(spread) - 1, n=now.n, of=now.of, convention=SINCE,
    )  # fmt: skip


def _error(mean: Metric) -> float | None:
    """Half the width of the interval, as a share of the mean."""
    if not mean.value or mean.low is None or mean.high is None:
        return None
    return (mean.high - mean.low) / (2 * mean.value)
