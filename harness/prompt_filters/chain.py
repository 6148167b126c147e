"""The filters one after the other: the first that refuses an instruction names the reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from harness.prompt_filters.contamination import Contamination
from harness.prompt_filters.language import Language
from harness.prompt_filters.similar import SimilarTexts


@dataclass(frozen=True)
class Dropped:
    """Why an instruction is not used; ``detail`` says what it is too like, or what it seems."""

    reason: str
    detail: str | None = None


Check = Callable[[str], Dropped | None]


class Filters:
    """Takes instructions that pass all ``checks``, no two alike, ``wanted`` at most.

    Args:
        checks: asked in this order, before ``duplicate`` and what follows (null: nothing is asked).
        later: asked after it.
        wanted: a further one is ``surplus``.
        similar: holds what a new one may not be similar to; what is kept is added.
    """

    def __init__(self, checks: Iterable[Check], later: Iterable[Check], wanted: int,
                 similar: SimilarTexts | None = None) -> None:  # fmt: skip
        self._checks = [*checks, self._duplicate, *later]
        self._wanted, self._similar = wanted, similar
        self._kept: dict[str, None] = {}

    @property
    def kept(self) -> Sequence[str]:
        """What was taken so far, in its order."""
        return list(self._kept)

    @property
    def missing(self) -> int:
        """How many are still to be taken."""
        return self._wanted - len(self._kept)

    def offer(self, name: str, text: str) -> Dropped | None:
        """Null when ``text`` is taken."""
        for check in self._checks:
            if (found := check(text)) is not None:
                return found
        if self._similar is not None and (match := self._similar.most_similar(text)) is not None:
            return Dropped("similar", f"{match.f1:.3f} {match.name}")
        if self.missing <= 0:
            return Dropped("surplus")
        self.take(name, text)
        return None

    def take(self, name: str, text: str) -> None:
        """Takes ``text`` unasked: an earlier start has taken it."""
        self._kept[text] = None
        if self._similar is not None:
            self._similar.add(name, text)

    def _duplicate(self, text: str) -> Dropped | None:
        return Dropped("duplicate") if text in self._kept else None


def form_check(reason: Callable[[str], str | None]) -> Check:
    """A filter that looks at the text alone, as a check."""
    return lambda text: Dropped(found) if (found := reason(text)) is not None else None


def among(texts: Iterable[str], reason: str) -> Check:
    """Refuses each of ``texts``."""
    known = set(texts)
    return lambda text: Dropped(reason) if text in known else None


def held_out(belongs: Callable[[str], bool]) -> Check:
    """Refuses what belongs to the evaluation."""
    return lambda text: Dropped("held_out") if belongs(text) else None


def contaminated(index: Contamination) -> Check:
    """Refuses what has a passage of an evaluation text in it, and says which."""
    return lambda text: Dropped("contaminated", hit) if (hit := index.hit(text)) else None


def in_language(language: Language) -> Check:
    """Refuses what is surely in another language, and says which that seems to be."""
    return lambda text: Dropped("language", other) if (other := language.other(text)) else None
