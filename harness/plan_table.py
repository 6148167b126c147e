"""How a plan is printed: the table, what stands under it, and the first prompts in full."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from results.errors import UsageError
from results.figures import NULL
from results.text import plain

if TYPE_CHECKING:
    from rich.console import RenderableType

    from harness.plan import Plan

WIDEST = 24  # characters of a model's name in the table
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

    Console().print(to_rich(found))


def to_rich(found: Plan) -> RenderableType:
    """The plan for a terminal: the table, the notes, then each prompt in full.

    Columns that no step has a figure for are left out, that of costs where nothing costs anything;
    counts are rounded to three digits (``--json`` has them whole).
    """
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
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("model", "stage"):
        table.add_column(name, no_wrap=True)
    for name in (name for name, wanted in shown.items() if wanted):
        table.add_column(name, justify="right", no_wrap=True)

    def row(first: str, stage: str, values: dict[str, Any], about: str, style: str = "") -> None:
        figures = zip(shown.values(), _figures(values, about), strict=True)
        table.add_row(first, stage, *(text for wanted, text in figures if wanted), style=style)

    for step in found.steps:
        row(short(step.model), step.stage, vars(step), "~" if step.about else "")
    row("all", "", found.total(), "~", "bold")
    parts: list[RenderableType] = [table, *(Text(note, style="dim") for note in found.notes)]
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
        "unknown" if cost is None else f"${cost:,.2f}",
        NULL if seconds is None else f"{seconds / 60:,.0f} min",
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
