"""MT-Bench's graders, from FastChat's ``judge_prompts.jsonl``.

FastChat's wheel does not hold that file: get it from the repository (``fastchat/llm_judge/data``).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from judges.borrowed.build import build, rename_slots
from judges.spec import JudgeSpec
from results.errors import UsageError, did_you_mean
from results.lines import read_json_lines
from results.text import excerpt

_WHERE = "fastchat/llm_judge/data/judge_prompts.jsonl of the FastChat repository"
_FORMS: dict[str, dict[str, Any]] = {
    "single": {
        "kind": "pointwise",
        "parser": {"name": "bracket_rating"},
        "scale": (1, 10),
        "example": {"text": "It answers the question, with one slip.\nRating: [[7]]", "score": 7},
    },
    "pairwise": {
        "kind": "pairwise",
        "parser": {"name": "bracket_verdict"},
        "example": {"text": "The second one is right. [[B]]", "verdict": "B"},
    },
}
# Their slots by ours; those of single turns have the turn's number behind them.
_SLOTS = {
    "question": "prompt",
    "answer": "response",
    "answer_a": "first",
    "answer_b": "second",
    "ref_answer": "reference",
}


def grader(name: str) -> JudgeSpec:
    """Returns a grader: ``PATH#NAME``, or ``mt_bench:NAME@PATH``.

    NAME is FastChat's own (``single-math-v1-multi-turn``), or a base and what it shall cover
    (``single-v1,math,2-turn``, ``pair-v2,math``). Raises UsageError on an unknown one, and
    SrlmError on a file that cannot be read.
    """
    if name.startswith("mt_bench:"):
        wanted, _, path = name.removeprefix("mt_bench:").partition("@")
        if not path:
            raise UsageError(
                f"judge {excerpt(name)!r}: found no path, expected mt_bench:NAME@PATH with the "
                f"path of {_WHERE}; add it"
            )
    else:
        path, _, wanted = name.rpartition("#")
    file = Path(path).expanduser()
    there = {str(row.get("name")): (number, row) for number, row in read_json_lines(file)}
    own = _own_name(wanted)
    if own not in there:
        meant = did_you_mean(own, there)
        names = excerpt(", ".join(there), 300)
        raise UsageError(f"{file}: no judge {excerpt(own)!r}{meant} (there are: {names})")
    number, row = there[own]
    return _spec(f"{file}:{number}", own, row)


def _own_name(wanted: str) -> str:
    """FastChat's name of ``base[,math][,2-turn]``: the math graders are all version 1."""
    base, *covers = wanted.split(",")
    if unknown := set(covers) - {"math", "2-turn"}:
        raise UsageError(
            f"judge {excerpt(wanted)!r}: found {excerpt(min(unknown))!r}, expected math or 2-turn "
            "after the commas; mend the name"
        )
    if "math" in covers:
        base = f"{base.partition('-')[0]}-math-v1"
    return base + ("-multi-turn" if "2-turn" in covers else "")


def _spec(where: str, name: str, row: dict[str, Any]) -> JudgeSpec:
    form = _FORMS.get(str(row.get("type")))
    template, system = row.get("prompt_template"), row.get("system_prompt")
    if form is None or not isinstance(template, str) or not isinstance(system, str):
        raise UsageError(
            f"{where}: found type {excerpt(row.get('type'))!r}, expected single or pairwise with "
            "the texts system_prompt and prompt_template; get the file again"
        )
    return build(
        where,
        {
            "name": f"mt_bench:{name}",
            "version": 1,
            "description": f"MT-Bench's {name}, as FastChat has it",
            "rubric": rename_slots(template, dict(_names("{question_1}" in template))),
            "system": system,
            "decoding": {"temperature": 0, "top_p": 1, "max_tokens": 2048},
            "draws": 1,
            **form,
        },
    )


def _names(turns: bool) -> Iterator[tuple[str, str]]:
    """Our slots by theirs. A prompt about one turn numbers its reference all the same."""
    for theirs, ours in _SLOTS.items():
        if not turns:
            yield ("ref_answer_1" if theirs == "ref_answer" else theirs), ours
        else:
            yield from ((f"{theirs}_{turn}", f"{ours}_{turn}") for turn in (1, 2))
