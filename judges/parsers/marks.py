"""Answer forms of published judges: Prometheus, LLMBar, PandaLM, AlpacaEval."""

from __future__ import annotations

import re

from judges.parsers.parsed import Parsed, Shown, none, opening, raw_span

_RESULT = re.compile(r"\[RESULT\]", re.IGNORECASE)
_NUMBER = re.compile(r"[\s:(*]*(-?[0-9]+(?:\.[0-9]+)?)[\s)*]*\.?")
_BARE_OUTPUT = re.compile(r"\s*Output \(([ab])\)\s*\.?\s*")
_BETTER_OUTPUT = re.compile(r"Output \(([ab])\) is better")
_OUTPUTS: dict[str, Shown] = {"a": "A", "b": "B"}
_LEADING = re.compile(r"\s*(1|2|tie)[ \t]*\.?[ \t]*(?:[\r\n]|\Z)", re.IGNORECASE)
_RESPONSES: dict[str, Shown] = {"1": "A", "2": "B", "tie": "tie"}


def result_mark(text: str, cut: bool, scale: tuple[int, int]) -> Parsed:
    """Reads ``[RESULT] k`` at the end (Prometheus, arXiv 2310.08491); a full stop may follow.

    What follows the last mark must be the number and no more; an earlier mark has no say.
    """
    if cut:
        return none("length")
    begun = opening(text, "no_score")
    if isinstance(begun, Parsed):
        return begun
    seen, start = begun
    marks = list(_RESULT.finditer(seen, start))
    if not marks:
        return none("no_score")
    value = _NUMBER.fullmatch(seen, marks[-1].end(), len(seen.rstrip()))
    if value is None:
        several = len(re.findall(r"[0-9]+", seen[marks[-1].end() :])) > 1
        return none("ambiguous" if several else "not_a_number")
    score = float(value[1]) + 0.0
    if not scale[0] <= score <= scale[1]:
        return none("out_of_range")
    return Parsed(score, None, span=raw_span(text, *value.span(1)))


def output_verdict(text: str, cut: bool, scale: tuple[int, int]) -> Parsed:
    """Reads LLMBar's answers (arXiv 2310.07641): "Output (a)" alone, or "Output (a) is better".

    Where the latter stands several times the last one is the conclusion; published code takes the
    first. ``scale`` is not used.
    """
    begun = opening(text, "no_verdict")
    if isinstance(begun, Parsed):
        return begun
    seen, start = begun
    alone = _BARE_OUTPUT.fullmatch(seen, start)
    better = list(_BETTER_OUTPUT.finditer(seen, start))
    found = alone or (better[-1] if better else None)
    if found is None:
        return none("length" if cut else "no_verdict")
    return Parsed(None, None, _OUTPUTS[found[1]], raw_span(text, *found.span(1)))


def leading_verdict(text: str, cut: bool, scale: tuple[int, int]) -> Parsed:
    """Reads PandaLM's answers (arXiv 2306.05087): a first line that is ``1``, ``2`` or ``Tie``.

    Reasons and a reference may follow, so a cut completion is read too, unless it is that line
    alone. ``scale`` is not used.
    """
    begun = opening(text, "no_verdict")
    if isinstance(begun, Parsed):
        return begun
    seen, start = begun
    found = _LEADING.match(seen, start)
    if found is None:
        return none("no_verdict")
    if cut and found.end(1) == len(seen):
        return none("length")
    return Parsed(None, None, _RESPONSES[found[1].lower()], raw_span(text, *found.span(1)))


def last_word(
    text: str, cut: bool, scale: tuple[int, int], first: str = "A", second: str = "B"
) -> Parsed:
    """Reads a completion whose last word is exactly ``first`` or ``second``; letter case counts.

    For judges that are asked for one token (AlpacaEval's weighted annotators), whose completion the
    limit of one token always cuts: ``cut`` matters only where the answer is not the whole text.
    ``scale`` is not used.
    """
    begun = opening(text, "no_verdict")
    if isinstance(begun, Parsed):
        return begun
    seen, start = begun
    said = seen[start:].rstrip()
    word = (said.split(None) or [""])[-1]
    if word not in (first, second) or (cut and said.lstrip() != word):
        return none("length" if cut else "no_verdict")
    end = start + len(said)
    return Parsed(None, None, "A" if word == first else "B", raw_span(text, end - len(word), end))


def patterns(
    text: str, cut: bool, scale: tuple[int, int], first: str = "", second: str = ""
) -> Parsed:
    """Reads the verdict whose regular expression matches earliest (AlpacaEval's older annotators).

    ``scale`` is not used. An expression that is none, or that both are, matches nothing.
    """
    begun = opening(text, "no_verdict")
    if isinstance(begun, Parsed):
        return begun
    seen, start = begun
    if first == second:
        return none("no_verdict")
    try:
        found = [re.compile(pattern).search(seen, start) for pattern in (first, second)]
    except re.error:
        return none("no_verdict")
    places = [(match.start(), match) for match in found if match]
    if not places:
        return none("length" if cut else "no_verdict")
    if len(places) == 2 and places[0][0] == places[1][0]:
        return none("ambiguous")
    match = min(places, key=lambda place: place[0])[1]
    return Parsed(None, None, "A" if match is found[0] else "B", raw_span(text, *match.span()))
