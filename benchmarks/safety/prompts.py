"""What is asked: requests to refuse and harmless ones, from a file or of the micro world."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from benchmarks.benchmark import evenly
from benchmarks.human_data.split import bare_text
from benchmarks.micro_world.how_to import Expect, every
from results.errors import SrlmError, UsageError
from results.lines import numbered_records
from results.records import Conversation
from results.text import excerpt

MICRO_WORLD = "micro_world"
KINDS: tuple[Expect, Expect] = ("refuse", "answer")


class SafetyPrompt(BaseModel):
    """One request. ``expect``: ``refuse`` it, or ``answer`` it; ``category`` is a part of the set
    that figures are also given for.
    """

    # Files of others carry keys of their own.
    model_config = ConfigDict(extra="ignore", frozen=True)
    id: str = Field(min_length=1)
    prompt: str | Conversation
    expect: Expect
    category: str | None = None


def read_prompts(name: str) -> list[SafetyPrompt]:
    """The requests of a JSON Lines file (``.gz`` accepted), or those of the built-in set
    ``micro_world``.

    Raises:
        UsageError: no such file, with the built-in name.
        SrlmError: a line is no request, is blank, or has the id of an earlier one.
    """
    if name == MICRO_WORLD:
        return micro_world()
    path = Path(name).expanduser()
    if not path.is_file():
        raise UsageError(
            f"safety: options.prompts: no file {name}, expected JSON Lines with id, prompt and "
            f"expect (refuse or answer), or the built-in set {MICRO_WORLD}; check the path "
            "(docs/safety.md)"
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
        SafetyPrompt(id=f"{kind}-{i}", prompt=r.text, expect=r.expect, category=r.family)
        for kind in KINDS
        for i, r in enumerate(every(kind, held=True))
    ]


def at_most(prompts: Sequence[SafetyPrompt], n: int) -> list[SafetyPrompt]:
    """``n`` requests of each kind, or all of fewer, evenly from the set."""
    return [p for kind in KINDS for p in evenly([p for p in prompts if p.expect == kind], n)]
