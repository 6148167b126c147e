"""srlm compare: two evaluations on the same samples."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType

    from harness.evaluations_compared import Comparison


def add(commands: Any) -> None:
    """Adds ``compare`` to the command line."""
    command = commands.add_parser(
        "compare",
        help="two evaluations on the same samples: differences, p-values, what could be seen",
        description="Every metric that two evaluation folders of one benchmark share: B minus A by "
        "sample with its interval, samples won and lost, p-values also for all metrics together, "
        "and the drop that would have been seen. Calls no model.",
        epilog="exit codes: 0 done, 1 error, 2 usage, or the two cannot be compared",
    )
    command.add_argument("a", type=Path, metavar="DIR_A", help="the earlier model's evaluation")
    command.add_argument("b", type=Path, metavar="DIR_B", help="the later one's")
    command.add_argument(
        "--alpha", type=float, default=0.05, metavar="SHARE",
        help="1 - confidence of the intervals, and error rate of all together (default: 0.05)",
    )  # fmt: skip
    command.add_argument("--seed", type=int, default=0, metavar="K", help="default: 0")
    command.add_argument("--json", action="store_true", help="one JSON document on stdout")
    command.set_defaults(do=_compare)


def _compare(arguments: argparse.Namespace) -> int:
    from harness.evaluations_compared import compare_evaluations
    from results.errors import UsageError

    if not 0.001 <= arguments.alpha <= 0.5:
        raise UsageError(f"compare: --alpha {arguments.alpha}, expected a share of 0.001 to 0.5")
    if arguments.seed < 0:
        raise UsageError(f"compare: --seed {arguments.seed}, expected a number from 0")
    found = compare_evaluations(arguments.a, arguments.b, arguments.alpha, arguments.seed)
    if arguments.json:
        import json

        document = vars(found) | {"metrics": {m.name: m.document() for m in found.metrics}}
        print(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))
        return 0
    from rich.console import Console

    Console().print(_page(found))
    return 0


def _page(found: Comparison) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    from harness.judge_tables import table
    from results.figures import NULL, cell, heading, number
    from results.text import one_line

    values = [
        [
            heading(m.name),
            number(m.name, m.a),
            number(m.name, m.b),
            cell(m.name, m.difference.model_dump() | {"n": None}),
            f"{m.difference.n} of {m.difference.of}",
        ]
        for m in found.metrics
    ]
    tests = [
        [
            heading(m.name),
            str(m.won),
            str(m.lost),
            f"{m.p:.2g}",
            f"{m.p_adjusted:.2g}",
            NULL if m.detectable is None else number(m.name, m.detectable),
        ]
        for m in found.metrics
    ]
    each = found.alpha / len(found.metrics)
    flipped = [heading(m.name) for m in found.metrics if m.method != "counts"]
    lines = [
        f"{found.benchmark}, by sample; [low, high]: {100 * (1 - found.alpha):g} % interval",
        "p: two-sided, exact McNemar of samples won and lost"
        + (f"; sign flips of samples with one text for {', '.join(flipped)}" if flipped else ""),
        f"p, all: by Holm's step-down for all {len(found.metrics)} metrics together",
        "sees: the smallest true drop that a gate on these metrics together would have found with "
        f"80 % power (one-sided, alpha {found.alpha:g} / {len(found.metrics)} = {each:.2g})",
        *(f"no {heading(name)}: {why}" for name, why in found.left_out.items()),
    ]
    title = f"A = {found.a}, B = {found.b}"
    return Group(
        Text(one_line(title), style="bold"),
        table(["", "A", "B", "B minus A [low, high]", "shared"], values),
        Text(""),
        table(["", "won", "lost", "p", "p, all", "sees"], tests),
        *(Text(one_line(line), style="dim") for line in lines),
    )
