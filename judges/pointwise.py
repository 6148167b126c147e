"""Pointwise judging: what the judge is shown, the record of each call, and the mean score."""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from backends.engines.caller import logprobs_record
from backends.engines.engine import Completion, GenerateConfig, Request
from judges.expected import TOP, expected_score
from judges.spec import JudgeSpec
from judges.template import fill
from judges.turns import Turns, texts
from results.records import Judgment, Message

_SPEAKERS = {"system": "System", "user": "User", "assistant": "Assistant"}

Key = tuple[str, str]  # (prompt_id, response_id)


@dataclass(frozen=True)
class Score:
    """A response's score: the mean of its ``n_scored`` scored draws out of ``n_draws``.

    ``mean`` is on the judge's scale, and None when too few draws are scored.
    """

    mean: float | None
    n_scored: int
    n_draws: int


def prompt_text(prompt: str | list[Message]) -> str:
    """Returns a prompt as one text: several turns as "User: ..." and "Assistant: ..." lines.

    A lone user message reads as the same prompt given as a string.
    """
    if isinstance(prompt, str):
        return prompt
    if len(prompt) == 1 and prompt[0].role == "user":
        return prompt[0].content
    return "\n".join(f"{_SPEAKERS[turn.role]}: {turn.content}" for turn in prompt)


def cluster_of(prompt: str | list[Message]) -> str:
    """Returns 16 hex digits that name a prompt's text: the cluster that intervals resample.

    A lone user message and the same prompt given as a string are one cluster.
    """
    return hashlib.sha256(prompt_text(prompt).encode()).hexdigest()[:16]


def render(
    spec: JudgeSpec,
    prompt: str | list[Message],
    response: Turns,
    reference: Turns | None = None,
) -> str:
    """Returns the text that a pointwise judge reads: the rubric with its slots filled.

    Hostile texts cannot leave their slots (``judges.template.fill``).

    Raises:
        SrlmError: the rubric shows a turn or a reference that is not there (``judges.turns``).
    """
    shown = texts(spec, prompt, {"response": response}, reference)
    return fill(spec.rubric, {"prompt": prompt_text(prompt), **shown})


def judge_request(
    spec: JudgeSpec,
    prompt: str | list[Message],
    response: Turns,
    draw: int,
    reference: Turns | None = None,
) -> Request:
    """Returns the judge call ``draw`` (0 to ``spec.draws`` - 1): one user message, after the
    spec's system message where it has one.
    """
    return request(spec, render(spec, prompt, response, reference), draw)


def request(spec: JudgeSpec, shown: str, draw: int) -> Request:
    """Returns the call that shows the judge the text ``shown``."""
    user = Message(role="user", content=shown)
    if not spec.system:
        return Request((user,), draw)
    return Request((Message(role="system", content=spec.system), user), draw)


def generate_config(spec: JudgeSpec, seed: int) -> GenerateConfig:
    """Returns the judge's decoding with the run's ``seed``. No stop text: a score comes last."""
    decoding = spec.decoding
    return GenerateConfig(
        temperature=decoding.temperature,
        top_p=decoding.top_p,
        max_tokens=decoding.max_tokens,
        seed=seed,
        logprobs=TOP if spec.aggregation == "expected" else 0,
    )


def call_fields(completion: Completion, call: str) -> dict[str, Any]:
    """Returns what a judgment of any kind keeps of its call; ``call`` is its cache key."""
    return {
        "text": completion.text,
        "finish_reason": completion.finish_reason,
        "tokens": completion.usage.completion_tokens,
        "call": call,
        "logprobs": logprobs_record(completion),
    }


def to_judgment(
    spec: JudgeSpec, prompt_id: str, response_id: str, draw: int, completion: Completion, call: str
) -> Judgment:
    """Returns the record of one judge call; ``call`` is its cache key."""
    if spec.aggregation == "expected":
        parsed = expected_score(
            completion, lambda text: spec.read(text, completion.finish_reason), spec.scale
        )
    else:
        parsed = spec.read(completion.text, completion.finish_reason)
    return Judgment(
        prompt_id=prompt_id,
        response_id=response_id,
        draw=draw,
        status="unscored" if parsed.score is None else "scored",
        score=parsed.score,
        reason=parsed.reason,
        **call_fields(completion, call),
    )


def mean_scores(judgments: Iterable[Judgment], spec: JudgeSpec | None = None) -> dict[Key, Score]:
    """Returns the score of every judged response, in order of first appearance.

    Every judgment counts as one draw. Fewer scored draws than ``spec.min_scored`` (without a spec:
    than one) leave the response unscored.
    """
    draws: dict[Key, list[float | None]] = {}
    for judgment in judgments:
        draws.setdefault((judgment.prompt_id, judgment.response_id), []).append(judgment.score)
    need = spec.min_scored if spec else 1
    scores = {}
    for key, values in draws.items():
        scored = [value for value in values if value is not None]
        # fsum: the mean must not depend on the order of the draws, or equal scores would not tie.
        mean = math.fsum(scored) / len(scored) if len(scored) >= need else None
        scores[key] = Score(mean, len(scored), len(values))
    return scores


def shuffle_within_prompt(scores: Mapping[Key, Score], seed: int) -> dict[Key, Score]:
    """Returns the scores permuted between the responses of each prompt: the control experiment.

    What each prompt's permutation is depends on ``seed``, the prompt id and its response ids alone,
    so neither order nor resuming changes it.
    """
    groups: dict[str, list[Key]] = {}
    for key in sorted(scores):
        groups.setdefault(key[0], []).append(key)
    moved: dict[Key, Score] = {}
    for prompt_id, keys in groups.items():
        digest = hashlib.sha256(f"shuffle\0{seed}\0{prompt_id}".encode()).digest()
        drawn = random.Random(int.from_bytes(digest)).sample(keys, len(keys))
        moved.update(zip(keys, (scores[key] for key in drawn), strict=True))
    return {key: moved[key] for key in scores}
