"""A mean from many judge verdicts, corrected by the few prompts that people labelled too.

Prediction-powered inference (Angelopoulos et al. 2023, arXiv 2301.09633) with power tuning (PPI++,
Angelopoulos, Duchi and Zrnic 2023, arXiv 2311.01453). With y the human values of the n labelled
prompts, f the judge's of all N judged ones, and the labelled prompts drawn at random from these:

    estimate = mean_n(y) + tuning * (mean_N(f) - mean_n(f))

The judge only predicts the labels. However biased it is, its error is measured on the labelled part
and taken off, so a bad judge makes the interval no wrong one but a wide one. ``tuning`` is the
least-squares slope of y on f (the regression estimator: Cochran, Sampling Techniques, 1977, chapter
7). The paper splits the N prompts into labelled and unlabelled; its lambda is tuning * (N - n) / N.

The formula is written out because the package of it, ppi-python 0.2.3, brings numba, llvmlite,
statsmodels and scikit-learn (325 MB), and its normal intervals are too narrow for the few dozen
labels that people have: of nominal 95 % they covered 93, 90 and 83 % at 30 labels in three of the
worlds of ``tests/proofs/prediction_powered.py``. Three things are done about few labels:

- Student's t with the degrees of freedom of the labelled clusters, less one for the slope.
- A score interval (Wilson), which is skew near a bound as the mean itself is.
- Twenty labels on which the judge never errs do not prove that it never errs. The squared errors
  behind an interval never sum to less than two labels' that are wrong by the whole range (for a
  win rate: one win that the judge calls a loss, one loss that it calls a win). This is in the
  spirit of the rule of three (Hanley and Lippman-Hand 1983), and moot once more errors are seen.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from results.labelled_part import (
    WHOLE_ERRORS,
    Array,
    Sample,
    Target,
    by_prompt,
    sample,
    score_interval,
    student,
)
from results.records import Metric, Value
from results.stats import ratio_metric

TARGETS: dict[Target, str] = {
    "population": "prompts like the judged ones",
    "these": "exactly the judged prompts, the labelled ones drawn from them without replacement",
}
UNLIKE = 0.999  # confidence with which the labelled part is called unlike the others


class PredictionPowered(BaseModel):
    """A mean by three roads, and what the judge was worth.

    ``estimate`` is the one to report; ``labels_only`` leaves the judge out, ``judge_only`` the
    people. ``n`` of ``estimate``, ``labels_only`` and ``bias`` counts labelled prompts, of the
    judged ones.

    Attributes:
        target: whose mean it is.
        bias: the judge's values minus the human ones; null when the judge uses another scale.
        tuning: weight of the judge, 0 is none. In units of human value per judge value.
        width_ratio: the interval's width over that of ``labels_only``; null when either is null.
        worth_labels: labels that would give ``labels_only`` the same width: n / width_ratio ** 2.
        notes: what to look at before the figures are believed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    target: Target
    labels_only: Metric
    judge_only: Metric
    estimate: Metric
    bias: Metric
    tuning: float
    width_ratio: float | None
    worth_labels: float | None
    notes: list[str]


def prediction_powered_mean(
    name: str,
    judged: Sequence[Value],
    labelled: Sequence[Value],
    target: Target = "population",
    bounds: tuple[float, float] = (0.0, 1.0),
    seed: int = 0,
    rounds: int = 2000,
    confidence: float = 0.95,
) -> PredictionPowered:
    """Returns sum(num) / sum(den) of the human values over ``target``, estimated with the judge.

    The labelled prompts must have been drawn at random from the judged ones, whole clusters or
    single prompts; which ones people label must not depend on what the judge said. Labelled prompts
    without a judge value are left out and noted. Values of one cluster may depend on each other.

    Args:
        name: the metric's name.
        judged: the judge's value of every prompt, on any scale (on that of ``bounds`` for a bias).
        labelled: the human values of some of them, with the same ``den`` and ``cluster``.
        target: ``these``: the mean over the judged prompts, which labels on all of them would give.
            ``population``: over prompts like them, so their own sampling counts as well; it is what
            another benchmark of this kind would be compared with.
        bounds: lowest and highest human value of a prompt: (0, 1) for a win rate, (-1, 1) for a
            difference of two. Estimates and intervals keep to it.
        seed: of the bootstrap interval of ``judge_only``.
        rounds: of the same.
        confidence: in (0, 1).

    Raises:
        SrlmError: a value is not finite or out of bounds, a den is not above 0, a prompt has two
            values, or the two sides disagree on a prompt's den or cluster.
    """
    if not (bounds[0] < bounds[1] and 0 < confidence < 1):
        raise ValueError(f"bounds {bounds} (rising), confidence {confidence} (in (0, 1))")
    judge, human = by_prompt(name, "judge", judged), by_prompt(name, "human", labelled)
    data = sample(name, judge, human, bounds)
    span = bounds[1] - bounds[0]
    slope = data.slope()
    tuning = slope or 0.0
    fitted = 1 if slope is None else 2
    whole = data.mean(data.judge, data.all)
    sampled = tuning * data.errors(data.judge, data.all)
    rest = data.human - tuning * data.judge  # what the judge leaves unexplained
    off = data.judge - data.human

    wide = data.half_width(data.human, 1, span, target, confidence)
    narrow = data.half_width(rest, fitted, span, target, confidence, sampled)
    unsure = data.half_width(off, 1, span, target, confidence)

    def metric(
        values: Array, added: float, half: float | None, kind: str, limits: tuple[float, float]
    ) -> Metric:
        found = float(np.clip(data.mean(values, data.labelled) + added, *limits))
        convention = (
            f"{kind}; mean over {TARGETS[target]}; score interval with Student t over "
            f"{data.clusters} labelled clusters, at least {WHOLE_ERRORS} whole errors allowed for"
        )
        low = high = None
        if half is not None:
            low, high = score_interval(found, half, data.clusters, limits)
        return Metric(
            name=name,
            value=found if data.clusters else None,
            low=low,
            high=high,
            confidence=confidence,
            n=int(data.labelled.sum()),
            of=len(judge),
            convention=convention,
            reason=None if half is not None else "fewer than two different prompts have a label",
        )

    powered = "human labels and judge (prediction-powered, tuned)"
    labels_only = metric(data.human, 0.0, wide, "human labels alone", bounds)
    estimate = metric(rest, tuning * whole, narrow, powered, bounds)
    bias = metric(off, 0.0, unsure, "judge minus human", (-span, span))
    used, ratio = _width(estimate), None
    if used is not None and (alone := _width(labels_only)):
        ratio = used / alone
    return PredictionPowered(
        target=target,
        labels_only=labels_only,
        judge_only=_judge_only(name, judged, target, seed, rounds, confidence),
        estimate=estimate,
        bias=_on_one_scale(bias, data, bounds),
        tuning=tuning,
        width_ratio=ratio,
        worth_labels=estimate.n / ratio**2 if ratio else None,
        notes=_notes(data, len(human)),
    )


def differences(name: str, candidate: Sequence[Value], incumbent: Sequence[Value]) -> list[Value]:
    """Returns candidate minus incumbent for each prompt that both have, as values with den 1.

    The mean of these is the paired difference of two means; its bounds are (low - high, high - low)
    of theirs. Order: that of ``candidate``.

    Raises:
        SrlmError: as ``prediction_powered_mean``.
    """
    ours, theirs = (
        by_prompt(name, "candidate", candidate),
        by_prompt(name, "incumbent", incumbent),
    )
    return [
        Value(
            prompt_id=key,
            metric=name,
            num=value.num / value.den - theirs[key].num / theirs[key].den,
            cluster=value.cluster,
        )
        for key, value in ours.items()
        if key in theirs
    ]


def _width(metric: Metric) -> float | None:
    return None if metric.low is None or metric.high is None else metric.high - metric.low


def _notes(data: Sample, labels: int) -> list[str]:
    notes = []
    used = int(data.labelled.sum())
    if used < labels:
        notes.append(f"{labels - used} of {labels} labelled prompts have no verdict: left out")
    gap = data.gap()
    if gap and abs(gap[1]) > student(UNLIKE, max(data.clusters - 1, 1)):
        notes.append(
            f"the judge's mean on the labelled prompts is {gap[0]:+.3f} off its mean on all: "
            "were they drawn at random? If not, no interval here holds"
        )
    return notes


def _judge_only(
    name: str, judged: Sequence[Value], target: Target, seed: int, rounds: int, confidence: float
) -> Metric:
    kind = f"judge verdicts alone, taken for true; mean over {TARGETS[target]}"
    metric = ratio_metric(name, judged, len(judged), kind, seed, rounds, confidence)
    if target == "population" or metric.value is None:
        return metric
    reason = "every prompt is judged: what is unknown is the judge's bias, not this mean"
    return metric.model_copy(update={"low": None, "high": None, "reason": reason})


def _on_one_scale(bias: Metric, data: Sample, bounds: tuple[float, float]) -> Metric:
    given = data.judge / data.den
    if not len(given) or (given.min() >= bounds[0] - 1e-9 and given.max() <= bounds[1] + 1e-9):
        return bias
    reason = f"the judge's values are not within {bounds[0]:g} to {bounds[1]:g}: another scale"
    return bias.model_copy(update={"value": None, "low": None, "high": None, "reason": reason})
