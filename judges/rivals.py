"""Judges that read nothing: whoever prefers the longer response, and whoever guesses.

They give scores and verdicts like any judge, so the same metrics measure them. A judge that they
match has not shown that it reads.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Sequence

from judges.labels import Choice, LabelledPair
from judges.pointwise import Key
from judges.rankings import RankedPrompt
from results.records import PairJudgment, Value


def length_scores(rankings: Sequence[RankedPrompt]) -> dict[Key, float | None]:
    """Returns each response's length in characters as its score; equal lengths tie."""
    return {(p.id, r.id): float(len(r.text)) for p in rankings for r in p.responses}


def random_scores(rankings: Sequence[RankedPrompt], seed: int) -> dict[Key, float | None]:
    """Returns uniform scores in [0, 1); each follows from ``seed`` and the two ids alone."""
    return {
        (p.id, r.id): _generator(seed, p.id, r.id).random() for p in rankings for r in p.responses
    }


def random_values(judged: Iterable[Value]) -> list[Value]:
    """Returns the mean pairwise accuracy of ``random_scores`` on the pairs of ``judged``.

    Half of every prompt's pairs: the expectation itself, so that no draw decides a comparison.
    """
    return [value.model_copy(update={"num": value.den / 2}) for value in judged]


def length_verdicts(pairs: Sequence[LabelledPair]) -> list[PairJudgment]:
    """Returns one verdict a pair, for the longer response in characters; equal lengths tie."""
    return [_verdict(pair.id, 0, _longer(pair)) for pair in pairs]


def random_verdicts(
    pairs: Sequence[LabelledPair], seed: int, draws: int = 20
) -> list[PairJudgment]:
    """Returns ``draws`` (>= 1) guesses a pair, first or second, never a tie.

    They follow from ``seed`` and the pair's id alone. Metrics take the mean over draws: many of
    them, because one guess a pair would compare a judge with luck.
    """
    found = []
    for pair in pairs:
        generator = _generator(seed, pair.id)
        for draw in range(draws):
            found.append(_verdict(pair.id, draw, generator.choice(("first", "second"))))
    return found


def _longer(pair: LabelledPair) -> Choice:
    first, second = len(pair.first), len(pair.second)
    if first == second:
        return "tie"
    return "first" if first > second else "second"


def _verdict(prompt_id: str, draw: int, verdict: Choice) -> PairJudgment:
    return PairJudgment(
        prompt_id=prompt_id, order="AB", draw=draw, status="scored", verdict=verdict
    )


def _generator(seed: int, *names: str) -> random.Random:
    digest = hashlib.sha256("\0".join(("random judge", str(seed), *names)).encode()).digest()
    return random.Random(int.from_bytes(digest))
