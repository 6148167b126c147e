"""Whether a text is surely in another language than the one asked for, by py3langid."""

from __future__ import annotations

from functools import cache
from typing import Any

from results.errors import UsageError
from results.text import plain

# The identifier's probability of the language that is asked for. It is unsure about a few words
# ("python vs julia"), and those stay; sentences of another language are far below.
SURELY_ANOTHER = 0.005
READ = 2000  # characters: more say nothing new


class Language:
    """Tells texts that are not in ``code`` (ISO 639-1).

    Raises:
        UsageError: the identifier does not know the code.
    """

    def __init__(self, code: str) -> None:
        self.code = code
        known = sorted(set(_identifier().labels))
        if code not in known:
            raise UsageError(
                f"prompts.filters.language: {code!r} is not among the languages that are told "
                f"apart ({', '.join(known)}); name one of them, or null for any"
            )

    def other(self, text: str) -> str | None:
        """The language that ``text`` seems to be in where that is surely not ``code``, else null.

        A text without letters is in no other language.
        """
        ranked = _identifier().rank(plain(text[:READ]))
        return None if dict(ranked)[self.code] >= SURELY_ANOTHER else str(ranked[0][0])


@cache
def _identifier() -> Any:
    """Loaded once: it takes a second."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
