"""Runs a judge over responses: every draw is one model call, parsed into one judgment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from backends.collect import collect
from backends.engines.caller import Answer, Caller
from backends.engines.engine import Request
from judges.pointwise import generate_config, judge_request, to_judgment
from judges.spec import JudgeSpec
from results.records import Conversation, Judgment, Retry
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
    """One answer to be judged."""

    prompt_id: str
    prompt: str | Conversation
    response_id: str
    text: str


def judge_responses(judge: Judge, responses: Sequence[Response], file: RecordFile[Judgment],
                    seed: int) -> list[Judgment]:  # fmt: skip
    """``spec.draws`` judgments of every response, in ``file`` when it is finalised.

    Draws that ``retries.jsonl`` beside it names are asked for under another number.
    """
    spec = judge.spec
    asked = [(response, draw) for response in responses for draw in range(spec.draws)]
    requests = judge_requests(spec, asked, file)
    config = generate_config(spec, seed)
    return collect(file, judge.caller, requests, config, recorder(spec, asked))


def judge_requests(
    spec: JudgeSpec, asked: Sequence[tuple[Response, int]], file: RecordFile[Judgment]
) -> list[Request]:
    """The calls for (response, draw); ``file`` is where their judgments go."""
    retries = RecordFile(file.path.with_name("retries.jsonl"), Retry).read()
    other = {(r.prompt_id, r.response_id, r.draw): r.asked_as for r in retries}
    return [
        judge_request(spec, r.prompt, r.text, other.get((r.prompt_id, r.response_id, draw), draw))
        for r, draw in asked
    ]


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


def unscored_share(judgments: Sequence[Judgment]) -> float:
    """Share of judgments without a score, 0 when there are none."""
    return sum(j.status == "unscored" for j in judgments) / len(judgments) if judgments else 0.0
