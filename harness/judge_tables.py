"""What the judge commands print: agreement with people, where it fails, the verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from benchmarks.judge_validation import Validation
from judges.compare import Comparison
from judges.diagnosis import Diagnosis
from judges.fitness import Fitness
from results.figures import NULL, cell, heading
from results.prediction_powered import PredictionPowered
from results.records import Metric
from results.text import one_line

if TYPE_CHECKING:
    from rich.console import RenderableType

BAR = 30  # characters of the longest bar of the histogram
WORST = 5  # prompts named on the terminal; the JSON has more


def validation(found: Validation) -> RenderableType:
    """The whole of one validation."""
    from rich.console import Group
    from rich.text import Text

    who = found.judge + (f" on {found.model}" if found.model else "")
    title = f"{who}: {found.data} ({found.data_format}), {found.n} of {found.of} "
    title += "prompts" if found.kind == "ranked" else "pairs"
    parts: list[RenderableType] = [Text(one_line(title), style="bold"), metrics(found.metrics)]
    parts.append(Text(_unscored(found), style="dim"))
    if found.human_agreement:
        parts += [Text("\npeople with each other", style="bold"), metrics(found.human_agreement)]
    if found.annotator_test:
        parts.append(Text(_annotators(found.annotator_test)))
    if found.diagnosis:
        parts += _diagnosis(found.diagnosis)
    if found.fitness:
        parts += _fitness(found.fitness)
    parts += [Text("")] + [Text(line, style="dim") for line in conventions(found.metrics)]
    parts += [Text(f"note: {one_line(note)}", style="yellow") for note in found.notes]
    return Group(*parts)


def metrics(found: Mapping[str, Metric], label: Callable[[str], str] = heading) -> RenderableType:
    """A line a metric, called as ``label`` says: value with interval, and coverage; below, why a
    null is null.
    """
    from rich.console import Group
    from rich.text import Text

    shown = {label(name): m for name, m in found.items()}
    rows = [
        [name, cell(m.name, m.model_dump() | {"n": None}), f"{m.n} of {m.of}"]
        for name, m in shown.items()
    ]
    why = [
        Text(one_line(f"{name}: {m.reason}"), style="dim")
        for name, m in shown.items()
        if m.value is None and m.reason
    ]
    return Group(table(["", "value [low, high]", "coverage"], rows), *why)


def comparison(found: Comparison, names: tuple[str, str]) -> RenderableType:
    """Paired differences, second minus first, and the prompts behind them."""
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = [
        Text(f"B minus A, A = {one_line(names[0])}, B = {one_line(names[1])}", style="bold"),
        metrics(found.metrics),
        Text(f"\nprompts on which they differ most, by {found.by}", style="bold"),
    ]
    rows = [
        [one_line(p.prompt_id), *(NULL if x is None else f"{x:+.2f}" if signed else f"{x:.2f}"
          for x, signed in ((p.first, False), (p.second, False), (p.difference, True),
                            (p.score_difference, False)))]
        for p in found.prompts
    ]  # fmt: skip
    parts.append(table(["prompt", "A", "B", "B minus A", "scores apart"], rows))
    parts += [Text(line, style="dim") for line in conventions(found.metrics)]
    return Group(*parts)


def estimate(found: PredictionPowered) -> RenderableType:
    """A mean by labels alone, by the judge alone, and by both."""
    from rich.console import Group
    from rich.text import Text

    shown = {
        "people's labels alone": found.labels_only,
        "the judge alone": found.judge_only,
        "both (prediction-powered)": found.estimate,
        "bias of the judge": found.bias,
    }
    lines = [f"weight of the judge: {found.tuning:.2f}"]
    if found.worth_labels is not None and found.width_ratio is not None:
        lines.append(
            f"the interval is {found.width_ratio:.2f} times as wide as without the judge: "
            f"{found.estimate.n} labels are worth {found.worth_labels:.0f}"
        )
    rows = [
        [name, cell(m.name, m.model_dump() | {"n": None}), f"{m.n} of {m.of}"]
        for name, m in shown.items()
    ]
    lines += [f"{name}: {m.reason}" for name, m in shown.items() if m.reason]
    notes = [*conventions({found.estimate.name: found.estimate}), *found.notes]
    return Group(
        table(["", "value [low, high]", "coverage"], rows),
        *(Text(line) for line in lines),
        *(Text(line, style="dim") for line in notes),
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> RenderableType:
    """A plain table; what is in it is text, never markup."""
    from rich.table import Table
    from rich.text import Text

    found = Table(box=None, pad_edge=False, header_style="bold")
    for i, name in enumerate(head):
        # A long name takes a second line; a figure is never cut.
        side = {"justify": "right", "no_wrap": True} if i else {"overflow": "fold"}
        found.add_column(Text(name), **side)
    for row in rows:
        found.add_row(*(Text(one_line(text)) for text in row))
    return found


def conventions(found: Mapping[str, Metric]) -> list[str]:
    """What each figure counts; metrics with the same convention share a line."""
    by_text: dict[str, list[str]] = {}
    for name, metric in found.items():
        by_text.setdefault(metric.convention, []).append(heading(name))
    return [f"{', '.join(names)}: {text}" for text, names in by_text.items() if text]


def _unscored(found: Validation) -> str:
    reasons = ", ".join(f"{n} {reason}" for reason, n in sorted(found.unscored.reasons.items()))
    text = f"{found.unscored.n} of {found.unscored.of} judgments unscored"
    return text + (f": {one_line(reasons)}" if reasons else "")


def _annotators(test: Mapping[str, Any]) -> str:
    head = f"\nalternative annotator test (epsilon {test['epsilon']:g}): "
    if test["omega"] is None:
        return head + f"not made, {test['reason']}"
    return head + (
        f"omega {test['omega']:.2f}, rho {test['rho']:.2f}, on {test['n']} of {test['of']} "
        f"annotators; {'passes' if test['passes'] else 'does not pass'}"
    )


def _diagnosis(found: Diagnosis) -> list[RenderableType]:
    from rich.text import Text

    parts: list[RenderableType] = [Text("\nwhere it fails", style="bold"), metrics(found.metrics)]
    if found.categories:
        parts += [Text("\npairwise accuracy by category", style="bold"),
                  metrics(found.categories, str)]  # fmt: skip
    most = max((bar.n for bar in found.histogram), default=0)
    if most:
        parts.append(Text("\nscores of single draws", style="bold"))
        for bar in found.histogram:
            label = f"{bar.low:g}" if bar.low == bar.high else f"{bar.low:g} to {bar.high:g}"
            length = round(BAR * bar.n / most)
            parts.append(Text(f"{label:>12} {'█' * length} {bar.n}"))
    if found.worst:
        rows = [
            [w.prompt_id, f"{w.reversed} of {w.pairs}", str(w.tied), f"{w.margin:.2f}",
             w.human_best, w.judge_best]
            for w in found.worst[:WORST]
        ]  # fmt: skip
        head = [
            "most wrong on prompt",
            "reversed",
            "tied",
            "by points",
            "people's best",
            "its best",
        ]
        parts += [Text(""), table(head, rows)]
    return parts


def _fitness(found: Fitness) -> list[RenderableType]:
    from rich.text import Text

    style = "bold green" if found.fit else "bold red"
    parts: list[RenderableType] = [
        # Its reasons are those of the checks below.
        Text(f"\n{found.verdict.partition(': ')[0]}", style=style)
    ]
    for check in found.checks:
        mark = "ok " if check.passed else "NO " if check.required else "-- "
        parts.append(Text(f"  {mark} {check.reason}"))
    parts += [Text(f"  try: {advice}") for advice in found.advice]
    return parts
