"""Whether a text has a passage of an evaluation text in it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

# Evaluation texts with fewer words than these are common phrases ("how are you"): only a text that
# says nothing else is one of them. GPT-3's comparison has the same bounds, 8 and 13 (2005.14165).
PHRASE = 8
_WORDS = re.compile(r"[^\W_]+")


def words_of(text: str) -> list[str]:
    """Lower-cased runs of letters and digits: spacing, punctuation and widths make no difference.

    A script that writes without spaces has sentences for words.
    """
    return _WORDS.findall(unicodedata.normalize("NFKC", text).casefold())


class Contamination:
    """Finds texts that share ``ngram`` words in a row with one of ``texts`` (name, text).

    A text of fewer words is looked for whole: anywhere when it has ``PHRASE`` words or more, else
    only texts that are equal to it, word by word, hold it.
    """

    def __init__(self, texts: Iterable[tuple[str, str]], ngram: int) -> None:
        self._found: dict[int, dict[str, str]] = {}  # words in a row -> the row -> whose it is
        self._whole: dict[str, str] = {}
        for name, text in texts:
            words = words_of(text)
            self._whole.setdefault(" ".join(words), name)
            size = min(ngram, len(words))
            if size >= min(PHRASE, ngram):
                rows = self._found.setdefault(size, {})
                for row in _rows(words, size):
                    rows.setdefault(row, name)
        self._whole.pop("", None)

    def hit(self, text: str) -> str | None:
        """Which evaluation text is in ``text`` and the words that they share; null where none is.

        Of several the longest passage counts, of equally long ones the first.
        """
        words = words_of(text)
        whole = " ".join(words)
        if whole in self._whole:
            return f"{self._whole[whole]}: {whole}"
        for size in sorted(self._found, reverse=True):
            rows = self._found[size]
            for row in _rows(words, size):
                if row in rows:
                    return f"{rows[row]}: {row}"
        return None


def _rows(words: list[str], size: int) -> Iterator[str]:
    return (" ".join(words[i : i + size]) for i in range(len(words) - size + 1))
