"""Is this judge fit to judge? Checks with thresholds, and what could be tried when it is not.

Where three or more people labelled the data, the alternative annotator test decides (Calderon et
al. 2025, arXiv 2501.10970): may the judge stand in for one of them? Otherwise the judge's agreement
with people decides: its lower bound must reach a stated level, and it must surely beat judges that
read nothing (``judges.rivals``) on the same pairs. All required checks must pass, so however many
there are, a judge that falls short of one passes with a probability of about alpha / 2 at most (an
intersection-union test: Berger 1982, Technometrics 24).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from judges.advice import Sights, advise
from judges.agreement import CONVENTIONS, agreement_values
from judges.fitness_checks import (
    AltTestResult,
    Check,
    Criterion,
    alt_test_check,
    level_check,
    other_check,
    prompts_check,
    prompts_needed,
    rival_check,
    unscored_check,
)
from judges.labels import LabelledPair
from judges.pointwise import Key
from judges.rankings import RankedPrompt
from judges.rivals import length_scores, length_verdicts, random_values, random_verdicts
from results.records import Metric, PairJudgment, Unscored, Value
from results.stats import paired_difference, ratio_metric

Scores = Mapping[Key, float | None]
PairMeasure = Callable[[Sequence[PairJudgment]], tuple[dict[str, Metric], list[Value]]]


class Fitness(BaseModel):
    """The verdict.

    Attributes:
        fit: every required check passed.
        verdict: the same in one sentence.
        accuracy: the judge's agreement with people that the checks are about.
        checks: in the order they were made.
        for_want_of_data: not fit, but only because there are too few prompts to be sure.
        prompts_needed: about how many would do then, if all figures stayed as they are.
        advice: what could be tried, most promising first; empty when fit.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    fit: bool
    verdict: str
    criterion: Criterion
    accuracy: Metric
    checks: list[Check]
    for_want_of_data: bool
    prompts_needed: int | None
    advice: list[str]


@dataclass(frozen=True)
class Other:
    """The best other judge spec. ``values``: of the same metric; ``mine``: the judge's own on the
    pairs that both judged.
    """

    name: str
    values: Sequence[Value]
    mine: Sequence[Value]


@dataclass(frozen=True)
class Measured:
    """One metric, a share of right verdicts, of the judge and of those it is compared with.

    Attributes:
        accuracy: the metric of ``judged``, at confidence 1 - alpha of the criterion.
        judged: the judge's values; a prompt without a value has none.
        length: those of preferring the longer response.
        guess: those of guessing.
        unscored: of the judge's calls.
        other: the best other judge spec, if there is one.
        tied: share of the pairs that people tell apart and the judge does not, for the advice.
        top: the judge's commonest score and its share, for the advice.
    """

    accuracy: Metric
    judged: Sequence[Value]
    length: Sequence[Value]
    guess: Sequence[Value]
    unscored: Unscored
    other: Other | None = None
    tied: float | None = None
    top: tuple[float, float] | None = None


def judge_fitness(
    criterion: Criterion,
    found: Measured,
    alt: AltTestResult | None = None,
    seed: int = 0,
    rounds: int = 2000,
) -> Fitness:
    """Returns the verdict.

    Args:
        criterion: what is asked for.
        found: what was measured.
        alt: the alternative annotator test, if three or more people labelled the data. With it
            the accuracy checks are shown and decide nothing.
        seed: of the bootstrap intervals of the differences.
        rounds: of the same.

    Raises:
        SrlmError: as ``results.stats.paired_difference``.
    """

    def minus(mine: Sequence[Value], theirs: Sequence[Value]) -> Metric:
        return paired_difference(
            "accuracy", mine, theirs, seed=seed, rounds=rounds, confidence=1 - criterion.alpha
        )

    prompts = len({value.cluster for value in found.judged})
    alone = alt is None  # the accuracy decides
    longer, guess = minus(found.judged, found.length), minus(found.judged, found.guess)
    checks = [
        unscored_check(criterion, found.unscored),
        prompts_check(criterion, prompts, found.accuracy),
        level_check(criterion, found.accuracy, alone),
        rival_check("length", longer, alone and criterion.beat_length),
        rival_check("random", guess, alone and criterion.beat_random),
    ]
    if alt is not None:
        checks.insert(2, alt_test_check(criterion, alt))
    if (other := found.other) is not None:
        difference = minus(other.mine, other.values)
        checks.append(other_check(difference, other.name, criterion.yield_to_other))

    failed = [check for check in checks if check.required and not check.passed]
    counts = [prompts_needed(check, prompts) for check in failed]
    known = [count for count in counts if count is not None]
    lacking = bool(failed) and len(known) == len(failed)
    needed = max(criterion.min_prompts, *known) if lacking else None
    sights = Sights(
        failed=frozenset(check.name for check in failed),
        accuracy=found.accuracy,
        unscored=found.unscored,
        length_accuracy=_mean(found.length),
        tied=found.tied,
        top=found.top,
        other=other.name if other else None,
        prompts=prompts,
        prompts_needed=needed,
    )
    return Fitness(
        fit=not failed,
        verdict=_verdict(failed, needed),
        criterion=criterion,
        accuracy=found.accuracy,
        checks=checks,
        for_want_of_data=lacking,
        prompts_needed=needed,
        advice=advise(sights),
    )


def ranked_fitness(
    criterion: Criterion,
    rankings: Sequence[RankedPrompt],
    scores: Scores,
    unscored: Unscored,
    other: tuple[str, Scores] | None = None,
    alt: AltTestResult | None = None,
    seed: int = 0,
    rounds: int = 2000,
) -> Fitness:
    """Returns the verdict on a judge that scored human-ranked responses.

    Its accuracy is ``pairwise_accuracy`` (a tied score is wrong). Rivals are measured on the very
    pairs that the judge scored, the other spec on those that both did.

    Args:
        criterion: what is asked for.
        rankings: held-out human rankings.
        scores: mean score by (prompt_id, response_id); None or no entry is unscored.
        unscored: of the judge's calls.
        other: name and scores of the best other spec.
        alt: as in ``judge_fitness``.
        seed: of the bootstrap intervals.
        rounds: of the same.
    """
    name, scale = "pairwise_accuracy", (0, 1)  # the scale concerns another metric alone
    given = {key: score for key, score in scores.items() if score is not None}
    parts = agreement_values(rankings, given, scale)
    strict, half = parts[name], parts["pairwise_accuracy_half_ties"]
    accuracy = ratio_metric(
        name,
        strict.values,
        strict.of,
        CONVENTIONS[name].replace("{unscored}", "unscored dropped"),
        seed,
        rounds,
        1 - criterion.alpha,
        "no pair that people rank apart has a score on both sides",
    ).model_copy(update={"n": strict.n, "of": strict.of})
    mean, half_mean = _mean(strict.values), _mean(half.values)

    def values(judge: Scores, judged_too: Scores) -> list[Value]:
        kept = {key: score for key, score in judge.items() if key in judged_too}
        return agreement_values(rankings, kept, scale)[name].values

    rival = None
    if other:
        theirs = {key: score for key, score in other[1].items() if score is not None}
        rival = Other(other[0], values(theirs, given), values(given, theirs))
    found = Measured(
        accuracy=accuracy,
        judged=strict.values,
        length=values(length_scores(rankings), given),
        guess=random_values(strict.values),
        unscored=unscored,
        other=rival,
        tied=None if mean is None or half_mean is None else 2 * (half_mean - mean),
        top=_commonest(given),
    )
    return judge_fitness(criterion, found, alt, seed, rounds)


def pairwise_fitness(
    criterion: Criterion,
    pairs: Sequence[LabelledPair],
    judgments: Sequence[PairJudgment],
    measure: PairMeasure,
    unscored: Unscored,
    other: tuple[str, Sequence[PairJudgment]] | None = None,
    alt: AltTestResult | None = None,
    seed: int = 0,
    rounds: int = 2000,
) -> Fitness:
    """Returns the verdict on a judge that compared human-labelled pairs, by its ``accuracy``.

    Args:
        criterion: what is asked for.
        pairs: held-out labelled pairs.
        judgments: the judge's.
        measure: gives the metrics of verdicts on ``pairs``, ``accuracy`` among them, and the values
            behind them; its confidence should be 1 - alpha of the criterion.
        unscored: of the judge's calls.
        other: name and judgments of the best other spec.
        alt: as in ``judge_fitness``.
        seed: of guessing and of the bootstrap intervals.
        rounds: of the latter.
    """

    def values(given: Sequence[PairJudgment]) -> list[Value]:
        return [value for value in measure(given)[1] if value.metric == "accuracy"]

    judged = values(judgments)
    found = Measured(
        accuracy=measure(judgments)[0]["accuracy"],
        judged=judged,
        length=values(length_verdicts(pairs)),
        guess=values(random_verdicts(pairs, seed)),
        unscored=unscored,
        other=Other(other[0], values(other[1]), judged) if other else None,
    )
    return judge_fitness(criterion, found, alt, seed, rounds)


def _verdict(failed: Sequence[Check], needed: int | None) -> str:
    if not failed:
        return "fit to judge"
    why = "; ".join(check.reason for check in failed)
    if needed is None:
        return f"not fit to judge: {why}"
    return f"not shown to be fit for want of data, about {needed} prompts would do: {why}"


def _mean(values: Sequence[Value]) -> float | None:
    den = math.fsum(value.den for value in values)
    return math.fsum(value.num for value in values) / den if den else None


def _commonest(scores: Mapping[Key, float]) -> tuple[float, float] | None:
    """The score that most responses have, and the share of them."""
    if not scores:
        return None
    counts: dict[float, int] = {}
    for score in scores.values():
        counts[round(score, 9)] = counts.get(round(score, 9), 0) + 1
    score = max(counts, key=lambda s: (counts[s], s))
    return score, counts[score] / len(scores)
