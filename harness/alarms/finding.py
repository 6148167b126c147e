"""What one alarm found: the figure that decides, its bound, and both in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from results.figures import DECIMALS, Kind
from results.pooled import pooled_metrics, prompt_ratio
from results.records import Metric, Value


@dataclass(frozen=True)
class Finding:
    """``metric`` against ``threshold``; ``evidence`` in words."""

    fired: bool
    metric: Metric
    threshold: float
    evidence: str


def above(metric: Metric, threshold: float, what: str, kind: Kind = "share") -> Finding:
    """Fires when the figure is surely above ``threshold``: the low end of its interval is."""
    fired = metric.low is not None and metric.low > threshold
    return _found(fired, metric, threshold, what, "above", kind)


def below(metric: Metric, threshold: float, what: str, kind: Kind = "share") -> Finding:
    """Fires when the figure is surely below ``threshold``: the high end of its interval is."""
    fired = metric.high is not None and metric.high < threshold
    return _found(fired, metric, threshold, what, "below", kind)


def beyond(metric: Metric, threshold: float, what: str, kind: Kind = "share") -> Finding:
    """Fires when the figure is surely further from 0 than ``threshold``, on either side."""
    over = metric.low is not None and metric.low > threshold
    fired = over or (metric.high is not None and metric.high < -threshold)
    return _found(fired, metric, threshold, what, "further from 0 than", kind)


def counted(name: str, num: int, of: int, convention: str, missing: str) -> Metric:
    """A share of counts, with Wilson's interval as of independent cases; null where ``of`` is 0."""
    if not of:
        return Metric(name=name, value=None, n=0, of=0, convention=convention, reason=missing)
    from scipy.stats import binomtest  # scipy takes a while to load

    ends = binomtest(num, of).proportion_ci(0.95, "wilson")
    return Metric(
        name=name, value=num / of, low=float(ends.low), high=float(ends.high), n=of, of=of,
        convention=convention,
    )  # fmt: skip


def share_by_prompt(name: str, cases: Iterable[tuple[str, bool]], convention: str, missing: str,
                    seed: int) -> Metric:  # fmt: skip
    """A share of cases, of which one prompt has several: prompts are resampled, as draws of one
    candidate are no independent cases. Few prompts: see ``results.pooled.widened``.

    Args:
        name: of the figure.
        cases: the prompt (its cluster), and whether the case counts.
        convention: what is counted, in words.
        missing: why there is no value where there are no cases.
        seed: of the bootstrap.
    """
    sums: dict[str, list[int]] = {}
    for prompt, counts in cases:
        sums.setdefault(prompt, []).append(counts)
    values = [
        Value(prompt_id=p, metric=name, num=sum(s), den=len(s), cluster=p) for p, s in sums.items()
    ]
    n = sum(map(len, sums.values()))
    figure = prompt_ratio(name, values, n, n, convention, missing, share=True)
    return pooled_metrics([figure], seed)[name]


def written(metric: Metric, kind: Kind) -> str:
    """``60.9 % [56.8, 64.9]``; the reason where there is no value."""
    if metric.value is None:
        return f"not measured ({metric.reason})"
    unit = " %" if kind == "share" else ""
    text = f"{_number(metric.value, kind)}{unit}"
    if metric.low is None or metric.high is None:
        return text
    return f"{text} [{_number(metric.low, kind)}, {_number(metric.high, kind)}]"


def _number(value: float, kind: Kind) -> str:
    shown = round(100 * value if kind == "share" else value, DECIMALS[kind]) + 0.0
    return f"{shown:.{DECIMALS[kind]}f}"


def _found(
    fired: bool, metric: Metric, threshold: float, what: str, side: str, kind: Kind
) -> Finding:
    if metric.value is None:
        return Finding(False, metric, threshold, f"{what}: {written(metric, kind)}")
    bound = f"{100 * threshold:g} %" if kind == "share" else f"{threshold:g}"
    sure = side if fired else f"not surely {side}"
    text = f"{what}: {written(metric, kind)} on {metric.n} of {metric.of}, {sure} {bound}"
    return Finding(fired, metric, threshold, text)
