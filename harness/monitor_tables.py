"""What srlm monitors prints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from harness.judge_tables import table
from harness.monitor_runs import Difference, RunMonitors, differences
from results.figures import NULL, cell
from results.figures import heading as metric_heading
from results.monitors import MONITORS, Bar, Monitors, common_anchor, heading, shown
from results.text import excerpt, one_line

if TYPE_CHECKING:
    from rich.console import RenderableType

BAR = 16  # characters of the longest bar
LABEL, CELL = 30, 24  # widths of the first and of every other column
SIDES = {"grown_phrase": "candidates, since the iteration before",
         "output_phrase": "held-out outputs, since the model before",
         "shared_phrase": "candidates", "shared_sentence": "candidates"}  # fmt: skip


def page(runs: Sequence[RunMonitors], width: int) -> RenderableType:
    """One run with its iterations side by side; several with the runs side by side."""
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = []
    if len(runs) > 1:
        found = differences(runs)
        for k in sorted({m.k for run in runs for m in run.iterations}):
            held = {r.run: m for r in runs for m in r.iterations if m.k == k}
            parts += [Text(f"M{k}", style="bold")]
            parts += _beside(held, [d for d in found if d.k == k])
    for run in runs:
        for part in _chunks(run.iterations, width):
            parts.append(Text(one_line(run.run), style="bold"))
            if len(runs) == 1:
                parts.append(_figures(part))
            parts += _rest(part)
    parts.append(Text(_reading(runs), style="dim"))
    return Group(*parts)


def _chunks(found: Sequence[Monitors], width: int) -> Iterator[Sequence[Monitors]]:
    """As many iterations side by side as the terminal holds."""
    size = max(1, (width - LABEL) // CELL)
    return (found[i : i + size] for i in range(0, len(found), size))


def _figures(found: Sequence[Monitors]) -> RenderableType:
    at = common_anchor(found)
    rows = [[heading(name, at), *(shown(m.metrics[name], at) for m in found)] for name in MONITORS]
    return table(["", *(m.model for m in found)], rows)


def _beside(held: dict[str, Monitors], found: Sequence[Difference]) -> list[RenderableType]:
    from rich.text import Text

    at, apart = common_anchor(held.values()), {d.monitor: d.apart for d in found}
    words = {True: "yes", False: "no", None: NULL}
    rows = [
        [
            heading(name, at),
            *(shown(m.metrics[name], at) for m in held.values()),
            words[apart.get(name)],
        ]
        for name in MONITORS
    ]
    parts: list[RenderableType] = [table(["", *map(one_line, held), "apart"], rows)]
    if found:
        told = [heading(d.monitor, at) for d in found if d.apart]
        compared = sum(d.apart is not None for d in found)
        parts.append(
            Text(f"{len(told)} of {compared} tell the runs apart: {', '.join(told) or 'none'}\n")
        )
    return parts


def _rest(found: Sequence[Monitors]) -> list[RenderableType]:
    """Categories, counts, phrases and the histogram of some iterations of one run."""
    from rich.text import Text

    parts: list[RenderableType] = []
    names = sorted({name for m in found for name in m.categories})
    if names:
        metric = str(next(m.category_metric for m in found if m.categories))
        rows = [
            [name, *(cell(metric, c.model_dump()) if (c := m.categories.get(name)) else NULL
                     for m in found)]
            for name in names
        ]  # fmt: skip
        parts += [Text(f"\n{one_line(metric_heading(metric))} by category", style="bold"),
                  table(["", *(m.model for m in found)], rows)]  # fmt: skip
    parts.append(Text("\nmean self-scores, share of candidates", style="bold"))
    parts.append(_histogram([m.by_candidate for m in found], [m.model for m in found]))
    for m in found:
        parts.append(Text(f"\n{m.model}", style="bold"))
        parts += [Text(line) for line in _lines(m)]
    parts.append(Text(""))
    return parts


def _histogram(bars: Sequence[Sequence[Bar]], models: Sequence[str]) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    totals = [sum(bar.n for bar in side) or 1 for side in bars]
    most = max(bar.n / of for side, of in zip(bars, totals, strict=True) for bar in side) or 1
    found = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("", *models):
        found.add_column(Text(name), no_wrap=True)
    for row in zip(*bars, strict=True):
        cells = [
            Text(f"{'█' * round(BAR * bar.n / of / most):<{BAR}} {bar.n / of:6.1%}")
            for bar, of in zip(row, totals, strict=True)
        ]
        found.add_row(Text(f"{row[0].low:g} to {row[0].high:g}"), *cells)
    return found


def _lines(found: Monitors) -> Iterator[str]:
    """What no column holds: counts with their reasons, phrases, self-score beside the anchor."""
    for what, counts in (("prompts", found.prompts), ("pairs", found.pairs)):
        listed = ", ".join(f"{n} {one_line(name)}" for name, n in counts.items() if n)
        yield f"{sum(counts.values())} prompts by what became of their {what}: {listed}"
    lost = ", ".join(f"{n} {one_line(name)}" for name, n in sorted(found.unscored.reasons.items()))
    yield f"{found.unscored.n} of {found.unscored.of} judgments unscored" + (lost and f": {lost}")
    yield from map(one_line, found.notes)
    for name, phrase in found.phrases.items():
        if phrase is not None:
            before = f", {phrase.n_before}/{phrase.of_before} before" if phrase.of_before else ""
            where = f"({SIDES[name]}: {phrase.n}/{phrase.of}{before})"
            yield f"{MONITORS[name][0]}: {excerpt(phrase.text)!r} {where}"
    at, metrics = found.anchor, found.metrics
    anchor = one_line(metric_heading(at) if at else "anchored figure")

    def anchored(name: str, before: int, after: int) -> str:
        return f"{anchor} M{before} to M{after}: {shown(metrics[name], at)}"

    k = found.k
    parent, grandparent = found.parents or (k - 1, k - 2)
    if parent > 1:
        change = shown(metrics["self_score_change"], at)
        step = anchored("anchored_change_before", grandparent, parent)
        yield f"self-score since M{grandparent}'s: {change}; {step}"
    yield (
        f"same answers by the judge of {found.model}, of M{parent}: "
        f"{shown(metrics['judge_inflation'], at)}; {anchored('anchored_change', parent, k)}"
    )
    for metric in metrics.values():
        if metric.value is None and metric.reason:
            yield f"{heading(metric.name, at)}: null, {one_line(metric.reason)}"


def _reading(runs: Sequence[RunMonitors]) -> str:
    text = "[low, high]: 95 % by resampling prompts; self-scores, pairs and texts of M_k are of "
    text += "what the champion before it wrote and judged"
    return text + ("; apart: intervals do not touch" if len(runs) > 1 else "")
