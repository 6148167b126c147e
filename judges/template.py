"""The rubric as a template: which slots it has, and how texts fill them.

Candidates are hostile text. The template is filled in one pass, so braces in a candidate are inert;
and where the rubric encloses a slot in tags, no text in a slot can close or open such a tag.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

ANSWERS = {"pointwise": ("response",), "pairwise": ("first", "second")}
_SLOT = re.compile(r"\{((?:prompt|response|first|second|reference)(?:_[1-9])?)\}")
_INVISIBLE = "[\\s\u200b-\u200d\u2060\ufeff]*"


def slots(rubric: str, kind: str) -> set[str]:
    """Returns the slots of a rubric, by name. Braces around anything else are literal.

    ``{prompt}``, the answers (``{response}``, or ``{first}`` and ``{second}`` for a pairwise judge)
    and ``{reference}``; or, with numbers, the turns of each: ``{prompt_2}`` is the second question.
    """
    known = {"prompt", "reference", *ANSWERS[kind]}
    return {name for name in _SLOT.findall(rubric) if name.partition("_")[0] in known}


def refuse_slots(rubric: str, kind: str) -> None:
    """Raises ValueError on a rubric that lacks a slot, or that has one twice.

    Each of prompt and answers stands there once as a whole; or its turns do, each at least once,
    as published prompts repeat them.
    """
    there = slots(rubric, kind)
    turns = {name for name in there if "_" in name}
    for name in ("prompt", *ANSWERS[kind]):
        of = {turn for turn in turns if turn.startswith(f"{name}_")}
        found = rubric.count("{" + name + "}")
        if found != 1 and not (of and not found):
            raise ValueError(f"expected {{{name}}} exactly once, it is there {found} times")
        if of and found:
            raise ValueError(
                f"expected {{{name}}} or its turns ({', '.join(sorted(of))}), not both"
            )
    if (found := rubric.count("{reference}")) > 1:
        raise ValueError(f"expected {{reference}} at most once, it is there {found} times")


def fill(rubric: str, texts: Mapping[str, str]) -> str:
    """Returns the rubric with every slot that ``texts`` names filled, in one pass.

    In the slots the first character of anything that reads as one of the rubric's own tags becomes
    ``&lt;`` (in any case, also with blanks or zero-width characters inside); the rest of the text
    is shown as it is. Records keep the original text.
    """
    tag = own_tags(rubric)
    shown = {name: tag.sub("&lt;", text) if tag else text for name, text in texts.items()}
    return _SLOT.sub(lambda slot: shown.get(slot[1], slot[0]), rubric)


@lru_cache(maxsize=64)
def own_tags(rubric: str) -> re.Pattern[str] | None:
    """Matches the "<" of any tag, opening or closing, that the rubric closes somewhere."""
    names = sorted(set(re.findall(r"</([A-Za-z][\w-]*)>", rubric)))
    if not names:
        return None
    # Letters may be kept apart by characters that nobody sees and some tokenizers drop.
    spelt = "|".join(_INVISIBLE.join(map(re.escape, name)) for name in names)
    return re.compile(rf"<(?={_INVISIBLE}/?{_INVISIBLE}(?:{spelt})(?![\w-]))", re.IGNORECASE)
