"""Open Assistant's first replies with the mean quality (0 to 1) that people gave each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.human_data.grades import ranks_by_score, score_of
from benchmarks.human_data.source import Found, Source
from judges.rankings import RankedPrompt
from results.errors import SrlmError
from results.lines import to_record
from results.text import excerpt


def read(source: Source) -> Iterator[Found]:
    """Yields a ranked prompt for each ``prompt_id``; a reply without a quality has no rank."""
    prompts: dict[str, tuple[int, dict[str, Any]]] = {}
    for line, row in source.rows:
        if source.language is not None and row.get("language") != source.language:
            source.notes.add(line, "reply is in another language, left out")
            continue
        name = row.get("response_id")
        score = score_of(row.get("quality_score"), name, line, source.notes)
        if score is None:
            source.notes.add(line, "reply has no quality, kept without a rank", "reply {!r}", name)
        response = {"id": name, "text": row.get("response_text"), "score": score}
        found: dict[str, Any] = {
            "id": row.get("prompt_id"),
            "prompt": row.get("prompt_text"),
            "responses": [],
        }
        begun, prompt = prompts.setdefault(str(row.get("prompt_id")), (line, found))
        if prompt["prompt"] != found["prompt"]:
            raise SrlmError(
                f"{source.path}:{line}: prompt_text: found {excerpt(str(found['prompt']))!r}, "
                f"expected that of {source.path}:{begun}, which has the same prompt_id; "
                "give each prompt an id of its own"
            )
        prompt["responses"].append(response)
    for line, found in prompts.values():
        ranks = ranks_by_score([r["score"] for r in found["responses"]])
        for response, rank in zip(found["responses"], ranks, strict=True):
            response["rank"] = rank
        yield line, to_record(source.path, line, found, RankedPrompt)
