"""Topical-Chat with human grades: the next turn of a dialogue, graded on several attributes.

The layout of Mehri and Eskenazi 2020 (USR, arXiv 2005.00456) as later work passes it on: one object
a response, with the dialogue (``source``), a fact that the turn may use (``context``), the writer
(``system_id``) and mean grades (``scores``). The ranks are those of one attribute's grades.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.human_data.grades import ranks_by_score, score_of
from benchmarks.human_data.source import Found, Source
from judges.rankings import RankedPrompt
from results.errors import SrlmError, UsageError, did_you_mean
from results.lines import to_record
from results.text import excerpt

DEFAULT = "overall"


def read(source: Source) -> Iterator[Found]:
    """Yields a ranked prompt for each dialogue, with the grades of ``source.part`` as scores.

    Its id is its number in the file, from 0; a response's id is its writer.
    """
    attribute = source.part or DEFAULT
    dialogues: dict[tuple[str, str], tuple[int, dict[str, Any]]] = {}
    for line, row in source.rows:
        grades = row.get("scores")
        if not isinstance(grades, dict) or attribute not in grades:
            raise _no_grade(source, line, attribute, grades)
        response = {
            "id": row.get("system_id"),
            "text": row.get("system_output"),
            "score": score_of(grades[attribute], row.get("system_id"), line, source.notes),
        }
        key = (str(row.get("source")), str(row.get("context")))
        prompt = _prompt(row.get("source"), row.get("context"))
        found: dict[str, Any] = {"id": str(len(dialogues)), "prompt": prompt, "responses": []}
        dialogues.setdefault(key, (line, found))[1]["responses"].append(response)
    for line, found in dialogues.values():
        ranks = ranks_by_score([r["score"] for r in found["responses"]])
        for response, rank in zip(found["responses"], ranks, strict=True):
            response["rank"] = rank
        yield line, to_record(source.path, line, found, RankedPrompt)


def _prompt(dialogue: Any, fact: Any) -> Any:
    """Returns what the writers saw; a dialogue that is no text is returned as it is, to refuse."""
    if not isinstance(dialogue, str) or not isinstance(fact, str) or not fact.strip():
        return dialogue
    return f"{dialogue.strip()}\n\nA fact that the next turn may use:\n{fact.strip()}"


def _no_grade(source: Source, line: int, attribute: str, grades: Any) -> SrlmError:
    if not isinstance(grades, dict):
        return SrlmError(
            f"{source.path}:{line}: scores: found {excerpt(grades)}, expected an object of grades"
        )
    meant = did_you_mean(attribute, grades)
    return UsageError(
        f"{source.path}:{line}: no grade of {attribute!r}{meant} "
        f"(there are: {excerpt(', '.join(sorted(grades)), 200)})"
    )
