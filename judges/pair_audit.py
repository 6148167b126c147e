"""The pair audit: a random sample of preference pairs, shown blind, and what its labels come to.

A pair is right when its chosen answer is labelled better. A tie is not better: it counts against,
since a pair whose answers are equally good teaches only what they differ in otherwise. (With a tie
as one half, a run that games its judge would pass on the many pairs that differ in nothing good.)
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from judges.labels import Choice
from judges.pairwise import majority
from results.exact_bound import share_at_least
from results.records import AuditLabel, Conversation, Metric, Pair, Unscored

Side = Literal["first", "second"]
NOT_LABELLED = "not_labelled"
CONVENTION = (
    "share of the labelled pairs whose chosen answer is labelled better, a tie counts against; "
    "several labels of a pair: their majority, else a tie; exact one-sided bound for all {} pairs "
    "of the iteration that can be labelled, sampled without replacement"
)


@dataclass(frozen=True)
class BlindPair:
    """A pair as it is shown: two answers in random order. ``chosen`` is which one was chosen."""

    id: str
    prompt: str | Conversation
    first: str
    second: str
    chosen: Side


@dataclass(frozen=True)
class Counts:
    """``right``, ``wrong`` and ``ties`` sum to the labelled pairs; ``unscored.of`` were drawn."""

    right: int
    wrong: int
    ties: int
    unscored: Unscored

    @property
    def n(self) -> int:
        """Labelled pairs."""
        return self.right + self.wrong + self.ties


def draw_blind(pairs: Sequence[Pair], size: int, seed: str) -> list[BlindPair]:
    """Returns ``size`` of the pairs, or all of fewer, in random order and with a random answer
    first. A larger sample under the same ``seed`` begins with a smaller one.
    """
    rng = random.Random(f"audit:{seed}")
    order = rng.sample(pairs, len(pairs))
    sides: list[Side] = [rng.choice(("first", "second")) for _ in order]
    return [
        BlindPair(
            pair.prompt_id,
            pair.prompt,
            pair.chosen if side == "first" else pair.rejected,
            pair.rejected if side == "first" else pair.chosen,
            side,
        )
        for pair, side in zip(order[:size], sides, strict=False)
    ]


def mistaken(label: Choice, share: float, seed: str) -> Choice:
    """Returns the label as people who err in this ``share`` of pairs would give it: they name the
    other answer, and of a tie either one.
    """
    rng = random.Random(f"mistaken:{seed}")
    if rng.random() >= share:
        return label
    if label == "tie":
        return rng.choice(("first", "second"))
    return "first" if label == "second" else "second"


def label_of(pair: BlindPair, annotator: str, label: Choice | None, reason: str) -> AuditLabel:
    """Returns the record of a label; ``reason`` is why there is none."""
    return AuditLabel(
        prompt_id=pair.id,
        annotator=annotator,
        chosen=pair.chosen,
        status="unscored" if label is None else "scored",
        label=label,
        reason=reason if label is None else None,
    )


def count(drawn: Iterable[BlindPair], labels: Iterable[AuditLabel]) -> Counts:
    """Returns how the drawn pairs are labelled."""
    by_pair: dict[str, list[AuditLabel]] = {}
    for label in labels:
        by_pair.setdefault(label.prompt_id, []).append(label)
    found: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for pair in drawn:
        said = by_pair.get(pair.id, [])
        choice = majority([label.label for label in said])
        if choice is None:
            reasons[next((x.reason for x in said if x.reason), NOT_LABELLED)] += 1
        else:
            found["tie" if choice == "tie" else "right" if choice == pair.chosen else "wrong"] += 1
    unscored = Unscored(
        n=reasons.total(), of=found.total() + reasons.total(), reasons=dict(sorted(reasons.items()))
    )
    return Counts(found["right"], found["wrong"], found["tie"], unscored)


def chosen_is_better(counts: Counts, pairs: int, confidence: float) -> Metric:
    """Returns the share of right pairs with its lower bound over all ``pairs`` of the iteration
    that can be labelled. Without labels it is null.
    """
    able = pairs - counts.unscored.n
    low = share_at_least(counts.right, counts.n, able, confidence) if counts.n else None
    return Metric(
        name="chosen_is_better",
        value=counts.right / counts.n if counts.n else None,
        low=low,
        high=None if low is None else 1.0,
        confidence=confidence,
        n=counts.n,
        of=counts.unscored.of,
        convention=CONVENTION.format(able),
        reason=None if counts.n else "no pair is labelled",
    )
