"""Runs a judge over responses or pairs: every draw is one model call, parsed into a judgment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from backends.collect import collect
from backends.engines.caller import Answer, Caller
from backends.engines.engine import Request
from judges.pairwise import JudgedPair, pair_orders, pair_request, to_pair_judgment
from judges.pointwise import generate_config, judge_request, to_judgment
from judges.rankings import RankedPrompt
from judges.spec import JudgeSpec
from judges.spec_parts import Kind
from judges.turns import Turns, refuse_data
from results.errors import UsageError
from results.records import Conversation, Judgment, PairJudgment, Retry, Unscored
from results.store import RecordFile


@dataclass(frozen=True)
class Judge:
    """Who judges and how. ``is_judged``: the judge is the model whose answers it judges."""

    spec: JudgeSpec
    caller: Caller
    name: str
    is_judged: bool


@dataclass(frozen=True)
class Response:
    """One answer to be judged; it and the reference may have a text for each turn."""

    prompt_id: str
    prompt: str | Conversation
    response_id: str
    text: Turns
    reference: Turns | None = None


def ranked_responses(rankings: Iterable[RankedPrompt]) -> list[Response]:
    """All responses of human-ranked prompts, as a judge is shown them."""
    return [
        Response(item.id, item.prompt, response.id, response.text, item.reference)
        for item in rankings
        for response in item.responses
    ]


def judge_responses(judge: Judge, responses: Sequence[Response], file: RecordFile[Judgment],
                    seed: int) -> list[Judgment]:  # fmt: skip
    """``spec.draws`` judgments of every response, in ``file`` when it is finalised.

    Draws that ``retries.jsonl`` beside it names are asked for under another number. Raises
    UsageError on a pairwise judge, and when the rubric shows what some responses do not have.
    """
    spec = judge.spec
    asked = [(response, draw) for response in responses for draw in range(spec.draws)]
    requests = judge_requests(spec, asked, file)
    config = generate_config(spec, seed)
    return collect(file, judge.caller, requests, config, recorder(spec, asked))


def judge_requests(
    spec: JudgeSpec, asked: Sequence[tuple[Response, int]], file: RecordFile[Judgment]
) -> list[Request]:
    """The calls for (response, draw); ``file`` is where their judgments go. Raises UsageError as
    ``judge_responses`` says.
    """
    _refuse_kind(spec, "pointwise")
    refuse_data(spec, ((r.prompt, {"response": r.text}, r.reference) for r, _ in asked))
    other = other_draws(file)
    return [
        judge_request(
            spec,
            r.prompt,
            r.text,
            other.get((r.prompt_id, r.response_id, draw), draw),
            r.reference,
        )
        for r, draw in asked
    ]


def other_draws(file: RecordFile[Any]) -> dict[tuple[str, str, int], int]:
    """The draws that ``retries.jsonl`` beside ``file`` says to ask for, by prompt id, response id
    (of a pair: order) and the judgment's own draw.
    """
    retries = RecordFile(file.path.with_name("retries.jsonl"), Retry).read()
    return {(r.prompt_id, r.response_id, r.draw): r.asked_as for r in retries}


def recorder(
    spec: JudgeSpec, asked: Sequence[tuple[Response, int]]
) -> Callable[[Answer], Judgment]:
    """Makes the judgment of an answer to ``judge_requests``."""

    def record(answer: Answer) -> Judgment:
        response, draw = asked[answer.index]
        return to_judgment(
            spec, response.prompt_id, response.response_id, draw, answer.completion, answer.key
        )

    return record


def judge_pairs(judge: Judge, pairs: Sequence[JudgedPair], file: RecordFile[PairJudgment],
                seed: int) -> list[PairJudgment]:  # fmt: skip
    """``spec.draws`` judgments of every pair in each of its orders, in ``file`` when finalised.

    Draws that ``retries.jsonl`` beside it names are asked for under another number. Raises
    UsageError on a pointwise judge, and when the rubric shows what some pairs do not have.
    """
    spec = judge.spec
    _refuse_kind(spec, "pairwise")
    refuse_data(spec, ((p.prompt, {"first": p.first, "second": p.second}, p.reference)
                       for p in pairs))  # fmt: skip
    asked = [
        (pair, order, draw)
        for pair in pairs
        for order in pair_orders(spec, pair.id, seed)
        for draw in range(spec.draws)
    ]
    other = other_draws(file)
    requests = [
        pair_request(spec, pair, order, other.get((pair.id, order, draw), draw))
        for pair, order, draw in asked
    ]

    def record(answer: Answer) -> PairJudgment:
        pair, order, draw = asked[answer.index]
        return to_pair_judgment(spec, pair.id, order, draw, answer.completion, answer.key)

    return collect(file, judge.caller, requests, generate_config(spec, seed), record)


def _refuse_kind(spec: JudgeSpec, kind: Kind) -> None:
    if spec.kind != kind:
        raise UsageError(
            f"judge {spec.name!r} is {spec.kind}, expected a {kind} one for these data; name "
            "another judge"
        )


def unscored(judgments: Sequence[Judgment | PairJudgment]) -> Unscored:
    """How many have no score or verdict, by reason (``not_said`` where stored ones give none)."""
    reasons = Counter(j.reason or "not_said" for j in judgments if j.status == "unscored")
    return Unscored(n=reasons.total(), of=len(judgments), reasons=dict(reasons))


def total_unscored(parts: Iterable[Unscored]) -> Unscored:
    """The sums of several counts."""
    reasons: Counter[str] = Counter()
    n = of = 0
    for part in parts:
        n, of = n + part.n, of + part.of
        reasons.update(part.reasons)
    return Unscored(n=n, of=of, reasons=dict(reasons))


def unscored_share(judgments: Sequence[Judgment | PairJudgment]) -> float:
    """Share of judgments without a score, 0 when there are none."""
    return sum(j.status == "unscored" for j in judgments) / len(judgments) if judgments else 0.0
