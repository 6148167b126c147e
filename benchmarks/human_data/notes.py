"""What was odd in the data, where, and what was done about it: short however broken the file is."""

from __future__ import annotations

from dataclasses import dataclass, field

from results.text import excerpt

SHOWN = 3  # times that one kind of oddity is told line by line; more are told in one note
LISTED = 5  # line numbers in such a note


@dataclass
class _Kind:
    count: int = 0
    lines: list[int] = field(default_factory=list)
    details: list[str] = field(default_factory=list)


class Notes:
    """Gathers oddities by kind, in the order of their first appearance.

    Args:
        name: the file or data set, for the messages.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._kinds: dict[str, _Kind] = {}

    def add(self, line: int, what: str, detail: str = "", *values: object) -> None:
        """Notes ``what`` was found and done (a fixed text: it is the kind) at ``line``, from 1.

        ``detail`` says what it was here, with ``{}`` or ``{!r}`` for each of ``values``: ids and
        texts of the data, which are shown as short excerpts only.
        """
        kind = self._kinds.setdefault(what, _Kind())
        kind.count += 1
        if len(kind.lines) < LISTED:
            kind.lines.append(line)
        if len(kind.details) < SHOWN:
            shown = detail.format(*(excerpt(str(value)) for value in values))
            kind.details.append(f": {shown}" if detail else "")

    def lines(self) -> list[str]:
        """Returns the notes, each one line: ``file:line: what: detail``."""
        found = []
        for what, kind in self._kinds.items():
            if kind.count <= SHOWN:
                for line, detail in zip(kind.lines, kind.details, strict=False):
                    found.append(f"{self.name}:{line}: {what}{detail}")
                continue
            listed = ", ".join(map(str, kind.lines))
            more = ", ..." if kind.count > LISTED else ""
            found.append(
                f"{self.name}:{kind.lines[0]}: {what}{kind.details[0]} "
                f"({kind.count} times in all: lines {listed}{more})"
            )
        return found
