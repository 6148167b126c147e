"""From scored candidates to preference pairs: per prompt, the highest score against the lowest.

Source: Yuan et al. 2024, Self-Rewarding Language Models (arXiv 2401.10020); dropped when equal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from judges.pointwise import Key, Score
from results.records import Candidate, Pair, Prompt

# Means of decimals carry rounding noise far below any real difference between scores.
NOISE = 1e-9

OUTCOMES = (
    "kept",
    "prompt_dropped",  # the prompt itself was filtered out
    "no_candidates",
    "too_few_usable",  # fewer than two candidates that end by themselves and are not blank
    "too_few_scored",  # fewer than two of those have a score
    "tied",  # they all have the same score
    "below_margin",
    "identical_text",  # highest and lowest are the same text
)


def select_pairs(
    prompts: Iterable[Prompt],
    candidates: Iterable[Candidate],
    scores: Mapping[Key, Score],
    min_margin: float = 0.0,
) -> tuple[list[Pair], dict[str, int]]:
    """Returns at most one pair per prompt, in prompt order, and how many prompts ended how.

    A pair is kept iff its margin (highest minus lowest mean score, on the judge's scale) is above 0
    and at least ``min_margin``. Unscored, blank and unterminated (``finish_reason`` other than
    ``stop``) candidates are never chosen nor rejected. Among equal scores the lowest draw is taken.

    Returns:
        pairs, and a count for each of ``OUTCOMES``; the counts sum to the number of prompts.
    """
    by_prompt: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        by_prompt.setdefault(candidate.prompt_id, []).append(candidate)
    pairs = []
    counts = Counter(dict.fromkeys(OUTCOMES, 0))
    for prompt in prompts:
        pair = _choose(prompt, by_prompt.get(prompt.id, []), scores, min_margin)
        counts[pair if isinstance(pair, str) else "kept"] += 1
        if isinstance(pair, Pair):
            pairs.append(pair)
    return pairs, dict(counts)


def _choose(
    prompt: Prompt, candidates: list[Candidate], scores: Mapping[Key, Score], min_margin: float
) -> Pair | str:
    """The prompt's pair, or the outcome that explains why there is none."""
    if prompt.status == "dropped":
        return "prompt_dropped"
    if not candidates:
        return "no_candidates"
    usable = [c for c in candidates if c.finish_reason == "stop" and c.text.strip()]
    if len(usable) < 2:
        return "too_few_usable"
    scored = [
        (score.mean, candidate)
        for candidate in usable
        if (score := scores.get((prompt.id, candidate.response_id))) and score.mean is not None
    ]
    if len(scored) < 2:
        return "too_few_scored"
    high, chosen = min(scored, key=lambda it: (-it[0], it[1].draw, it[1].response_id))
    low, rejected = min(scored, key=lambda it: (it[0], it[1].draw, it[1].response_id))
    margin = high - low
    if margin <= NOISE:
        return "tied"
    if margin < min_margin - NOISE:
        return "below_margin"
    if chosen.text == rejected.text:
        return "identical_text"
    return Pair(
        prompt_id=prompt.id,
        prompt=prompt.prompt,
        chosen_id=chosen.response_id,
        rejected_id=rejected.response_id,
        chosen=chosen.text,
        rejected=rejected.text,
        chosen_score=high,
        rejected_score=low,
        margin=margin,
    )
