"""May this judge stand in for a human annotator? The alternative annotator test.

Source: Calderon, Reichart and Dror 2025, The Alternative Annotator Test for LLM-as-a-Judge
(arXiv 2501.10970). Each annotator j is left out in turn. On every item that j, another annotator
and the judge answered, the judge's and j's answers are each aligned with those of the others. d is
1 where j is aligned better, -1 where the judge is, 0 where they are level. The judge beats j when
the mean of d is surely below epsilon, which is what the judge may be worse by for being cheaper
(the paper: 0.2 for experts, 0.15 for skilled annotators, 0.1 for crowd workers).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from judges.labels import Choice, LabelledPair

Answer = str | int | float
Alignment = Literal["accuracy", "neg_rmse"]

MIN_ANNOTATORS = 2  # on an item: with j left out, one remains


@dataclass(frozen=True)
class LeftOut:
    """The test against one annotator. Shares are of its ``n`` items; null with too few of them.

    Attributes:
        annotator: who was left out.
        n: items that it, another annotator and the judge answered, of ``of`` that it answered.
        judge_as_good: share where the judge is aligned at least as well as the annotator.
        annotator_as_good: share where the annotator is aligned at least as well as the judge.
        p_value: of the one-sided t-test that the annotator's advantage is epsilon or more.
        beaten: whether that is rejected with all annotators' p-values taken together.
        reason: why the test was not made.
    """

    annotator: str
    n: int
    of: int
    judge_as_good: float | None = None
    annotator_as_good: float | None = None
    p_value: float | None = None
    beaten: bool = False
    reason: str | None = None


@dataclass(frozen=True)
class AltTest:
    """The result. ``passes``: the judge beats at least half of the ``n`` annotators tested.

    Attributes:
        omega: winning rate, the share of annotators tested that the judge beats.
        rho: mean over them of the share of items where the judge is at least as well aligned; for
            comparing judges.
        passes: omega >= 0.5; null, as the two above, where no annotator could be tested.
        n: annotators tested, of ``of``.
        epsilon: the advantage over the judge that an annotator is granted.
        q: false discovery rate of the Benjamini-Yekutieli procedure over the annotators.
        min_items: items that an annotator needs to be tested.
        alignment: how an answer is compared with those of the others.
        annotators: one by one, in the order given.
        convention: all of this in words.
        reason: why omega is null.
    """

    omega: float | None
    rho: float | None
    passes: bool | None
    n: int
    of: int
    epsilon: float
    q: float
    min_items: int
    alignment: Alignment
    annotators: tuple[LeftOut, ...]
    convention: str
    reason: str | None = None


def alt_test(
    judge: Mapping[str, Answer | None],
    humans: Mapping[str, Mapping[str, Answer]],
    epsilon: float,
    alignment: Alignment | None = None,
    q: float = 0.05,
    min_items: int = 30,
) -> AltTest:
    """Returns whether the judge represents the annotators as well as they represent each other.

    Args:
        judge: its answer by item; None or no entry is unscored and leaves the item out.
        humans: the answers by annotator and item.
        epsilon: in 0..1, see the module.
        alignment: ``accuracy``: the share of the others that gave the same answer; ``neg_rmse``:
            minus the root mean square difference from theirs. None: ``neg_rmse`` when all answers
            are numbers, else ``accuracy``.
        q: in 0..1.
        min_items: at least 2; the t-test wants about 30.
    """
    if not (0 <= epsilon <= 1 and 0 < q < 1 and min_items >= 2):
        raise ValueError(f"epsilon {epsilon} and q {q} (in 0..1), min_items {min_items} (>= 2)")
    how = alignment or _alignment([judge, *humans.values()])
    everyone: dict[str, list[Answer]] = {}
    for answers in humans.values():
        for item, answer in answers.items():
            everyone.setdefault(item, []).append(answer)
    tested = [
        _left_out(name, answers, judge, everyone, how, epsilon, min_items)
        for name, answers in humans.items()
    ]
    tested = _beaten(tested, q)
    shares = [one.judge_as_good for one in tested if one.judge_as_good is not None]
    omega = sum(one.beaten for one in tested) / len(shares) if shares else None
    return AltTest(
        omega=omega,
        rho=float(np.mean(shares)) if shares else None,
        passes=None if omega is None else omega >= 0.5,
        n=len(shares),
        of=len(tested),
        epsilon=epsilon,
        q=q,
        min_items=min_items,
        alignment=how,
        annotators=tuple(tested),
        convention=f"leave one annotator out; alignment {how}; epsilon {epsilon:g}; one-sided "
        f"t-test, Benjamini-Yekutieli at {q:g}; annotators with at least {min_items} items shared "
        "with the judge and another annotator",
        reason=None if shares else "no annotator has enough items shared with the judge and others",
    )


def annotator_answers(pairs: Sequence[LabelledPair]) -> dict[str, dict[str, Choice]]:
    """Returns the labels by annotator and pair id, for ``alt_test``.

    Labels without an annotator are left out; of two by one annotator on a pair the first counts.
    """
    found: dict[str, dict[str, Choice]] = {}
    for pair in pairs:
        for given in pair.labels:
            if given.annotator is not None:
                found.setdefault(given.annotator, {}).setdefault(pair.id, given.label)
    return found


def _left_out(
    name: str,
    answers: Mapping[str, Answer],
    judge: Mapping[str, Answer | None],
    everyone: Mapping[str, list[Answer]],
    alignment: Alignment,
    epsilon: float,
    min_items: int,
) -> LeftOut:
    """One annotator against the judge; whether it is beaten is decided over all of them."""
    as_good, better = [], []
    for item, own in answers.items():
        given = judge.get(item)
        if given is None or len(everyone[item]) < MIN_ANNOTATORS:
            continue
        others = list(everyone[item])
        others.remove(own)
        theirs, ours = _aligned(own, others, alignment), _aligned(given, others, alignment)
        as_good.append(float(ours >= theirs))
        better.append(float(theirs >= ours))
    n = len(as_good)
    if n < min_items:
        return LeftOut(name, n, len(answers), reason=f"{n} items, expected at least {min_items}")
    return LeftOut(
        annotator=name,
        n=n,
        of=len(answers),
        judge_as_good=float(np.mean(as_good)),
        annotator_as_good=float(np.mean(better)),
        p_value=_p_value(np.subtract(better, as_good), epsilon),
    )


def _p_value(differences: NDArray[np.float64], epsilon: float) -> float:
    """One-sided: how likely so low a mean is if the true one is epsilon."""
    from scipy import stats

    if np.ptp(differences) == 0:  # t is infinite, or 0/0 where the difference is epsilon itself
        return 0.0 if differences[0] < epsilon else 1.0
    return float(stats.ttest_1samp(differences, epsilon, alternative="less").pvalue)


def _beaten(tested: list[LeftOut], q: float) -> list[LeftOut]:
    """The same with ``beaten`` by the Benjamini-Yekutieli procedure (it allows any dependence)."""
    from scipy import stats

    p_values = [one.p_value for one in tested if one.p_value is not None]
    if not p_values:
        return tested
    adjusted = iter(stats.false_discovery_control(p_values, method="by"))
    return [
        one if one.p_value is None else replace(one, beaten=bool(next(adjusted) <= q))
        for one in tested
    ]


def _aligned(answer: Answer, others: Sequence[Answer], alignment: Alignment) -> float:
    if alignment == "accuracy":
        return sum(answer == other for other in others) / len(others)
    squares = [(float(answer) - float(other)) ** 2 for other in others]
    return -float(np.sqrt(sum(squares) / len(squares)))


def _alignment(answers: Sequence[Mapping[str, Answer | None]]) -> Alignment:
    given = [answer for part in answers for answer in part.values() if answer is not None]
    numbers = all(isinstance(x, int | float) and not isinstance(x, bool) for x in given)
    return "neg_rmse" if given and numbers else "accuracy"
