"""Leaderboard rows as tables: which rows may stand in one table, and what each cell says.

Rows that differ in benchmark, judge, baseline, n or in what was asked (``data``, a hash) are not
comparable and never share a table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from results.conventions import told_apart
from results.figures import NULL, cell, figures, heading
from results.records import Unscored
from results.text import dollars, one_line

Row = Mapping[str, Any]

MARK = "\N{DAGGER}"
GROUP_KEYS = ("benchmark", "judge", "baseline", "n", "data")
LABELS = ("run", "iteration", "gate")  # shown when a row of the table has one


@dataclass(frozen=True)
class Line:
    """One model: its labels and metrics as text, both in the table's order."""

    model: str
    marked: bool
    labels: list[str]
    cells: list[str]


@dataclass(frozen=True)
class Table:
    """Rows that may be compared, as clean one-line text; nothing is escaped for a format yet.

    ``labels`` and ``metrics`` head the columns after the model; ``notes`` stand below.
    """

    title: str
    labels: list[str]
    metrics: list[str]
    lines: list[Line]
    notes: list[str]


def leaderboard_row(
    model: str,
    benchmark: str,
    judge: str | None,
    n: int | None,
    metrics: Mapping[str, Any],
    unscored: Unscored | None = None,
    note: str | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Returns a row of no run, with every key that rows have.

    Args:
        model: how tables call it.
        benchmark: what was measured.
        judge: who judged its answers, null where nobody knows or nobody did.
        n: prompts, null where it was not said.
        metrics: figures by name; a group of figures by its name.
        unscored: judgments without a score, null where nobody knows.
        note: a line under the table.
        more: keys that are not those of such a row (``run``, ``baseline``, ``judge_is_judged``).
    """
    return {
        "model": model,
        "run": None,
        "iteration": None,
        "benchmark": benchmark,
        "judge": judge,
        "judge_is_judged": False,
        "baseline": None,
        "n": n,
        "metrics": metrics,
        "unscored": None if unscored is None else unscored.model_dump(),
        "gate": None,
        **({"note": note} if note else {}),
        **more,
    }


def group_rows(rows: Sequence[Row]) -> list[list[Row]]:
    """Returns the rows by what makes them comparable, in their given order; groups of one benchmark
    stand together, so that published rows come right under ours.
    """
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        # Published rows say nothing of the data: they are of the set that everybody has.
        key = tuple(repr(row.get(name) or None) for name in GROUP_KEYS)
        groups.setdefault(key, []).append(row)
    benchmarks = list(dict.fromkeys(repr(row.get("benchmark")) for row in rows))
    return sorted(groups.values(), key=lambda g: benchmarks.index(repr(g[0].get("benchmark"))))


def build_tables(rows: Sequence[Row]) -> list[Table]:
    """Returns one table per group of comparable rows.

    Args:
        rows: ``{"model", "run", "iteration", "benchmark", "judge", "n", "metrics", "gate"}``, and
            optionally ``baseline``, ``data``, ``judge_is_judged`` (marks the row) and ``note``.
    """
    groups = group_rows(rows)
    return [_table(group, told_apart(group, groups[:at])) for at, group in enumerate(groups)]


def title(row: Row) -> str:
    """Returns what the rows of a table share, as its title."""
    parts = [_text(row.get("benchmark"))]
    parts += [f"{key}: {_text(row[key])}" for key in ("judge", "baseline") if row.get(key)]
    parts += [f"n = {_text(row['n'])}"] if row.get("n") is not None else []
    parts += [f"data: {_text(row['data'])[:8]}"] if row.get("data") else []
    return ", ".join(parts)


def metric_names(rows: Sequence[Row]) -> list[str]:
    """Returns the names of all figures of the rows, in the order in which they first appear."""
    return list(dict.fromkeys(name for row in rows for name, _ in figures(row["metrics"])))


def _table(rows: Sequence[Row], apart: Sequence[str]) -> Table:
    names = metric_names(rows)
    labels = [key for key in LABELS if any(row.get(key) is not None for row in rows)]
    lines = []
    for row in rows:
        found = dict(figures(row["metrics"]))
        lines.append(
            Line(
                model=_text(row["model"]),
                marked=bool(row.get("judge_is_judged")),
                labels=[_text(row.get(key)) for key in labels],
                cells=[cell(name, found.get(name)) for name in names],
            )
        )
    below = [*notes(rows), *map(_text, apart)]
    return Table(title(rows[0]), labels, [_text(heading(name)) for name in names], lines, below)


def notes(rows: Sequence[Row]) -> list[str]:
    """Returns the lines below a table: conventions, intervals, the mark, the rows' own notes."""
    conventions: dict[str, list[str]] = {}
    levels: dict[str, None] = {}
    for row in rows:
        for name, metric in figures(row["metrics"]):
            if metric.get("convention"):
                named = conventions.setdefault(_text(metric["convention"]), [])
                # The parts of a group count as the whole does, and are not named one by one.
                own = name.rpartition(".")[2] if name.count(".") > 1 else name
                if (text := _text(heading(own).removesuffix(" %"))) not in named:
                    named.append(text)
            if metric.get("low") is not None:
                levels[f"{100 * metric.get('confidence', 0.95):g}"] = None
    lines = [f"{', '.join(named)}: {convention}" for convention, named in conventions.items()]
    lines += _nulls(rows)
    if levels:
        lines.append(f"[low, high]: {' and '.join(levels)} % interval")
    if any(row.get("judge_is_judged") for row in rows):
        lines.append(f"{MARK} the judge is the judged model itself")
    lines += [f"{_text(row['model'])}: {_text(row['note'])}" for row in rows if row.get("note")]
    sources = dict.fromkeys(_text(row["source"]) for row in rows if row.get("source"))
    lines += [f"published: {source}" for source in sources]
    spent = {_text(row.get("run")): row["spent"] for row in rows if row.get("spent")}
    return lines + [f"{run}: {spent_text(sums)}" for run, sums in spent.items()]


def _nulls(rows: Sequence[Row]) -> list[str]:
    """Why a figure is null in every row of a table; those of single rows are in the JSON."""
    found: dict[str, list[str]] = {}
    for name in metric_names(rows):
        metrics = [dict(figures(row["metrics"])).get(name, {}) for row in rows]
        reasons = {metric.get("reason") for metric in metrics}
        if all(metric.get("value") is None for metric in metrics) and len(reasons) == 1:
            (reason,) = reasons
            if reason:
                found.setdefault(_text(reason), []).append(_text(heading(name).removesuffix(" %")))
    return [f"no {', '.join(names)}: {reason}" for reason, names in found.items()]


def spent_text(sums: Mapping[str, Any]) -> str:
    """Returns what a run's model calls took, in words; what is not known is said."""
    names = {"prompt_tokens": "prompt tokens", "completion_tokens": "answer tokens"}
    tokens = [
        f"{'unknown' if sums[key] is None else format(sums[key], ',')} {name}"
        for key, name in names.items()
    ]
    cost = "cost not known" if sums["cost"] is None else dollars(sums["cost"])
    return f"{sums['calls']:,} model calls, {', '.join(tokens)}, {cost}"


def _text(value: object) -> str:
    """Returns a label as one clean line; a dash for null."""
    return NULL if value is None else one_line(str(value))
