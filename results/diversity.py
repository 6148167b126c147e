"""How varied texts are, and which phrase they share: drift is found without naming a phrase first.

A word is a run of letters, digits or underscores in lower case; text without spaces between words
(Chinese, Thai) gives few and long ones, so its figures only compare with themselves.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from pydantic import BaseModel, ConfigDict

from results.records import Metric

SAMPLE = 1000  # n-grams; distinct-n falls with the size of the corpus, so all are brought to one
PHRASE = 4  # words
_WORD = re.compile(r"\w+")
_SENTENCE = re.compile(r"[^.!?\n]+[.!?]*")


class Phrase(BaseModel):
    """A phrase that ``n`` of ``of`` texts carry; ``n_before`` of ``of_before`` did before."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    text: str
    n: int
    of: int
    n_before: int | None = None
    of_before: int | None = None


def words(text: str) -> list[str]:
    """Returns the words of ``text`` in lower case."""
    return _WORD.findall(text.lower())


def ngrams(text: str, n: int) -> Iterator[str]:
    """Yields the runs of ``n`` words of ``text``, each joined by spaces."""
    found = words(text)
    return (" ".join(found[i : i + n]) for i in range(len(found) - n + 1))


def sentences(text: str) -> Iterator[str]:
    """Yields the sentences of two words and more, in lower case without their full stop."""
    for match in _SENTENCE.findall(text):
        found = words(match)
        if len(found) > 1:
            yield " ".join(found)


def distinct(name: str, texts: Iterable[str], n: int, sample: int = SAMPLE) -> Metric:
    """Returns distinct-n (Li et al. 2016, arXiv 1510.03055) at a fixed size of the corpus.

    The value is the number of different n-grams that ``sample`` of them, drawn without
    replacement, are expected to hold, over ``sample``: Hurlbert's rarefaction (Ecology 52, 1971,
    equation 12). It is in (0, 1]; ``n`` of ``of`` are the n-grams of the sample and of the texts.
    """
    counts = Counter(gram for text in texts for gram in ngrams(text, n))
    total = counts.total()
    convention = f"different {n}-grams expected in {sample} drawn ones, over {sample}"
    if total < sample:
        reason = f"{total} {n}-grams, a sample of {sample} is taken"
        return Metric(name=name, value=None, n=total, of=total, convention=convention,
                      reason=reason)  # fmt: skip
    by_size = sorted(Counter(counts.values()).items())
    expected = math.fsum(m * (1 - _absent(total, size, sample)) for size, m in by_size)
    return Metric(
        name=name, value=expected / sample, n=sample, of=total, convention=convention,
        reason="no interval: it is no mean over prompts",
    )  # fmt: skip


def _absent(total: int, size: int, sample: int) -> float:
    """The chance that none of ``size`` among ``total`` is in a sample: hypergeometric."""
    if size > total - sample:
        return 0.0
    log = math.lgamma
    return math.exp(
        log(total - size + 1) - log(total - size - sample + 1)
        - log(total + 1) + log(total - sample + 1)
    )  # fmt: skip


def repeats(groups: Iterable[Sequence[str]]) -> list[int]:
    """Returns for each group how many of its texts repeat an earlier one, white space aside."""
    return [len(group) - len({" ".join(text.split()) for text in group}) for group in groups]


def most_shared(texts: Sequence[str], units: Callable[[str], Iterable[str]]) -> Phrase | None:
    """Returns the unit (a phrase, a sentence) that most texts carry, null where there is none.

    Among equals the first in the alphabet.
    """
    counts = _carriers(texts, units)
    if not counts:
        return None
    text = min(counts, key=lambda unit: (-counts[unit], unit))
    return Phrase(text=text, n=counts[text], of=len(texts))


def most_grown(
    texts: Sequence[str], before: Sequence[str], units: Callable[[str], Iterable[str]]
) -> Phrase | None:
    """Returns the unit whose share of the texts grew most since ``before``.

    Null where there are no texts on a side or none has grown.
    """
    if not texts or not before:
        return None
    now, then = _carriers(texts, units), _carriers(before, units)

    def growth(unit: str) -> float:
        return now[unit] / len(texts) - then[unit] / len(before)

    text = min(now, key=lambda unit: (-growth(unit), unit), default=None)
    if text is None or growth(text) <= 0:
        return None
    return Phrase(
        text=text, n=now[text], of=len(texts), n_before=then[text], of_before=len(before)
    )  # fmt: skip


def phrases(text: str) -> Iterator[str]:
    """Yields the runs of ``PHRASE`` words."""
    return ngrams(text, PHRASE)


def _carriers(texts: Iterable[str], units: Callable[[str], Iterable[str]]) -> Counter[str]:
    return Counter(unit for text in texts for unit in set(units(text)))
