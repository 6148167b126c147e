"""The mean over the probabilities of the score's token, instead of the one score that was drawn.

Source: Wang et al. 2025 (arXiv 2503.03064): the mean of the judge's distribution over its scores
agrees better with people than its mode. The parser says where the score stands; the likely other
tokens of that place are put there in turn and read by the same parser, so what counts is what would
have been read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from backends.engines.engine import Completion, TokenLogprobs
from judges.parsers.parsed import Parsed, Shown, Span, none

TOP = 20  # alternatives that engines are asked for: the most that servers give
MIN_MASS = 0.5  # with less probability on the scale's values, what the judge thinks is not known
_WINDOW = 200  # characters before the score that must be found again among the tokens

Reader = Callable[[str], Parsed]


def expected_score(
    completion: Completion, read: Reader, scale: tuple[int, int], min_mass: float = MIN_MASS
) -> Parsed:
    """Returns the probability-weighted mean over the scale's whole numbers, renormalised.

    A completion of one token is the score's place whatever was drawn there ("Neither"): else the
    parser must find a score in it. Where a tokenizer spells numbers digit by digit, the numbers
    that share their first digit ("1", "10") share its probability as the next token's probabilities
    say if that digit was drawn; if it was not, its probability counts for none of them.

    Args:
        completion: the judge's, with log-probabilities.
        read: the judge's parser.
        scale: lowest and highest score, both included.
        min_mass: probability that the values must have together, 0 to 1.

    Returns:
        A score with its ``mass``; or the parser's own reason; or ``no_logprobs`` without
        log-probabilities at the score (also for a decimal score, which is no token); or
        ``low_mass``.
    """
    drawn = read(completion.text)
    if drawn.score is None and not _one_token(completion):
        return drawn
    whole = drawn.score is None or drawn.score.is_integer()
    found = _values(completion, read, drawn, scale) if whole else None
    if found is None:
        return none("no_logprobs")
    values = {value: p for value, p in found.items() if not isinstance(value, str)}
    mass = math.fsum(values.values())
    if mass < min_mass or not mass:
        return Parsed(None, "low_mass", mass=mass)
    mean = math.fsum(value * p for value, p in values.items()) / mass
    return Parsed(min(max(mean, scale[0]), scale[1]), None, span=drawn.span, mass=mass)


def expected_verdict(
    completion: Completion, read: Reader, min_mass: float = MIN_MASS
) -> tuple[Parsed, dict[Shown, float]]:
    """Returns the verdict whose token is likeliest (a tie where two are), and the probabilities.

    These are renormalised over the verdicts that were found, empty where the verdict has a reason;
    arguments and reasons as in ``expected_score``.
    """
    drawn = read(completion.text)
    if drawn.verdict is None and not _one_token(completion):
        return drawn, {}
    found = _values(completion, read, drawn, None)
    if found is None:
        return none("no_logprobs"), {}
    values: dict[Shown, float] = {v: p for v, p in found.items() if isinstance(v, str)}
    mass = math.fsum(values.values())
    if mass < min_mass or not mass:
        return Parsed(None, "low_mass", mass=mass), {}
    best = max(values.values())
    likeliest = [verdict for verdict, p in values.items() if p == best]
    verdict = likeliest[0] if len(likeliest) == 1 else "tie"
    shares = {v: p / mass for v, p in values.items()}
    return Parsed(None, None, verdict, drawn.span, mass), shares


def _one_token(completion: Completion) -> bool:
    return completion.logprobs is not None and len(completion.logprobs) == 1


def _values(
    completion: Completion, read: Reader, drawn: Parsed, scale: tuple[int, int] | None
) -> dict[float | Shown, float] | None:
    """The probability of every value that could stand at the place of the drawn one; None when the
    tokens of that place are not known.
    """
    at = _place(completion, drawn.span)
    if at is None or completion.logprobs is None:
        return None
    index, start, end = at
    token = completion.logprobs[index]
    text, after = completion.text, completion.text[end:]
    known = {other.strip() for other, _ in token.top}
    found: dict[float | Shown, float] = {}
    for other, logprob in token.top:
        parsed = read(text[:start] + other + after)
        value = parsed.score if parsed.verdict is None else parsed.verdict
        inside = parsed.span is not None and start <= parsed.span[0] < start + len(other)
        if value is None or not inside or (isinstance(value, float) and not value.is_integer()):
            continue
        shares: dict[float | Shown, float] = {value: 1.0}
        if scale and (longer := _longer(other.strip(), scale)) and not known & longer.keys():
            shares = (
                _split(completion.logprobs, index, value, longer) if other == token.token else {}
            )
        for share, part in shares.items():
            found[share] = found.get(share, 0.0) + math.exp(logprob) * part
    return found


def _longer(digits: str, scale: tuple[int, int]) -> dict[str, float]:
    """The values of the scale whose digits go on after ``digits``, by their digits."""
    if not digits.isdecimal():
        return {}
    values = {str(value): float(value) for value in range(scale[0], scale[1] + 1)}
    return {k: v for k, v in values.items() if k.startswith(digits) and k != digits}


def _split(
    tokens: Sequence[TokenLogprobs], index: int, value: float | Shown, longer: dict[str, float]
) -> dict[float | Shown, float]:
    """Shares, by the token that follows, of the drawn digits alone and of the longer numbers."""
    if index + 1 == len(tokens):
        return {value: 1.0}
    digits = tokens[index].token.strip()
    shares: dict[float | Shown, float] = {}
    for text, logprob in tokens[index + 1].top:
        if not text[:1].isdecimal():
            goes_on: float | Shown | None = value
        else:
            goes_on = longer.get(digits + text.strip())
        if goes_on is not None:
            shares[goes_on] = shares.get(goes_on, 0.0) + math.exp(logprob)
    return shares


def _place(completion: Completion, span: Span | None) -> tuple[int, int, int] | None:
    """Which token the score begins in, and which characters of the text stand for it: those of the
    token, and what else belongs to the number.
    """
    if completion.logprobs is None:
        return None
    if span is None:
        return (0, 0, len(completion.text)) if _one_token(completion) else None
    joined = "".join(at.token for at in completion.logprobs)
    # The last place: reasoning that is no part of the text stands before it.
    offset = joined.rfind(completion.text)
    if offset < 0:  # half characters spell otherwise in tokens: the neighbourhood is enough
        begin = completion.text.rfind("\n", 0, span[0]) + 1
        begin = max(begin, span[0] - _WINDOW)
        near = joined.rfind(completion.text[begin : span[1]])
        if near < 0:
            return None
        offset = near - begin
    ends = 0
    for index, at in enumerate(completion.logprobs):
        begins, ends = ends, ends + len(at.token)
        if begins <= offset + span[0] < ends:
            return index, max(0, begins - offset), max(ends - offset, span[1])
    return None
