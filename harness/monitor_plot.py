"""The monitors of runs as a page of small panels: iterations across, a line a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.monitor_runs import RunMonitors
from results.errors import SrlmError, UsageError
from results.files import writing
from results.monitors import MONITORS, common_anchor, heading, is_share
from results.records import Metric
from results.text import excerpt

# What a file would say about when it was made, by ending: the same records give the same bytes.
UNDATED: dict[str, dict[str, Any]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None},
}
COLUMNS = 5


def check(path: Path) -> None:
    """Raises UsageError where no plot could be written to ``path``: its ending, or matplotlib."""
    if path.suffix not in UNDATED:
        raise UsageError(f"--plot {path}: expected a name that ends in {', '.join(UNDATED)}")
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise SrlmError(f"--plot needs matplotlib: pip install 'srlm[plots]' ({error})") from None


def plot(runs: Sequence[RunMonitors], path: Path) -> None:
    """Writes the page to ``path``; a monitor that no run has a value of gets no panel."""
    check(path)
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = [
        name
        for name in MONITORS
        if any(m.metrics[name].value is not None for run in runs for m in run.iterations)
    ]
    rows = -(-len(names) // COLUMNS)
    # The salt makes the ids in an SVG the same each time; text with "$" in it is no formula.
    with matplotlib.rc_context({"svg.hashsalt": "srlm", "font.size": 7, "text.parse_math": False}):
        figure = Figure(figsize=(2.4 * COLUMNS, 1.8 * rows + 0.4))
        FigureCanvasAgg(figure)
        axes = figure.subplots(rows, COLUMNS, squeeze=False).flatten()
        # By hand: matplotlib's own layouts take seconds for this many panels.
        top = 1 - 0.55 / (1.8 * rows + 0.4)
        figure.subplots_adjust(0.04, 0.05, 0.99, top, wspace=0.3, hspace=0.45)
        for name, panel in zip(names, axes, strict=False):
            _panel(panel, name, runs)
        for panel in axes[len(names) :]:
            panel.set_axis_off()
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="upper left", ncols=4, frameon=False)
        with writing(path):
            figure.savefig(path, metadata=UNDATED[path.suffix], dpi=120)


def _panel(panel: Any, name: str, runs: Sequence[RunMonitors]) -> None:
    anchor = common_anchor(m for run in runs for m in run.iterations)
    scale = 100 if is_share(name, anchor) else 1
    ticks = sorted({m.k for run in runs for m in run.iterations})
    for number, run in enumerate(runs):
        points = [(m.k, m.metrics[name]) for m in run.iterations]
        at = [k for k, m in points]
        line = [_scaled(m.value, scale) for _, m in points]
        low, high = ([_scaled(end, scale) for end in ends] for ends in _ends(points))
        # A legend hides a label that begins with "_".
        label = excerpt(run.run, 40).lstrip("_")
        colour = f"C{number}"
        panel.plot(at, line, marker="o", markersize=3, linewidth=1, color=colour, label=label)
        panel.fill_between(at, low, high, alpha=0.2, linewidth=0, color=colour)
        panel.vlines(at, low, high, color=colour, alpha=0.5, linewidth=1)
    panel.set_title(heading(name, anchor))
    panel.set_xticks(ticks, [f"M{k}" for k in ticks])
    panel.set_xlim(ticks[0] - 0.5, ticks[-1] + 0.5)
    panel.grid(alpha=0.2)


def _ends(points: Sequence[tuple[int, Metric]]) -> tuple[list[float | None], list[float | None]]:
    return [m.low for _, m in points], [m.high for _, m in points]


def _scaled(value: float | None, scale: int) -> float:
    """A gap in the line where there is no value."""
    return float("nan") if value is None else value * scale
