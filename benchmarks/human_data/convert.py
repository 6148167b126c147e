"""Ranked data for a pairwise judge, and labelled pairs for a pointwise one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from judges.labels import Choice, Label, LabelledPair
from judges.rankings import RankedPrompt, RankedResponse

RANKS: dict[Choice, tuple[int, int]] = {"first": (0, 1), "second": (1, 0), "tie": (0, 0)}


def pairs_of(rankings: Sequence[RankedPrompt]) -> list[LabelledPair]:
    """Every two responses of a prompt that people rank, as one pair; equal ranks are a tie.

    Which stands first is the order of the data.
    """
    found = []
    for item in rankings:
        ranked = [(r, r.rank) for r in item.responses if r.rank is not None]
        for i, (one, rank) in enumerate(ranked):
            for other, below in ranked[i + 1 :]:
                label: Choice = "tie" if rank == below else "first" if rank < below else "second"
                found.append(
                    LabelledPair(
                        id=f"{item.id}/{one.id}/{other.id}",
                        prompt=item.prompt,
                        first=one.text,
                        second=other.text,
                        labels=(Label(label=label),),
                        category=item.category,
                        reference=item.reference,
                    )
                )
    return found


def rankings_of(pairs: Sequence[LabelledPair]) -> list[RankedPrompt]:
    """Every pair as a prompt with two ranked responses, by the label that most annotators gave;
    a pair without such a majority has no ranks and is left out.
    """
    found = []
    for pair in pairs:
        counts = Counter(label.label for label in pair.labels).most_common(2)
        if len(counts) > 1 and counts[0][1] == counts[1][1]:
            continue
        first, second = RANKS[counts[0][0]]
        found.append(
            RankedPrompt(
                id=pair.id,
                prompt=pair.prompt,
                responses=[
                    RankedResponse(id="first", text=pair.first, rank=first),
                    RankedResponse(id="second", text=pair.second, rank=second),
                ],
                category=pair.category,
                reference=pair.reference,
            )
        )
    return found
