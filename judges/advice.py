"""What could be tried with a judge that is not fit, read off its figures."""

from __future__ import annotations

from dataclasses import dataclass

from results.records import Metric, Unscored
from results.text import excerpt

PILED = 0.6  # share of one score from which a judge hardly tells responses apart
TIED = 0.25  # share of tied pairs likewise

_UNSCORED = {
    "length": "the judge is cut off: raise decoding.max_tokens, or ask for a shorter explanation",
    "empty": "the judge says nothing: check its chat template and stop settings",
    "error": "the engine gave no answer: run the same command again to ask for what is missing",
    "out_of_range": "the judge scores on another scale: state the lowest and highest score in the "
    "rubric's last sentence",
}
_NO_FORMAT = (
    "the judge does not end with its score line: show the wanted last line in the rubric with an "
    "example, or take a judge model that follows instructions better"
)


@dataclass(frozen=True)
class Sights:
    """What is known of a judge. ``failed`` names the checks of ``judges.fitness`` that it failed.

    Attributes:
        accuracy: its agreement with people.
        unscored: of its calls.
        length_accuracy: of preferring the longer response, on the same pairs.
        tied: share of pairs that people tell apart and it does not.
        top: its commonest score, and the share of it.
        other: name of the best other judge spec.
        prompts: how many it was measured on.
        prompts_needed: about how many would do, when only data are lacking.
    """

    failed: frozenset[str]
    accuracy: Metric
    unscored: Unscored
    length_accuracy: float | None
    tied: float | None
    top: tuple[float, float] | None
    other: str | None
    prompts: int
    prompts_needed: int | None


def advise(sights: Sights) -> list[str]:
    """Returns what could be tried, most promising first; nothing where no check failed."""
    if not sights.failed:
        return []
    found = []
    if "unscored" in sights.failed:
        found.append(_format(sights.unscored))
    if sights.prompts_needed is not None:
        found.append(
            f"validate on about {sights.prompts_needed} prompts instead of {sights.prompts}: its "
            "figures clear the criterion, their intervals do not"
        )
        return found
    value, high = sights.accuracy.value, sights.accuracy.high
    # Of pairs with ties as a third answer, less than half right is no sign of that.
    if high is not None and sights.tied is not None and high + sights.tied / 2 < 0.5:
        found.append(
            "it prefers what people reject: check that rank 0 is the best response and that the "
            "rubric's highest score is the best one"
        )
        return found
    if "other" in sights.failed:
        found.append(f"use {excerpt(sights.other)}: it is surely right more often on these prompts")
    if sights.top and sights.top[1] >= PILED:
        score, share = sights.top
        found.append(
            f"{share:.0%} of its scores are {score:g}: try a rubric with finer or stricter levels, "
            "or more draws at a temperature above 0 (judge.draws)"
        )
    elif sights.tied is not None and sights.tied >= TIED:
        found.append(
            f"it ties {sights.tied:.0%} of the pairs that people tell apart: more draws at a "
            "temperature above 0 (judge.draws) or a finer scale would break ties"
        )
    longer = sights.length_accuracy
    if "length" in sights.failed and longer is not None and value is not None:
        found.append(
            f"preferring the longer response is right on {longer:.3f} of the pairs, the judge on "
            f"{value:.3f}: tell it in the rubric that length is no merit, or validate on data "
            "where people do not prefer the longer response"
        )
    if sights.failed & {"level", "random", "alt_test"}:
        found.append(
            "try another rubric (one with a reference answer, or pairwise) or a stronger judge "
            "model; where people hardly agree with each other, no judge can agree with them"
        )
    return found


def _format(unscored: Unscored) -> str:
    """What mends the commonest reason."""
    if not unscored.reasons:
        return "no call of the judge has a score: run it on these data first"
    reason = max(sorted(unscored.reasons), key=lambda name: unscored.reasons[name])
    mend = _UNSCORED.get(reason, _NO_FORMAT)
    return (
        f"{unscored.reasons[reason]} of {unscored.n} unscored calls are {excerpt(reason)!r}: {mend}"
    )
