"""Pointwise judging: what the judge is shown, the record of each call, and the mean score.

Candidates are hostile text. The template is filled in one pass, so braces in a candidate are inert;
and where the rubric encloses a slot in tags, no text in a slot can close or open such a tag.
"""

from __future__ import annotations

import hashlib
import math
import random
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from backends.engines.caller import logprobs_record
from backends.engines.engine import Completion, GenerateConfig, Request
from judges.parse import parse_final_score_line
from judges.spec import JudgeSpec
from results.records import Judgment, Message

_SPEAKERS = {"system": "System", "user": "User", "assistant": "Assistant"}
_INVISIBLE = "[\\s\u200b-\u200d\u2060\ufeff]*"

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


def render(spec: JudgeSpec, prompt: str | list[Message], response: str) -> str:
    """Returns the text that the judge reads: the rubric with both slots filled in one pass.

    In the slots the first character of anything that reads as one of the rubric's own tags becomes
    ``&lt;`` (in any case, also with blanks or zero-width characters inside); the rest of the text
    is shown as it is. Records keep the original text.
    """
    fill = {"{prompt}": prompt_text(prompt), "{response}": response}
    pieces = re.split(r"(\{prompt\}|\{response\})", spec.rubric)
    tag = _tags(spec.rubric)
    return "".join(
        (tag.sub("&lt;", fill[piece]) if tag else fill[piece]) if piece in fill else piece
        for piece in pieces
    )


def judge_request(
    spec: JudgeSpec, prompt: str | list[Message], response: str, draw: int
) -> Request:
    """Returns the judge call ``draw`` (0 to ``spec.draws`` - 1): one user message."""
    return Request((Message(role="user", content=render(spec, prompt, response)),), draw)


def generate_config(spec: JudgeSpec, seed: int) -> GenerateConfig:
    """Returns the judge's decoding with the run's ``seed``. No stop text: a score comes last."""
    decoding = spec.decoding
    return GenerateConfig(
        temperature=decoding.temperature,
        top_p=decoding.top_p,
        max_tokens=decoding.max_tokens,
        seed=seed,
    )


def to_judgment(
    spec: JudgeSpec, prompt_id: str, response_id: str, draw: int, completion: Completion, call: str
) -> Judgment:
    """Returns the record of one judge call; ``call`` is its cache key."""
    parsed = parse_final_score_line(
        completion.text, completion.finish_reason, spec.parser.label, spec.scale
    )
    return Judgment(
        prompt_id=prompt_id,
        response_id=response_id,
        draw=draw,
        status="unscored" if parsed.score is None else "scored",
        score=parsed.score,
        reason=parsed.reason,
        text=completion.text,
        finish_reason=completion.finish_reason,
        tokens=completion.usage.completion_tokens,
        call=call,
        logprobs=logprobs_record(completion),
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


@lru_cache(maxsize=64)
def _tags(rubric: str) -> re.Pattern[str] | None:
    """Matches the "<" of any tag, opening or closing, that the rubric closes somewhere."""
    names = sorted(set(re.findall(r"</([A-Za-z][\w-]*)>", rubric)))
    if not names:
        return None
    # Letters may be kept apart by characters that nobody sees and some tokenizers drop.
    spelt = "|".join(_INVISIBLE.join(map(re.escape, name)) for name in names)
    return re.compile(rf"<(?={_INVISIBLE}/?{_INVISIBLE}(?:{spelt})(?![\w-]))", re.IGNORECASE)
