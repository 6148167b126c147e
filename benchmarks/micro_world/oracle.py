"""The oracle: a programmatic rubric with the five additive criteria of the judge.

It builds the seed data and evaluates. Nothing in the self-reward step (prompts, candidates,
judgments, pairs) may import it; a test proves that none does. Audit labels alone are excepted
(``audit.by: verifier``): they decide whether training starts, never which pairs are trained on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from benchmarks.micro_world.world import COLOURS, FOODS, KIND, PLACE, THINGS, Instruction

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


def _universe(instruction: Instruction, words: list[str]) -> list[str]:
    """The words that are of the kind that the instruction asks for."""
    if instruction.family in ("count", "sort", "add"):
        return [w for w in words if w.isdigit()]
    if instruction.family == "caps":
        return [w for w in words if w.isalpha() and w.isupper() and len(w) > 1]
    kinds = {"list": THINGS, "repeat": THINGS, "colour": COLOURS, "odd": instruction.options,
             "eats": FOODS, "home": tuple(PLACE)}  # fmt: skip
    return [w for w in words if w in kinds[instruction.family]]


def body(instruction: Instruction, answer: str) -> str:
    """The first sentence of the answer without the family's opener."""
    rest = answer.strip().removeprefix(instruction.opener)
    return re.split(r"[.!?\n]", rest, maxsplit=1)[0]


def content(instruction: Instruction, answer: str) -> list[str]:
    """The elements of the asked kind in the first sentence of the answer."""
    return _universe(instruction, re.findall(r"[A-Za-z]+|\d+", body(instruction, answer)))


def _relevant(instruction: Instruction, found: list[str]) -> bool:
    if instruction.family == "list":
        return any(KIND[t] == KIND[instruction.want[0]] for t in found)
    if instruction.family == "repeat":
        return instruction.want[0] in found
    return bool(found)


def _right(instruction: Instruction, found: list[str]) -> int:
    """How many of the required elements are there (each counted once; repeats as asked)."""
    if instruction.family == "list":
        return len(set(found) & set(instruction.allowed))
    if instruction.family == "repeat":
        return min(found.count(instruction.want[0]), len(instruction.want))
    return len(set(found) & set(instruction.want))


def _correct(instruction: Instruction, found: list[str], words: list[str]) -> bool:
    if any(w not in found and w not in _FILLERS for w in words):
        return False
    if instruction.family == "list":
        return (
            len(found) == len(instruction.want)
            and len(set(found)) == len(found)
            and set(found) <= set(instruction.allowed)
        )
    return tuple(found) == instruction.want


def mark(instruction: Instruction, answer: str) -> Marks:
    """Marks ``answer`` by the additive rubric; blank text gets none of the points."""
    text = answer.strip()
    words = re.findall(r"[A-Za-z]+|\d+", body(instruction, text))
    found = _universe(instruction, words)
    relevant = _relevant(instruction, found)
    substantial = relevant and 2 * _right(instruction, found) >= len(instruction.want)
    correct = substantial and _correct(instruction, found, words)
    clear = text.startswith(instruction.opener) and text.endswith(".")
    sentences = [s for s in re.split(r"[.!?\n]", text) if s.strip()]
    repeats = (
        len(found) - len(set(found))
        if instruction.family != "repeat"
        else len(found) - len(instruction.want)
    )
    concise = (
        relevant
        and len(sentences) == 1
        and repeats <= 0
        and len(words) <= len(instruction.want) + len(_FILLERS) // 2
    )
    return Marks(relevant, substantial, correct, clear, concise)
