"""Answers in the last line: a level of a multiple-choice judge, a verdict of a pairwise one."""

from __future__ import annotations

from judges.parsers.parsed import (
    Parsed,
    Shown,
    bare,
    last_line,
    none,
    raw_span,
    same_words,
    visible,
)

_VERDICTS: dict[str, Shown] = {"a": "A", "b": "B", "tie": "tie"}


def choice_line(
    text: str, cut: bool, scale: tuple[int, int], label: str = "Answer", choices: str = "12345"
) -> Parsed:
    """Reads one of ``choices`` in the last line, alone or as ``label: c``.

    Around it may stand what ``final_score_line`` accepts. Two choices, and words after the choice,
    are no level.

    Args:
        text: the judge's completion.
        cut: a cut completion has no last line.
        scale: the score of the first choice and of the last; one apart each.
        label: the words before the colon.
        choices: one character a level, from the lowest to the highest; letters in any case.
    """
    found = _last_word(text, cut, label)
    if isinstance(found, Parsed):
        return none("no_score") if found.reason == "no_verdict" else found
    word, start = found
    levels = choices.lower()
    if len(word) != 1 or word.lower() not in levels:
        digits = word.lstrip("-").isdecimal() and levels.isdecimal()
        return none("out_of_range" if digits else "no_score")
    score = float(scale[0] + levels.index(word.lower()))
    if score > scale[1]:
        return none("out_of_range")
    return Parsed(score, None, span=raw_span(text, start, start + 1))


def verdict_line(text: str, cut: bool, scale: tuple[int, int], label: str = "Verdict") -> Parsed:
    """Reads ``label: A``, ``label: B`` or ``label: tie`` in the last line, in any letter case.

    Around it may stand what ``final_score_line`` accepts. The label is needed: a line "A" may be
    many things. ``scale`` is not used.
    """
    found = _last_word(text, cut, label, needed=True)
    if isinstance(found, Parsed):
        return found
    word, start = found
    verdict = _VERDICTS.get(word.lower())
    if verdict is None:
        several = {part for part in word.lower().replace("/", " ").split() if part in _VERDICTS}
        return none("ambiguous" if len(several) > 1 else "no_verdict")
    return Parsed(None, None, verdict, raw_span(text, start, start + len(word)))


def _last_word(text: str, cut: bool, label: str, needed: bool = False) -> tuple[str, int] | Parsed:
    """What the last line says after its label, without a final full stop, and where in the visible
    text it begins.
    """
    seen = visible(text)
    found = last_line(seen, cut)
    if isinstance(found, str):
        return none("no_verdict" if found == "no_score" else found)
    line, start = found
    plain = bare(line)
    head, colon, tail = plain.partition(":")
    if not colon and not needed:
        head, tail = "", plain
    elif not colon or not same_words(head, label):
        return none("no_verdict")
    word = tail.strip().removesuffix(".").strip()
    if not word:
        return none("no_verdict")
    return word, start + len(head) + len(colon) + tail.index(word)
