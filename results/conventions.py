"""Why published figures stand in a table of their own: what they count, and on how many samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from results.figures import figures, heading

ALIKE = ("benchmark", "judge", "baseline")  # what rows must share to be told apart by the rest


def told_apart(
    group: Sequence[Mapping[str, Any]], before: Sequence[Sequence[Mapping[str, Any]]]
) -> list[str]:
    """The lines under a table of published rows: how their figures differ from ours above.

    Args:
        group: the rows of the table.
        before: the tables above it, in order. The last one of ours that shares benchmark, judge and
            baseline is meant.

    Returns:
        A line for each pair of conventions; none where the rows are not published or stand alone.
    """
    if not all(row.get("source") for row in group):
        return []
    ours = [
        rows for rows in before
        if not any(row.get("source") for row in rows)
        and all((rows[0].get(key) or None) == (group[0].get(key) or None) for key in ALIKE)
    ]  # fmt: skip
    if not ours:
        return []
    above, here = _counted(ours[-1]), _counted(group)
    by_convention: dict[tuple[str, str], list[str]] = {}
    for name in (name for name in above if name in here):
        (convention, n), (published, of) = above[name], here[name]
        if (convention, n) != (published, of):
            sizes = f"{n or 'unknown'} and {of or 'unknown'}"
            by_convention.setdefault((convention, published), []).append(f"{name} ({sizes})")
    return [
        f"other conventions, not ranked together with the table above: {convention or 'not said'} "
        f"there, {published} here; samples there and here: " + ", ".join(names)
        for (convention, published), names in by_convention.items()
    ]


def _counted(rows: Sequence[Mapping[str, Any]]) -> dict[str, tuple[str, int]]:
    """By heading: the convention of a figure, and the most samples that any row has of it."""
    found: dict[str, tuple[str, int]] = {}
    for row in rows:
        for name, metric in figures(row["metrics"]):
            title = heading(name).removesuffix(" %")
            convention, n = found.get(title, (metric.get("convention") or "", 0))
            found[title] = (convention, max(n, metric.get("of") or 0))
    return found
