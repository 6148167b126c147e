"""What MT-Bench fixes: which ids are which category, how each is sampled, which prompt judges it.

As FastChat has it (``fastchat/llm_judge``); its question file names the same categories.
"""

from __future__ import annotations

from typing import Literal

Mode = Literal["single", "pair"]
CATEGORIES = (
    "writing",
    "roleplay",
    "reasoning",
    "math",
    "coding",
    "extraction",
    "stem",
    "humanities",
)
FIRST_ID, PER_CATEGORY = 81, 10
CATEGORY_OF = {
    str(FIRST_ID + PER_CATEGORY * place + i): category
    for place, category in enumerate(CATEGORIES)
    for i in range(PER_CATEGORY)
}
"""Category by question id, for the 80 ids 81 to 160."""
TURNS = (1, 2)
ALL_TURNS = frozenset((question, turn) for question in CATEGORY_OF for turn in TURNS)
"""The 160 answers that a whole MT-Bench grades: (question id, turn)."""

TEMPERATURES = {
    "writing": 0.7,
    "roleplay": 0.7,
    "reasoning": 0.0,
    "math": 0.0,
    "coding": 0.0,
    "extraction": 0.0,
    "stem": 0.1,
    "humanities": 0.1,
}
OTHER_TEMPERATURE = 0.7  # of a category that MT-Bench does not have
WITH_REFERENCE = frozenset(("reasoning", "math", "coding"))
SCALE = (1, 10)  # of a rating
FAILED = ("$ERROR$", "ERROR")  # what FastChat writes where a model gave no answer

_PLAIN: dict[Mode, str] = {"single": "single-v1", "pair": "pair-v2"}


def prompt_name(mode: Mode, referenced: bool, turn: int) -> str:
    """Returns FastChat's name of the prompt for a turn (1 or 2), with a reference or without."""
    base = f"{mode}-math-v1" if referenced else _PLAIN[mode]
    return base if turn == 1 else f"{base}-multi-turn"


def prompt_names(mode: Mode) -> list[str]:
    """Returns the names of all four prompts of a mode."""
    return [prompt_name(mode, referenced, turn) for referenced in (False, True) for turn in TURNS]


def usual_prompts(mode: Mode, category: str | None, turn: int) -> list[str]:
    """Returns the prompts that may judge a turn; either kind where the category is not known."""
    known = [category in WITH_REFERENCE] if category else [False, True]
    return [prompt_name(mode, referenced, turn) for referenced in known]
