"""One rule for what may be trained on and what is measured on: a hash of the prompt's text."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

from results.errors import SrlmError, UsageError
from results.records import Conversation
from results.text import excerpt


class HasPrompt(Protocol):
    """Whatever has a prompt: ranked prompts, labelled pairs, training examples."""

    @property
    def prompt(self) -> str | Conversation: ...  # noqa: D102


P = TypeVar("P", bound=HasPrompt)


def bare_text(prompt: str | Conversation) -> str:
    """Returns the prompt's words with single spaces: what makes two prompts the same one.

    Messages read as their contents, one behind the other, whoever says them.
    """
    text = prompt if isinstance(prompt, str) else "\n".join(m.content for m in prompt)
    return " ".join(text.split())


def held_out_prompt(prompt: str | Conversation, share: float) -> bool:
    """Whether a prompt falls into the held-out ``share`` (0 to 1) by a hash of its bare text.

    A larger share holds out all that a smaller one does.
    """
    return int(hashlib.sha256(bare_text(prompt).encode()).hexdigest()[:8], 16) < share * 16**8


def split_prompts(items: Iterable[P], share: float) -> tuple[list[P], list[P]]:
    """Returns (train, held out), each in the order of ``items``; ``share`` is held out.

    The same prompt, in whatever spacing, is always on one side. Later turns of a conversation are
    prompts of their own.

    Raises:
        UsageError: the share is not in 0..1.
    """
    if not 0 <= share <= 1:
        raise UsageError(f"held-out share is {share}, expected 0 to 1")
    train: list[P] = []
    held_out: list[P] = []
    for item in items:
        (held_out if held_out_prompt(item.prompt, share) else train).append(item)
    return train, held_out


def shared_prompts(train: Iterable[HasPrompt], held_out: Iterable[P]) -> list[P]:
    """Returns the items of ``held_out`` whose prompt is in ``train`` too, in whatever spacing."""
    seen = {bare_text(item.prompt) for item in train}
    return [item for item in held_out if bare_text(item.prompt) in seen]


def check_disjoint(train: Sequence[HasPrompt], held_out: Sequence[HasPrompt]) -> None:
    """Raises SrlmError naming the first prompt of ``held_out`` that is in ``train`` too."""
    for item in shared_prompts(train, held_out):
        raise SrlmError(
            f"prompt {excerpt(bare_text(item.prompt))!r} is in the training data and in the "
            "held-out data; split both by the same share of one file, or remove it from one side"
        )
