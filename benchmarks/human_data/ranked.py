"""Our own ranked JSON Lines (CONTRACT: human rankings), and the same with scores for ranks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.human_data.grades import rank_of, ranks_by_score, score_of
from benchmarks.human_data.notes import Notes
from benchmarks.human_data.source import Found, Source
from judges.rankings import RankedPrompt
from results.lines import to_record


def read(source: Source) -> Iterator[Found]:
    """Yields every prompt. Without any rank but with scores, the ranks are those of the scores."""
    for line, row in source.rows:
        responses = row.get("responses")
        if isinstance(responses, list) and all(isinstance(r, dict) for r in responses):
            row = {**row, "responses": _graded(line, _once(line, responses, source.notes), source)}
        yield line, to_record(source.path, line, row, RankedPrompt)


def _once(line: int, responses: list[dict[str, Any]], notes: Notes) -> list[dict[str, Any]]:
    """Returns the responses without those whose id an earlier one has: scores are joined by id."""
    seen: set[str] = set()
    kept = []
    for response in responses:
        name = response.get("id")
        if isinstance(name, str) and name in seen:
            notes.add(
                line,
                "response id is there already in this prompt, the later one left out",
                "response {!r}",
                name,
            )
            continue
        if isinstance(name, str):
            seen.add(name)
        kept.append(response)
    return kept


def _graded(line: int, responses: list[dict[str, Any]], source: Source) -> list[dict[str, Any]]:
    notes = source.notes
    ranks = [rank_of(r.get("rank"), r.get("id"), line, notes) for r in responses]
    scores = [score_of(r.get("score"), r.get("id"), line, notes) for r in responses]
    if all(r.get("rank") is None for r in responses):
        ranks = ranks_by_score(scores)
    return [
        {**response, "rank": rank, "score": score}
        for response, rank, score in zip(responses, ranks, scores, strict=True)
    ]
