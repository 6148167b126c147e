"""Two validations on the same data: what differs, how surely, and on which prompts most."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict

from judges.compare_tables import table_differences
from judges.pair_agreement import CELLS
from judges.pointwise import Key
from results.records import Metric, Value
from results.stats import paired_difference


@dataclass(frozen=True)
class Side:
    """One validation: its values by prompt, and, for ranked data, mean scores and their scale."""

    values: Sequence[Value]
    scores: Mapping[Key, float | None] = field(default_factory=dict)
    scale: tuple[int, int] = (0, 1)


class PromptDifference(BaseModel):
    """How two judges differ on one prompt, second minus first; null where one has no value.

    ``first`` and ``second`` are the prompt's own figure (0 to 1) of the metric compared by.
    ``score_difference`` is the mean over the responses that both scored of the absolute difference
    of their scores, each on its own scale brought to 0..1.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    prompt_id: str
    first: float | None
    second: float | None
    difference: float | None
    score_difference: float | None


class Comparison(BaseModel):
    """``metrics``: second minus first. ``prompts``: those that differ most, by ``by``."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    metrics: dict[str, Metric]
    by: str
    prompts: list[PromptDifference]


def compare(
    first: Side,
    second: Side,
    by: str = "pairwise_accuracy",
    most: int = 10,
    seed: int = 0,
    rounds: int = 2000,
    confidence: float = 0.95,
) -> Comparison:
    """Returns the paired difference of every metric that a side has, and the prompts behind it.

    Args:
        first: one validation.
        second: the other, on the same data.
        by: the metric whose difference on a prompt puts the prompts in order (``accuracy`` for
            pairwise data); where that is equal or null the mean score difference does.
        most: how many prompts are named.
        seed: as in ``results.stats.paired_difference``; so ``rounds`` and ``confidence``.
        rounds: see ``seed``.
        confidence: see ``seed``.

    Raises:
        SrlmError: the two were not measured on the same data (see ``paired_difference``).
    """
    ours, theirs = _by_metric(second.values), _by_metric(first.values)
    metrics = {
        name: paired_difference(
            name,
            ours.get(name, []),
            theirs.get(name, []),
            "second minus first, paired by prompt; prompts that one side has no value for left out",
            seed,
            rounds,
            confidence,
        )
        for name in dict.fromkeys([*theirs, *ours])
        if name not in CELLS
    } | table_differences(first.values, second.values, seed, rounds, confidence)
    return Comparison(metrics=metrics, by=by, prompts=_prompts(first, second, by, most))


def _prompts(first: Side, second: Side, by: str, most: int) -> list[PromptDifference]:
    """Returns the prompts that differ at all, most first, equal ones by id."""
    before, after = _shares(first, by), _shares(second, by)
    apart = _score_differences(first, second)
    found = []
    for prompt_id in before.keys() | after.keys() | apart.keys():
        one, two = before.get(prompt_id), after.get(prompt_id)
        difference = None if one is None or two is None else two - one
        if difference or apart.get(prompt_id):
            found.append(
                PromptDifference(
                    prompt_id=prompt_id,
                    first=one,
                    second=two,
                    difference=difference,
                    score_difference=apart.get(prompt_id),
                )
            )
    found.sort(key=lambda p: (-abs(p.difference or 0), -(p.score_difference or 0), p.prompt_id))
    return found[:most]


def _score_differences(first: Side, second: Side) -> dict[str, float]:
    apart: dict[str, list[float]] = {}
    for key, score in first.scores.items():
        other = second.scores.get(key)
        if score is not None and other is not None:
            difference = abs(_share(other, second.scale) - _share(score, first.scale))
            apart.setdefault(key[0], []).append(difference)
    # Rounded: two judges with equal scores on scales of their own do not differ.
    return {key: round(math.fsum(found) / len(found), 9) for key, found in apart.items()}


def _share(score: float, scale: tuple[int, int]) -> float:
    return (score - scale[0]) / (scale[1] - scale[0])


def _shares(side: Side, by: str) -> dict[str, float]:
    return {v.prompt_id: v.num / v.den for v in side.values if v.metric == by and v.den != 0}


def _by_metric(values: Sequence[Value]) -> dict[str, list[Value]]:
    found: dict[str, list[Value]] = {}
    for value in values:
        found.setdefault(value.metric, []).append(value)
    return found
