"""Filters that look at the instruction alone: its length, its words and its first character."""

from __future__ import annotations

import re
from collections.abc import Callable

from harness.config import PromptFilters

LONGEST_WORD = 50  # characters: a "text" of few words with more than that a word is no instruction


def form_filter(filters: PromptFilters) -> Callable[[str], str | None]:
    """Says why a text's form is wrong: ``empty``, ``too_short``, ``too_long``, ``keyword``,
    ``bad_start``; null when it is right. Words are what white space separates.

    A keyword counts as a whole word, in any case of letters; a start in any case too.
    """
    listed = "|".join(re.escape(word) for word in filters.keywords)
    keyword = re.compile(rf"(?<!\w)(?:{listed})(?!\w)", re.IGNORECASE) if listed else None
    starts = tuple(start.casefold() for start in filters.starts)
    longest = max(map(len, starts), default=0)

    def reason(text: str) -> str | None:
        if not text.strip():
            return "empty"
        # First by characters: hostile texts of megabytes are not taken apart.
        if len(text) > LONGEST_WORD * filters.max_words:
            return "too_long"
        words = len(text.split())
        if words < filters.min_words:
            return "too_short"
        if words > filters.max_words:
            return "too_long"
        # Folding may make a text longer, never shorter than what is compared.
        if starts and text[:longest].casefold().startswith(starts):
            return "keyword"
        if keyword is not None and keyword.search(text):
            return "keyword"
        if filters.bad_start and not (text[0].isascii() and text[0].isalnum()):
            return "bad_start"
        return None

    return reason
