"""Open Assistant message trees: first-turn instructions with answers that people ranked."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from benchmarks.registry import SeedData
from judges.pointwise import render
from judges.rankings import RankedPrompt, read_rankings
from judges.spec import load_spec
from results.errors import UsageError
from results.lines import to_record
from results.records import Conversation, Example
from results.store import read_json_lines


def held_out_prompt(prompt: str | Conversation, share: float) -> bool:
    """Whether a prompt falls into the held-out ``share`` (0 to 1) by a hash of its text."""
    text = prompt if isinstance(prompt, str) else "\n".join(m.content for m in prompt)
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) < share * 16**8


def read_trees(path: Path, language: str = "en") -> list[RankedPrompt]:
    """First turns in ``language`` and their ranked answers (rank 0 = best), one or more each."""
    ranked = []
    for line, tree in read_json_lines(path):
        root = tree.get("prompt")
        if not isinstance(root, dict) or "text" not in root:
            raise UsageError(
                f"{path}:{line}: not a message tree: no 'prompt' with a 'text' "
                "(expected an Open Assistant tree export)"
            )
        replies = [r for r in root.get("replies", []) if _usable(r, language)]
        if root.get("lang") != language or not replies:
            continue
        responses = [
            {"id": r.get("message_id"), "text": r.get("text"), "rank": r["rank"]} for r in replies
        ]
        found = {"id": root.get("message_id"), "prompt": root["text"], "responses": responses}
        ranked.append(to_record(path, line, found, RankedPrompt))
    return ranked


def _usable(reply: dict[str, Any], language: str) -> bool:
    return (
        reply.get("role") == "assistant"
        and reply.get("lang") == language
        and not reply.get("deleted")
        and isinstance(reply.get("rank"), int)
    )


def read_any_rankings(path: Path) -> list[RankedPrompt]:
    """Human rankings from our JSON Lines format or from message trees (the first line tells).

    Prompts with fewer than two ranked answers order nothing and are left out.
    """
    _, first = next(iter(read_json_lines(path)))
    ranked = read_trees(path) if "message_tree_id" in first else read_rankings(path)
    return [r for r in ranked if sum(x.rank is not None for x in r.responses) >= 2]


def seed_data(seed: int, path: str, held_out_share: float = 0.3, eft: str = "ranks",
              judge: str = "additive5", limit: int | None = None) -> SeedData:  # fmt: skip
    """IFT = the best answer (rank 0) of every instruction outside the held-out share.

    Args:
        seed: not used; the trees decide.
        path: message trees (.jsonl or .jsonl.gz).
        held_out_share: must be the evaluation's, so that no prompt is in both.
        eft: ``ranks`` gives every ranked answer a score by its place among the others (best =
            top of the judge's scale, worst = bottom); ``none`` makes no EFT.
        judge: the judge spec whose prompt the EFT examples show.
        limit: instructions at most.
    """
    if eft not in ("ranks", "none"):
        raise ValueError(f"eft is {eft!r}, expected 'ranks' or 'none'")
    trees = [r for r in read_trees(Path(path)) if not held_out_prompt(r.prompt, held_out_share)]
    trees = trees[:limit]
    ift = [
        Example(id=f"ift-{t.id}", prompt=t.prompt, completion=r.text, kind="ift")
        for t in trees
        for r in t.responses
        if r.rank == 0
    ]
    return SeedData(ift, _eft_from_ranks(trees, judge) if eft == "ranks" else [])


def _eft_from_ranks(trees: list[RankedPrompt], judge: str) -> list[Example]:
    spec = load_spec(judge)
    low, high = spec.scale
    examples = []
    for tree in trees:
        # Only the order counts: a rank that nobody got (a deleted answer's) is no place.
        ranks = sorted({r.rank for r in tree.responses if r.rank is not None})
        if len(ranks) < 2:
            continue
        places = {rank: place for place, rank in enumerate(ranks, 1)}
        for response in tree.responses:
            assert response.rank is not None
            at = places[response.rank]
            score = round(high - (at - 1) / (len(ranks) - 1) * (high - low))
            place = f"Of {len(tree.responses)} answers people put this one at place {at}."
            examples.append(
                Example(
                    id=f"eft-{response.id}",
                    prompt=render(spec, tree.prompt, response.text),
                    completion=f"{place}\nScore: {score}",
                    kind="eft",
                    meta={"score": score},
                )
            )
    return examples
