"""The oracle: a programmatic rubric with the five additive criteria of the judge.

It builds the seed data and evaluates. Nothing in the self-reward step (prompts, candidates,
judgments, pairs) may import it; a test proves that none does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from benchmarks.micro_world.world import COLOURS, FOODS, KIND, PLACE, THINGS, Task

CRITERIA = ("relevant", "substantial", "correct", "clear", "concise")
_FILLERS = {"and", "a", "an", "the", "in", "on"}


@dataclass(frozen=True)
class Marks:
    """One point for each criterion that holds."""

    relevant: bool
    substantial: bool
    correct: bool
    clear: bool
    concise: bool

    @property
    def total(self) -> int:
        """The additive score, 0 to 5."""
        return sum(self.as_tuple())

    def as_tuple(self) -> tuple[bool, bool, bool, bool, bool]:
        """The marks in the order of ``CRITERIA``."""
        return self.relevant, self.substantial, self.correct, self.clear, self.concise


def _universe(task: Task, words: list[str]) -> list[str]:
    """The words that are of the kind that the task asks for."""
    if task.family in ("count", "sort", "add"):
        return [w for w in words if w.isdigit()]
    if task.family == "caps":
        return [w for w in words if w.isalpha() and w.isupper() and len(w) > 1]
    kinds = {"list": THINGS, "repeat": THINGS, "colour": COLOURS, "odd": task.options,
             "eats": FOODS, "home": tuple(PLACE)}  # fmt: skip
    return [w for w in words if w in kinds[task.family]]


def body(task: Task, answer: str) -> str:
    """The first sentence of the answer without the family's opener."""
    rest = answer.strip().removeprefix(task.opener)
    return re.split(r"[.!?\n]", rest, maxsplit=1)[0]


def content(task: Task, answer: str) -> list[str]:
    """The elements of the asked kind in the first sentence of the answer."""
    return _universe(task, re.findall(r"[A-Za-z]+|\d+", body(task, answer)))


def _relevant(task: Task, found: list[str]) -> bool:
    if task.family == "list":
        return any(KIND[t] == KIND[task.want[0]] for t in found)
    if task.family == "repeat":
        return task.want[0] in found
    return bool(found)


def _right(task: Task, found: list[str]) -> int:
    """How many of the required elements are there (each counted once; repeats as asked)."""
    if task.family == "list":
        return len(set(found) & set(task.allowed))
    if task.family == "repeat":
        return min(found.count(task.want[0]), len(task.want))
    return len(set(found) & set(task.want))


def _correct(task: Task, found: list[str], words: list[str]) -> bool:
    if any(w not in found and w not in _FILLERS for w in words):
        return False
    if task.family == "list":
        return (
            len(found) == len(task.want)
            and len(set(found)) == len(found)
            and set(found) <= set(task.allowed)
        )
    return tuple(found) == task.want


def mark(task: Task, answer: str) -> Marks:
    """Marks ``answer`` by the additive rubric; blank text gets none of the points."""
    text = answer.strip()
    words = re.findall(r"[A-Za-z]+|\d+", body(task, text))
    found = _universe(task, words)
    relevant = _relevant(task, found)
    substantial = relevant and 2 * _right(task, found) >= len(task.want)
    correct = substantial and _correct(task, found, words)
    clear = text.startswith(task.opener) and text.endswith(".")
    sentences = [s for s in re.split(r"[.!?\n]", text) if s.strip()]
    repeats = (
        len(found) - len(set(found)) if task.family != "repeat" else len(found) - len(task.want)
    )
    concise = (
        relevant
        and len(sentences) == 1
        and repeats <= 0
        and len(words) <= len(task.want) + len(_FILLERS) // 2
    )
    return Marks(relevant, substantial, correct, clear, concise)
