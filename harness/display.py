"""What a run shows while it works: a strip of stages, a bar in a terminal, plain lines elsewhere.

Everything goes to stderr; stdout is for the table alone.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from results.text import one_line

PLAIN_EVERY = 20.0  # seconds between lines where there is no terminal
STRIP = ("prompts", "candidates", "judgments", "pairs", "training", "evaluation", "gate")


@dataclass
class Clock:
    """Where this session's time went, in seconds."""

    model: float = 0.0
    startup: float = 0.0
    begun: float = field(default_factory=time.monotonic)

    def split(self) -> str:
        """One line: model computation, process start-up, the rest and its share of what remains."""
        wall = time.monotonic() - self.begun
        rest = max(0.0, wall - self.model - self.startup)
        busy = self.model + rest
        share = 100 * rest / busy if busy else 0.0
        return (
            f"time: {wall:.0f} s = {self.model:.0f} s model computation + {self.startup:.0f} s "
            f"process start-up + {rest:.1f} s everything else ({share:.1f} % of the time without "
            "start-up)"
        )


class Display:
    """Shows stages as they go. Used as a context manager; safe without a terminal."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False)
        self.clock = Clock()
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._since = self._said = 0.0
        self._stage = ""

    def note(self, text: str) -> None:
        """One line of plain text; markup in it is not read."""
        self.console.print(text, markup=False, soft_wrap=True)

    def start(self, title: str, stage: str, of: int | None = None) -> None:
        """A stage of the model ``title`` begins; ``of`` is how many calls or steps it has."""
        self._close()
        self._since = self._said = time.monotonic()
        self._stage = f"{one_line(title):<12} {stage:<11}"
        if not self.console.is_terminal:
            return
        done = STRIP.index(stage) if stage in STRIP else 0
        strip = " ".join(
            f"[bold]{s}[/bold]" if s == stage else (f"[green]{s}[/green]" if i < done else s)
            for i, s in enumerate(STRIP if stage in STRIP else (stage,))
        )
        # A name is no markup and no field of a format.
        name = escape(one_line(title)).replace("{", "{{").replace("}", "}}")
        self._bar = Progress(
            TextColumn(f"{name}  {strip}"), BarColumn(20), TextColumn("{task.fields[facts]}"),
            TimeRemainingColumn(), console=self.console, transient=True,
        )  # fmt: skip
        self._task = self._bar.add_task("", total=of, facts="")
        self._bar.start()

    def progress(self, done: int, of: int, facts: str) -> None:
        """``done`` of ``of``, and what else is worth saying (cached, rate, loss)."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, total=of, facts=f"{done}/{of} {facts}")
        elif not self.console.is_terminal and done and time.monotonic() - self._said > PLAIN_EVERY:
            self._said = time.monotonic()
            left = (self._said - self._since) * (of - done) / done
            self.note(f"{self._stage} {done} of {of}, {facts}, about {left:.0f} s left")

    def finish(self, title: str, stage: str, facts: str) -> None:
        """The stage is done: one line that stays."""
        self._close()
        seconds = time.monotonic() - self._since
        self.note(f"{one_line(title):<12} {stage:<11} {facts} ({seconds:.1f} s)")

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def __enter__(self) -> Display:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()
