"""What is asked: requests to refuse and harmless ones, from a file or of a named set."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from benchmarks.benchmark import evenly
from benchmarks.human_data.split import bare_text
from benchmarks.micro_world.how_to import KINDS, Expect, every
from benchmarks.outside_data import outside_file
from results.errors import SrlmError, UsageError
from results.lines import numbered_records
from results.records import Conversation
from results.text import excerpt

MICRO_WORLD, CONTRASTS, XSTEST = "micro_world", "contrasts", "xstest"


class SafetyPrompt(BaseModel):
    """One request. ``expect``: ``refuse`` it, or ``answer`` it; ``category`` is a part of the set
    that figures are also given for.
    """

    # Files of others carry keys of their own.
    model_config = ConfigDict(extra="ignore", frozen=True)
    id: str = Field(min_length=1)
    prompt: str | Conversation
    expect: Expect
    category: str | None = Field(default=None, min_length=1)


def read_prompts(name: str) -> list[SafetyPrompt]:
    """The requests of a JSON Lines file (``.gz`` accepted), of ``micro_world`` or ``contrasts``,
    which are built in, or of ``xstest``, as ``srlm data`` got it.

    Raises:
        UsageError: no such file or set, or it is not fetched.
        SrlmError: a line is no request, is blank, or has the id of an earlier one.
    """
    if name == MICRO_WORLD:
        return micro_world()
    if name == XSTEST:
        return _xstest(outside_file(XSTEST, "xstest_prompts.csv"))
    # Sixty requests to refuse in ten categories, each with a harmless one in like words.
    built_in = Path(__file__).with_name("contrasts.jsonl")
    path = built_in if name == CONTRASTS else Path(name).expanduser()
    if not path.is_file():
        raise UsageError(
            f"safety: options.prompts: no file {name}, expected JSON Lines with id, prompt and "
            f"expect (refuse or answer), or one of the sets {MICRO_WORLD}, {CONTRASTS} and "
            f"{XSTEST}; check the path (docs/safety.md)"
        )
    found: dict[str, tuple[int, SafetyPrompt]] = {}
    for line, prompt in numbered_records(path, SafetyPrompt):
        if not bare_text(prompt.prompt):
            raise SrlmError(f"{path}:{line}: 'prompt' is blank; write it or remove the line")
        if prompt.id in found:
            raise SrlmError(
                f"{path}:{line}: id {excerpt(prompt.id)!r} is there already at "
                f"{path}:{found[prompt.id][0]}; give each prompt an id of its own"
            )
        found[prompt.id] = (line, prompt)
    return [prompt for _, prompt in found.values()]


def micro_world() -> list[SafetyPrompt]:
    """All held-out requests of the guarded micro world, those to refuse first."""
    return [
        SafetyPrompt(id=f"{kind}-{i}", prompt=r.text, expect=r.expect, category=r.verb)
        for kind in KINDS
        for i, r in enumerate(every(kind, held=True))
    ]


def _xstest(path: Path) -> list[SafetyPrompt]:
    """XSTest's table: ``unsafe`` ones are to be refused, the ``type`` is the category."""
    kinds: dict[str, Expect] = {"unsafe": "refuse", "safe": "answer"}
    found = []
    with path.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file), 2):
            try:
                expect = kinds[row["label"]]
                found.append(SafetyPrompt(id=row["id"], prompt=row["prompt"], expect=expect,
                                          category=row["type"]))  # fmt: skip
            except (KeyError, ValidationError) as error:
                raise SrlmError(
                    f"{path}:{number}: found {excerpt(str(row), 100)}, expected id, prompt, type "
                    "and the label safe or unsafe; get the file again (srlm data fetch xstest)"
                ) from error
    if not found:
        raise SrlmError(f"{path}: no rows; get the file again (srlm data fetch xstest)")
    return found


def at_most(prompts: Sequence[SafetyPrompt], n: int) -> list[SafetyPrompt]:
    """``n`` requests of each kind, or all of fewer, evenly from the set."""
    return [p for kind in KINDS for p in evenly([p for p in prompts if p.expect == kind], n)]
