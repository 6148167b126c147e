"""Pairwise judging: of two responses the better one, in both orders, and what follows from them.

The judge names what it was shown first or second; records name the data's first or second.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from backends.engines.engine import Completion, Request
from judges.expected import expected_verdict
from judges.labels import Choice, LabelledPair
from judges.pointwise import call_fields, prompt_text, request
from judges.spec import JudgeSpec
from judges.template import fill
from judges.turns import Turns, texts
from results.records import Conversation, PairJudgment

Order = Literal["AB", "BA"]
Verdict = Literal["win", "tie", "loss"]
MEANS: dict[str, dict[str, Choice]] = {  # what a verdict on what was shown says of the data's
    "AB": {"A": "first", "B": "second", "tie": "tie"},
    "BA": {"A": "second", "B": "first", "tie": "tie"},
}
_VERDICTS: dict[Choice, Verdict] = {"first": "win", "second": "loss", "tie": "tie"}


@dataclass(frozen=True)
class JudgedPair:
    """Two responses to be judged against each other; a response may have a text for each turn."""

    id: str
    prompt: str | Conversation
    first: Turns
    second: Turns
    reference: Turns | None = None


@dataclass(frozen=True)
class PairVerdict:
    """What a judge says of a pair, for its ``first``: win, loss or tie.

    None where an order that was run is unscored. ``orders`` has each order's choice, None where it
    is unscored; ``consistent`` says whether both orders were scored and agree, and is None where
    not both were run. ``n_scored`` of ``n_draws`` draws are scored.
    """

    verdict: Verdict | None
    orders: dict[Order, Choice | None]
    consistent: bool | None
    n_scored: int
    n_draws: int


def to_judged(pair: LabelledPair) -> JudgedPair:
    """A labelled pair without what people say of it."""
    return JudgedPair(pair.id, pair.prompt, pair.first, pair.second, pair.reference)


def pair_orders(spec: JudgeSpec, pair_id: str, seed: int) -> tuple[Order, ...]:
    """Returns the orders in which a pair is judged; a random one depends on seed and id alone."""
    if spec.orders == "both":
        return ("AB", "BA")
    if spec.orders == "AB":
        return ("AB",)
    digest = hashlib.sha256(f"order\0{seed}\0{pair_id}".encode()).digest()
    return ("BA",) if digest[0] & 1 else ("AB",)


def render_pair(spec: JudgeSpec, pair: JudgedPair, order: Order) -> str:
    """Returns the text that a pairwise judge reads; ``BA`` shows the data's second response first.

    Hostile texts cannot leave their slots (``judges.template.fill``).
    """
    shown = (pair.first, pair.second) if order == "AB" else (pair.second, pair.first)
    answers = dict(zip(("first", "second"), shown, strict=True))
    values = texts(spec, pair.prompt, answers, pair.reference)
    return fill(spec.rubric, {"prompt": prompt_text(pair.prompt), **values})


def pair_request(spec: JudgeSpec, pair: JudgedPair, order: Order, draw: int) -> Request:
    """Returns the judge call ``draw`` (0 to ``spec.draws`` - 1) on a pair in one order."""
    return request(spec, render_pair(spec, pair, order), draw)


def to_pair_judgment(
    spec: JudgeSpec, pair_id: str, order: Order, draw: int, completion: Completion, call: str
) -> PairJudgment:
    """Returns the record of one judge call; ``call`` is its cache key."""
    if spec.aggregation == "expected":
        parsed, _ = expected_verdict(
            completion, lambda text: spec.read(text, completion.finish_reason)
        )
    else:
        parsed = spec.read(completion.text, completion.finish_reason)
    return PairJudgment(
        prompt_id=pair_id,
        order=order,
        draw=draw,
        status="unscored" if parsed.verdict is None else "scored",
        verdict=None if parsed.verdict is None else MEANS[order][parsed.verdict],
        reason=parsed.reason,
        **call_fields(completion, call),
    )


def pair_verdicts(judgments: Iterable[PairJudgment]) -> dict[str, PairVerdict]:
    """Returns each pair's verdict by its id, in order of first appearance.

    An order's choice is that of more than half of its scored draws, without such a majority a tie,
    and it is unscored without a scored draw. Two orders that disagree are a tie (MT-Bench's rule,
    as is that one unscored order leaves the pair without a verdict).
    """
    draws: dict[str, dict[Order, list[Choice | None]]] = {}
    for judgment in judgments:
        of_pair = draws.setdefault(judgment.prompt_id, {})
        of_pair.setdefault(judgment.order, []).append(judgment.verdict)
    return {pair_id: _reduce(of_pair) for pair_id, of_pair in draws.items()}


def _reduce(draws: dict[Order, list[Choice | None]]) -> PairVerdict:
    orders = {order: majority(draws[order]) for order in sorted(draws)}
    choices = list(orders.values())
    verdict: Verdict | None = None
    if None not in choices:
        agreed = choices[0] if len(set(choices)) == 1 else "tie"
        verdict = None if agreed is None else _VERDICTS[agreed]
    said = [verdict for of_order in draws.values() for verdict in of_order]
    return PairVerdict(
        verdict=verdict,
        orders=orders,
        consistent=None not in choices and len(set(choices)) == 1 if len(choices) > 1 else None,
        n_scored=sum(choice is not None for choice in said),
        n_draws=len(said),
    )


def majority(draws: Sequence[Choice | None]) -> Choice | None:
    """What more than half of those with a choice say, without such a majority a tie; None when
    there is no choice at all.
    """
    scored = [choice for choice in draws if choice is not None]
    if not scored:
        return None
    choice, n = Counter(scored).most_common(1)[0]
    return choice if 2 * n > len(scored) else "tie"
