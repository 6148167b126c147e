"""What a smoke run prints: how each stage went, what the full run will take, and the verdict."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from harness.plan_table import bytes_text, hours_text
from harness.smoke.forecast import Forecast, Memory
from harness.smoke.walk import Passage
from results.figures import NULL
from results.text import dollars, plain

if TYPE_CHECKING:
    from rich.console import RenderableType

STYLES = {
    "passed": "green",
    "unclear": "yellow",
    "would have failed": "bold yellow",
    "failed": "bold red",
    "skipped": "dim",
    "not reached": "dim",
}


@dataclass(frozen=True)
class Report:
    """``full`` is null where the walk broke before anything could be counted."""

    recipe: str
    folder: str
    stages: list[Passage]
    full: Forecast | None
    notes: list[str]

    @property
    def exit_code(self) -> int:
        """0: every stage was gone through. 3: something would stop the full run. 1: something
        broke. What is unclear counts as neither.
        """
        found = {passage.status for passage in self.stages}
        return 1 if "failed" in found else 3 if "would have failed" in found else 0

    @property
    def verdict(self) -> str:
        """All counts in one line."""
        n = Counter(str(passage.status) for passage in self.stages)
        parts = [f"{n[status]} {status}" for status in STYLES if n[status]]
        return f"smoke of {self.recipe}: {len(self.stages)} stages: {', '.join(parts)}"


def show(report: Report, as_json: bool) -> None:
    """Prints the report."""
    if as_json:
        print(json.dumps(to_json(report), ensure_ascii=False, indent=2))
        return
    from rich.console import Console

    Console().print(to_rich(report))


def to_json(report: Report) -> dict[str, Any]:
    """One document, figures unrounded."""
    full = report.full
    return {
        "recipe": report.recipe,
        "folder": report.folder,
        "exit_code": report.exit_code,
        "stages": [asdict(passage) for passage in report.stages],
        "full": None
        if full is None
        else {
            **asdict(full),
            "disk": {**asdict(full.disk), "total": full.disk.total},
            "hours": full.hours,
            "cost": full.cost,
        },
        "notes": report.notes,
    }


def to_rich(report: Report) -> RenderableType:
    """Both tables and the lines under them."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    stages = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("model", "stage", "status"):
        stages.add_column(name, no_wrap=True)
    stages.add_column("what", overflow="fold")
    for passage in report.stages:
        stages.add_row(
            passage.model,
            passage.stage,
            Text(passage.status, style=STYLES[passage.status]),
            Text(plain(passage.line)),
        )
    parts: list[RenderableType] = [stages, Text("")]
    if report.full is not None:
        parts += [_full_table(report.full), *map(Text, _sizes(report.full))]
    parts += [Text(note, style="dim") for note in report.notes]
    return Group(*parts, Text(report.verdict, style="bold"))


def _full_table(full: Forecast) -> RenderableType:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("the full run", no_wrap=True)
    for name in ("units here", "seconds", "units", "hours", "tokens out", "cost"):
        table.add_column(name, justify="right", no_wrap=True)
    for line in full.lines:
        tokens = line.completion_tokens
        table.add_row(
            line.what,
            f"{line.here_units:,}",
            f"{line.here_seconds:.1f}",
            f"{line.units:,.0f}",
            "not measured" if line.hours is None else hours_text(line.hours),
            NULL if tokens is None else f"~{tokens:,.0f}",
            NULL if tokens is None else "unknown" if line.cost is None else dollars(line.cost),
        )
    hours = "not measured" if full.hours is None else hours_text(full.hours)
    cost = "unknown" if full.cost is None else dollars(full.cost)
    table.add_row("all", "", "", "", hours, "", cost, style="bold")
    return table


def _sizes(full: Forecast) -> list[str]:
    disk = full.disk
    records = f"records about {bytes_text(disk.record_bytes)}"
    if disk.total is None or disk.checkpoint_bytes is None:
        room = f"disk: no checkpoint was made here; {records}"
    else:
        room = (
            f"disk about {bytes_text(disk.total)}: {disk.checkpoints} checkpoints of "
            f"{bytes_text(disk.checkpoint_bytes)}, {records}"
        )
    return [
        room,
        f"peak memory here: this process {_memory(full.process)}, the trainer "
        f"{_memory(full.trainer)}",
    ]


def _memory(memory: Memory) -> str:
    host = "not known" if memory.host is None else bytes_text(memory.host)
    return host if memory.device is None else f"{host} and {bytes_text(memory.device)} on the GPUs"
