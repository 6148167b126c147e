"""Whether a text has a passage of an evaluation text in it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

# Evaluation texts with fewer words than these are common phrases ("how are you"): only a text that
# says nothing else is one of them. GPT-3's comparison has the same bounds, 8 and 13 (2005.14165).
PHRASE = 8
_WORDS = re.compile(r"[^\W_]+")
_HYPHENATED = re.compile(r"(?<=\w)-\r?\n(?=\w)")
_SPACE = "\u200b"  # no width, but it parts words in scripts without spaces


def words_of(text: str) -> list[str]:
    """Lower-cased runs of letters and digits: spacing, punctuation and widths make no difference,
    nor do soft hyphens, hyphens at a line's end and other marks inside a word.

    A script that writes without spaces has sentences for words.
    """
    text = unicodedata.normalize("NFKC", _HYPHENATED.sub("", text))
    if not text.isascii():
        text = "".join(
            c for c in text if c == _SPACE or unicodedata.category(c) not in ("Cf", "Mn")
        )
    return _WORDS.findall(text.casefold())


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
