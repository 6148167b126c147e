"""srlm eval without a model: the figures of a benchmark from files that hold what a judge said."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    Rows = list[dict[str, Any]]

OVERRIDES = "overrides"
TAKES = {
    "alpaca_eval2": ("annotations", "outputs", "baseline_outputs", OVERRIDES),
    "mt_bench": ("judgments", "baseline"),
    "nlp": ("gsm8k", OVERRIDES),
}
FILES = ("annotations", "outputs", "baseline_outputs", "judgments", "gsm8k")  # never of a model


def from_stored(arguments: argparse.Namespace) -> int:
    """Prints the figures; returns the exit code."""
    from harness.rows import print_rows
    from results.errors import UsageError, did_you_mean

    if arguments.benchmark not in STORED:
        meant = did_you_mean(arguments.benchmark, STORED)
        raise UsageError(
            f"--benchmark {arguments.benchmark!r}: no benchmark with stored files{meant} "
            f"(there are: {', '.join(STORED)}); to evaluate a model, give it: srlm eval MODEL "
            "--benchmark NAME"
        )
    _refuse_others(arguments)
    rows = STORED[arguments.benchmark](arguments)
    print_rows(rows, "json" if arguments.json else arguments.format)
    return 0


def _alpaca_eval2(arguments: argparse.Namespace) -> Rows:
    from benchmarks.alpaca_eval2.stored import LengthControl, rows
    from harness.recipe import checked, read_overrides
    from harness.section import Section
    from results.errors import UsageError

    class Settings(Section):
        control: LengthControl = LengthControl()

    if arguments.annotations is None:
        raise UsageError("eval --benchmark alpaca_eval2 needs --annotations FILE")
    settings = checked(Settings, read_overrides(arguments.overrides), Path("eval"))
    return rows(
        arguments.annotations,
        arguments.outputs,
        arguments.baseline_outputs,
        settings.control,
        arguments.seed,
    )


def _mt_bench(arguments: argparse.Namespace) -> Rows:
    from benchmarks.mt_bench import stored, stored_pairs
    from benchmarks.mt_bench.stored_lines import is_pairwise
    from results.errors import UsageError

    if arguments.judgments is None:
        raise UsageError("eval --benchmark mt_bench needs --judgments FILE")
    if is_pairwise(arguments.judgments):
        return stored_pairs.rows(arguments.judgments, arguments.seed, arguments.baseline)
    if arguments.baseline is not None:
        raise UsageError(
            f"--baseline {arguments.baseline!r}: {arguments.judgments} has judgments of single "
            "answers, expected pairs; leave it out"
        )
    return stored.rows(arguments.judgments, arguments.seed)


def _nlp(arguments: argparse.Namespace) -> Rows:
    from benchmarks.nlp.stored import rows
    from harness.recipe import checked, read_overrides
    from harness.section import Section
    from results.errors import UsageError

    class Settings(Section):
        answers: str | None = None

    if arguments.gsm8k is None:
        raise UsageError("eval --benchmark nlp needs a MODEL, or --gsm8k FILE of stored solutions")
    settings = checked(Settings, read_overrides(arguments.overrides), Path("eval"))
    answers = None if settings.answers is None else Path(settings.answers)
    return rows(arguments.gsm8k, answers, arguments.seed)


def _refuse_others(arguments: argparse.Namespace) -> None:
    """Raises UsageError on a file that the benchmark does not read: it would be passed over."""
    from results.errors import UsageError

    taken = TAKES[arguments.benchmark]
    for option in sorted({option for options in TAKES.values() for option in options}):
        if getattr(arguments, option) and option not in taken:
            names = ", ".join(f"--{name.replace('_', '-')}" for name in taken if name != OVERRIDES)
            shown = arguments.overrides[0] if option == OVERRIDES else f"--{option}"
            raise UsageError(
                f"{shown.replace('_', '-')}: not for --benchmark {arguments.benchmark}, which "
                f"takes {names}; leave it out"
            )


STORED: dict[str, Callable[[argparse.Namespace], Rows]] = {
    "alpaca_eval2": _alpaca_eval2,
    "mt_bench": _mt_bench,
    "nlp": _nlp,
}
