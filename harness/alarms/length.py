"""Length: answers that grow, and pairs that teach them to."""

from __future__ import annotations

import math
from dataclasses import replace

from harness.alarms.finding import Finding, above, by_prompt
from harness.alarms.seen import Seen
from harness.anchored import null
from results.records import Metric, Value

CONTROLLED = "lc_win_rate"
SINCE = "mean length over that of the model before, minus 1"
NORMAL = 1.959964  # ends of the middle 95 % of the normal distribution


def candidates_grow(seen: Seen) -> Finding:
    """M_(k-1)'s candidates against M_(k-2)'s, to other prompts; known before M_k is trained."""
    cap, name = seen.settings.length_growth, "length_growth"
    now, before = seen.metric("candidate_length"), seen.before
    if before is None:
        return above(null(name, SINCE, "iteration 2 is the first with candidates"), cap, "length")
    return above(_over(name, now, before.metrics["candidate_length"]), cap,
                 f"growth of the candidates' length from M{seen.k - 2} to M{seen.k - 1}")  # fmt: skip


def outputs_grow(seen: Seen) -> Finding:
    """M_k's held-out outputs against M_(k-1)'s, to the same prompts.

    Growth beyond the cap is no alarm where the length-controlled win rate surely rose with it.
    """
    cap, name = seen.settings.length_growth, "length_growth"
    ours, theirs = seen.now.outputs, seen.last.outputs
    shared = sorted(ours.keys() & theirs.keys())
    clusters = {value.prompt_id: value.cluster for value in seen.now.values}
    what = f"growth of the held-out outputs' length from M{seen.k - 1} to M{seen.k}"
    if not shared:
        why = "the two evaluations share no outputs"
        return above(null(name, SINCE, why), cap, what)
    longer = [
        Value(prompt_id=key, metric=name, num=len(ours[key]) - len(theirs[key]),
              den=len(theirs[key]), cluster=clusters.get(key, key))
        for key in shared
    ]  # fmt: skip
    found = above(by_prompt(name, longer, len(shared), SINCE, seen.config.seed), cap, what)
    said, excused = _controlled(seen)
    return replace(found, fired=found.fired and not excused, evidence=f"{found.evidence}{said}")


def chosen_longer(seen: Seen) -> Finding:
    """Nearly every chosen answer is the longer one: training will push that way."""
    what = "pairs whose chosen answer is the longer one"
    return above(seen.metric("chosen_longer"), seen.settings.chosen_longer, what)


def _controlled(seen: Seen) -> tuple[str, bool]:
    """The length-controlled win rates of both models in words, and whether they surely rose."""
    sides = [side.evaluated and side.evaluated.metrics.get(CONTROLLED)
             for side in (seen.last, seen.now)]  # fmt: skip
    last, now = sides
    if last is None or now is None or last.high is None or now.low is None:
        return "", False
    rose = now.low > last.high
    words = "surely rose" if rose else "did not surely rise"
    return f"; the length-controlled win rate {words}", rose


def _over(name: str, now: Metric, before: Metric) -> Metric:
    """The growth between two means of different prompts, from their intervals: the logarithms are
    taken as normal and independent.
    """
    ends = [(m.value, m.low, m.high) for m in (now, before)]
    if not all(v and low is not None and high is not None for v, low, high in ends):
        return null(name, SINCE, "one of the two lengths has no interval")
    (after, low, high), (earlier, first, last) = ends
    assert after and earlier and low is not None and high is not None
    assert first is not None and last is not None
    ratio = after / earlier
    spread = math.hypot((high - low) / (2 * after), (last - first) / (2 * earlier))
    return Metric(
        name=name, value=ratio - 1, low=ratio * math.exp(-spread) - 1,
        high=ratio * math.exp(spread) - 1, n=now.n, of=now.of, convention=SINCE,
    )  # fmt: skip
