"""Which judgments agree with people: a judge's sets of scores against the human order.

The judgments of one draw over all ranked responses of a prompt are one set. Sets that put the
responses in the order that people gave them are what a judge can learn from (Yuan et al. 2024,
arXiv 2401.10020, EFT data): the judge's own texts, chosen by what they come to.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

from judges.rankings import RankedPrompt
from judges.selection import NOISE
from judges.spec import JudgeSpec
from results.records import Judgment

Outcome = Literal["agree", "tied", "disagree", "unscored"]
Ties = Literal["drop", "keep"]


@dataclass(frozen=True)
class JudgedSet:
    """One draw's judgments of all responses of ``prompt``, in their order, with their scores."""

    prompt: RankedPrompt
    draw: int
    judgments: list[Judgment]
    scores: list[float]


class SetCounts(BaseModel):
    """How ``of`` sets compare with the human order; the first four sum to ``of``.

    ``agree``: every pair that people rank apart is ordered as they do. ``tied``: none the other
    way round, some with equal scores. ``disagree``: some the other way round. ``unscored``: a
    response without a score. ``kept`` sets were used; ``spare`` ones could have been, but their
    prompt has enough.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    of: int
    agree: int
    tied: int
    disagree: int
    unscored: int
    kept: int
    spare: int


def orders_something(prompt: RankedPrompt) -> bool:
    """Whether people rank two responses of ``prompt`` apart."""
    return len({r.rank for r in prompt.responses if r.rank is not None}) > 1


def set_outcome(ranks: Sequence[int], scores: Sequence[float | None]) -> tuple[Outcome, int]:
    """How one set compares with the human order, and how many pairs it orders as people do.

    Args:
        ranks: of the responses, 0 = best; pairs of equal rank do not count.
        scores: the judge's, in the same order; null is unscored.
    """
    found = [s for s in scores if s is not None]
    if len(found) < len(scores):
        return "unscored", 0
    right = tied = wrong = 0
    for (rank, score), (below, other) in itertools.combinations(zip(ranks, found, strict=True), 2):
        if rank == below:
            continue
        margin = (score - other) * (1 if rank < below else -1)
        right += margin > NOISE
        tied += abs(margin) <= NOISE
        wrong += margin < -NOISE
    return ("disagree" if wrong else "tied" if tied else "agree"), right


def agreeing_sets(
    rankings: Sequence[RankedPrompt],
    judgments: Iterable[Judgment],
    spec: JudgeSpec,
    ties: Ties = "drop",
    sets: int = 1,
) -> tuple[list[JudgedSet], SetCounts]:
    """Returns the sets that agree with people, in the order of prompts, and how all compare.

    Of a prompt the sets that agree come first, then (``ties`` = ``keep``) those with ties that
    order at least one pair as people do; among these the lowest draw. A judgment counts when it
    ended by itself, has a score, and its text read by the judge's own parser gives the score that
    is compared: what is learned from is the text.

    Args:
        rankings: every response has a rank, and some two differ.
        judgments: each response by each draw, in any order.
        spec: of the judge that gave them.
        ties: whether equal scores break a set.
        sets: sets at most of a prompt.
    """
    found: dict[tuple[str, int], dict[str, Judgment]] = {}
    for judgment in judgments:
        of = found.setdefault((judgment.prompt_id, judgment.draw), {})
        of[judgment.response_id] = judgment
    draws = sorted({draw for _, draw in found})
    counts: Counter[str] = Counter()
    kept: list[JudgedSet] = []
    for prompt in rankings:
        ranks = [r.rank for r in prompt.responses if r.rank is not None]
        good: list[tuple[bool, JudgedSet]] = []
        for draw in draws:
            by_response = found.get((prompt.id, draw))
            if by_response is None:
                continue
            of_set = [by_response.get(r.id) for r in prompt.responses]
            scores = [None if j is None else _learnable(spec, j) for j in of_set]
            outcome, right = set_outcome(ranks, scores)
            counts[outcome] += 1
            if outcome == "agree" or (outcome == "tied" and ties == "keep" and right):
                whole = [j for j in of_set if j is not None]
                told = [s for s in scores if s is not None]
                good.append((outcome == "tied", JudgedSet(prompt, draw, whole, told)))
        good.sort(key=lambda it: (it[0], it[1].draw))
        kept += [judged for _, judged in good[:sets]]
        counts["kept"] += len(good[:sets])
        counts["spare"] += len(good[sets:])
    names = ("agree", "tied", "disagree", "unscored")
    return kept, SetCounts(
        of=sum(counts[name] for name in names),
        **{name: counts[name] for name in (*names, "kept", "spare")},
    )


def _learnable(spec: JudgeSpec, judgment: Judgment) -> float | None:
    """The score that the text of a finished judgment reads as; null where it may not be learned."""
    if judgment.score is None or judgment.finish_reason not in (None, "stop"):
        return None
    return spec.read(judgment.text).score
