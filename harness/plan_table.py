"""How a plan is printed: the table, what stands under it, and the first prompts in full."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from results.errors import UsageError
from results.figures import NULL
from results.text import dollars, plain

if TYPE_CHECKING:
    from rich.console import RenderableType

    from harness.plan import Plan

WIDEST = 24  # characters of a model's name in the table
GAP = 2  # between columns
SPARED = ("trained on", "tokens in", "out <=", "dev h")  # by a narrow terminal, in this order
THOUSANDS = ("k", "M", "B")
UNITS = ("B", "kB", "MB", "GB", "TB")


def plan_as_json(arguments: Namespace) -> bool:
    """Whether ``--plan`` prints JSON; UsageError on a format that a plan has not."""
    if arguments.format not in ("table", "json"):
        raise UsageError(
            f"--format {arguments.format}: --plan prints a table or JSON; leave it out or give "
            "--json"
        )
    return bool(arguments.json or arguments.format == "json")


def show(found: Plan, as_json: bool) -> None:
    """Prints the plan."""
    if as_json:
        disk = None if found.disk is None else {**asdict(found.disk), "total": found.disk.total}
        print(json.dumps({**asdict(found), "disk": disk, "total": found.total()}, indent=2))
        return
    from rich.console import Console

    console = Console()
    console.print(to_rich(found, console.width))


def to_rich(found: Plan, width: int = 100) -> RenderableType:
    """The plan for a terminal of ``width`` columns: the table, the notes, then each prompt in full.

    Columns that no step has a figure for are left out, that of costs where nothing costs anything;
    counts are rounded to three digits (``--json`` has them whole). Where there is no room for all
    columns, those of ``SPARED`` are left out, which is said: no figure is cut.
    """
    from rich.cells import cell_len
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    shown = {
        "calls": True,
        "tokens in": True,
        "out <=": True,
        "cost <=": any(step.cost != 0 for step in found.steps),
        "time >=": any(step.seconds is not None for step in found.steps),
        "trained on": any(step.trained_tokens for step in found.steps),
        "dev h": any(step.device_hours for step in found.steps),
    }
    rows = [
        [short(s.model), s.stage, *_figures(vars(s), "~" if s.about else "")] for s in found.steps
    ]
    rows.append(["all", "", *_figures(found.total(), "~")])
    columns = dict(zip(("model", "stage", *shown), zip(*rows, strict=True), strict=True))
    columns = {name: texts for name, texts in columns.items() if shown.get(name, True)}
    sizes = {name: max(map(cell_len, (name, *texts))) for name, texts in columns.items()}
    spared = []
    for name in (name for name in SPARED if name in columns):
        if sum(sizes.values()) + GAP * len(sizes) - GAP > width:
            spared.append(name)
            del columns[name], sizes[name]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        if name in shown:
            table.add_column(name, justify="right", no_wrap=True, min_width=sizes[name])
        else:
            table.add_column(name, no_wrap=True)
    for at, texts in enumerate(zip(*columns.values(), strict=True)):
        table.add_row(*texts, style="bold" if at == len(rows) - 1 else "")
    notes = [*found.notes]
    if spared:
        notes.insert(
            0, f"no room here for: {', '.join(spared)}; a wider terminal has it, or --json"
        )
    parts: list[RenderableType] = [table, *(Text(note, style="dim") for note in notes)]
    for kind, text in found.prompts.items():
        parts += [Text(f"\nfirst prompt: {kind}", style="bold"), Text(plain(text))]
    return Group(*parts)


def short(name: str) -> str:
    """A model's name with its end, which tells checkpoints apart; figures keep their room."""
    return name if len(name) <= WIDEST else "..." + name[3 - WIDEST :]


def _figures(row: dict[str, Any], about: str) -> list[str]:
    cost, seconds, hours = row["cost"], row["seconds"], row["device_hours"]
    calls = row["calls"]
    return [
        f"{about}{count_text(calls)}" if calls else NULL,
        f"~{count_text(row['prompt_tokens'])}" if calls else NULL,
        count_text(row["completion_tokens"]) if calls else NULL,
        "unknown" if cost is None else dollars(cost),
        NULL if seconds is None else time_text(seconds),
        f"~{count_text(row['trained_tokens'])}" if row["trained_tokens"] else NULL,
        "unknown" if hours is None else hours_text(hours),
    ]


def count_text(count: int) -> str:
    """A count that fits a column: whole below 100,000, else three digits and k, M or B."""
    if count < 100_000:
        return f"{count:,}"
    size, at = count / 1000, 0
    while size >= 999.5 and at < len(THOUSANDS) - 1:
        size, at = size / 1000, at + 1
    digits = 0 if size >= 99.95 else 1 if size >= 9.995 else 2
    return f"{size:,.{digits}f}{THOUSANDS[at]}"


def time_text(seconds: float) -> str:
    """Seconds where they are less than a minute, else whole minutes."""
    return f"{seconds / 60:,.0f} min" if seconds >= 60 else f"{seconds:.2g} s"


def hours_text(hours: float) -> str:
    """Hours with two or three digits that count; what is far below a minute is so said."""
    if 0 < hours < 0.01:
        return "<0.01"
    return f"{hours:,.0f}" if hours >= 100 else f"{hours:.1f}" if hours >= 10 else f"{hours:.2f}"


def bytes_text(size: float) -> str:
    """Bytes in the unit (powers of 1000) that leaves one to three digits before the point."""
    at = 0
    while size >= 1000 and at < len(UNITS) - 1:
        size, at = size / 1000, at + 1
    return f"{size:.0f} {UNITS[at]}" if at == 0 or size >= 100 else f"{size:.1f} {UNITS[at]}"
