"""Makes text that a model or a user wrote safe to print.

Candidates are hostile text: an escape sequence in an answer could repaint the terminal of whoever
reads the table, and a bidi override could show a number that is not there.
"""

from __future__ import annotations

import json
import re

# Whole sequences first, so that no harmless-looking rest ("[31m") stays behind. String sequences
# (OSC, DCS, ...) stop at the next ESC or terminator: the scan is linear however many are begun.
_SEQUENCES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor, erase
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"  # OSC, DCS, ...
    r"|\x1b[ -/]*[0-~]"  # every other escape
)
# C0 but tab and newline, DEL, C1, and the bidi embeddings, overrides and isolates.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
# A lone surrogate is no character: printing or storing it as UTF-8 fails.
_SURROGATES = re.compile("[\ud800-\udfff]")


def plain(text: str) -> str:
    """Returns ``text`` without terminal sequences, control characters and bidi overrides.

    Newline and tab stay; lone surrogates become U+FFFD. ``plain(plain(x)) == plain(x)``.
    """
    return _SURROGATES.sub("\ufffd", _CONTROLS.sub("", _SEQUENCES.sub("", text)))


def lone_surrogate(data: object) -> str | None:
    """Returns the first lone surrogate in JSON ``data`` by its number, null where there is none."""
    try:
        json.dumps(data, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        return f"\\u{ord(error.object[error.start]):x}"
    return None


def one_line(text: str) -> str:
    """Returns ``plain(text)`` with every run of white space as one space."""
    return " ".join(plain(text).split())


def excerpt(value: object, limit: int = 60) -> str:
    """Returns ``value`` as one line of at most ``limit`` characters, for an error message."""
    # Cut before cleaning too: an error about a line of a gigabyte need not clean a gigabyte.
    shown = value[: 4 * limit] if isinstance(value, str) else repr(value)
    line = one_line(shown)
    return line if len(line) <= limit else line[: limit - 3] + "..."


def dollars(amount: float) -> str:
    """US dollars; what is less than a cent is so said, for it is not nothing."""
    return "<$0.01" if 0 < amount < 0.01 else f"${amount:,.2f}"


def slug(name: str) -> str:
    """Returns ``name`` as one part of a path: ASCII letters, digits, dot, dash and underscore.

    ``unnamed`` where nothing is left of it.
    """
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "unnamed"


def markdown(text: str) -> str:
    """Returns ``text`` for a cell of a Markdown table: no new column, link, code span or HTML."""
    text = text.replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([\\|`*\[\]])", r"\\\1", text)
