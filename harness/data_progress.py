"""What srlm data fetch shows while bytes come: a bar in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from harness.display import PLAIN_EVERY


def bytes_text(size: int | None) -> str:
    """``size`` in bytes as people read it (1 kB = 1000)."""
    if size is None:
        return "size unknown"
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size} B"


class DataProgress:
    """Shows files on stderr, one after the other. Used as a context manager."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False)
        self._bar: Progress | None = None
        self._label = ""
        self._since = self._said = 0.0
        self._first: int | None = None

    def note(self, text: str) -> None:
        """One line that stays, in place of the bar; markup in it is not read."""
        self.stop()
        self.console.print(text, markup=False, soft_wrap=True)

    def start(self, label: str) -> None:
        """The file ``label`` begins."""
        self.stop()
        self._label, self._first = label, None
        self._since = self._said = time.monotonic()
        if self.console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}", markup=False), BarColumn(20), DownloadColumn(),
                TransferSpeedColumn(), TimeRemainingColumn(),
                console=self.console, transient=True,
            )  # fmt: skip
            self._bar.add_task(label, total=None)
            self._bar.start()

    def show(self, done: int, total: int | None) -> None:
        """``done`` bytes are here, of ``total`` where the server says it."""
        if self._first is None:
            self._first = done
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=done, total=total)
        elif time.monotonic() - self._said > PLAIN_EVERY:
            self._said = time.monotonic()
            rate = max(0, done - self._first) / (self._said - self._since)
            left = f", about {(total - done) / rate:.0f} s left" if total and rate else ""
            self.note(
                f"{self._label}: {bytes_text(done)} of {bytes_text(total)}, "
                f"{bytes_text(round(rate))}/s{left}"
            )

    def stop(self) -> None:
        """Takes the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def __enter__(self) -> DataProgress:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
