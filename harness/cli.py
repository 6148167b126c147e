"""The command line. Everything heavy is imported where a command needs it."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import (
    compare_command,
    data_command,
    eval_command,
    export_command,
    gate_command,
    judge_commands,
    monitor_command,
)
from harness.formats import FORMATS
from harness.guard import shadowed
from harness.head_to_head import command as head_to_head_command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.config import RunConfig

KINDS = ("recipes", "judges", "benchmarks", "engines", "trainers", "sources")


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog="srlm",
        description="Train with self-rewards behind evaluation gates: run the loop, judge the "
        "judge, publish the table.",
    )
    top.add_argument("--version", action="version", version=f"srlm {_version()}")
    top.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    run = commands.add_parser(
        "run",
        help="run or resume the loop",
        description="Runs the loop of a recipe. The same command again resumes.",
        epilog="exit codes: 0 promoted, 1 error, 2 usage, 3 a gate held or stopped the run, "
        "4 too many unscored judgments, 130 interrupted, 143 terminated; with --smoke 0 all stages "
        "were gone through, 3 something would have failed on the full run, 1 something broke",
    )
    run.add_argument("recipe", help="a shipped recipe (srlm ls recipes) or a YAML file")
    run.add_argument("overrides", nargs="*", metavar="key.sub=value", help="change a setting")
    run.add_argument(
        "--out",
        type=Path,
        help="run folder (default: runs/RECIPE, with overrides runs/RECIPE-HASH)",
    )
    run.add_argument(
        "--smoke",
        action="store_true",
        help="try every stage at a small scale in runs/NAME-smoke; says what the full run takes",
    )
    run.add_argument("--json", action="store_true", help="the final table as JSON on stdout")
    run.set_defaults(do=_run)

    plan = commands.add_parser(
        "plan",
        help="what a run will ask, take and cost; calls nothing",
        description="Stages, calls, tokens, cost, device hours, disk and the first prompt of each "
        "kind. Calls nothing and fetches nothing.",
    )
    plan.add_argument("recipe", help="a shipped recipe (srlm ls recipes) or a YAML file")
    plan.add_argument("overrides", nargs="*", metavar="key.sub=value", help="change a setting")
    plan.add_argument("--json", action="store_true")
    plan.set_defaults(do=_plan)

    again = commands.add_parser(
        "retry",
        help="make failed and unscored calls again",
        description="Makes the failed calls of a run's last iteration again, and asks once more "
        "where a judgment did not parse; only that. Then srlm run goes on.",
        epilog="exit codes: 0 done, 1 error, 2 usage, 4 too many judgments are still unscored",
    )
    again.add_argument("run", type=Path, metavar="RUN", help="a run folder")
    again.add_argument("--failed", action="store_true", required=True, help="what has no answer")
    again.set_defaults(do=_retry)

    judge_commands.add(commands)

    monitor_command.add(commands)

    gate_command.add(commands)

    eval_command.add(commands)

    compare_command.add(commands)

    head_to_head_command.add(commands)

    data_command.add(commands)

    export_command.add(commands)

    board = commands.add_parser(
        "leaderboard",
        help="tables from runs, evaluations and published figures",
        description="One table for each benchmark, judge, baseline and n; rows of different ones "
        "are never ranked together.",
    )
    board.add_argument(
        "paths", nargs="*", type=Path, metavar="DIR", help="run and evaluation folders"
    )
    board.add_argument(
        "--reference", action="append", default=[], metavar="NAME",
        help="published rows beside them: alpaca_eval2, mt_bench, self_rewarding",
    )  # fmt: skip
    board.add_argument(
        "--rank", metavar="METRIC", help="sort by it; ranks with bootstrap intervals"
    )
    board.add_argument("--format", choices=FORMATS, default="table")
    board.add_argument("--json", action="store_true", help="the same as --format json")
    board.set_defaults(do=_leaderboard)

    config = commands.add_parser("config", help="show a recipe's settings and their origins")
    shows = config.add_subparsers(dest="action", required=True, metavar="ACTION")
    show = shows.add_parser("show", help="every setting, its value and where it comes from")
    show.add_argument("recipe")
    show.add_argument("overrides", nargs="*", metavar="key.sub=value")
    show.add_argument("--json", action="store_true")
    show.set_defaults(do=_config_show)

    ls = commands.add_parser("ls", help="list what there is")
    ls.add_argument("kind", choices=KINDS)
    ls.add_argument("--json", action="store_true")
    ls.set_defaults(do=_ls)
    return top


def _version() -> str:
    try:
        return version("srlm")
    except PackageNotFoundError:  # run from a copy of the files
        return "(not installed)"


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Argparse takes positional words in one piece; overrides may also stand after options."""
    top = parser()
    arguments, rest = top.parse_known_args(argv)
    words = getattr(arguments, "command", "") == "eval"  # a MODEL may stand last, too
    if rest and not (
        hasattr(arguments, "overrides")
        and all(_is_override(w) or (words and not w.startswith("-")) for w in rest)
    ):
        top.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:
        arguments.overrides = [*arguments.overrides, *rest]
    return arguments


def _is_override(word: str) -> bool:
    return "=" in word and not word.startswith("-")


class _Terminated(BaseException):
    """SIGTERM came. Not an Exception, as KeyboardInterrupt is none: nobody on the way keeps it."""


def _terminated(*_: object) -> None:
    raise _Terminated


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    problem = shadowed()
    if problem:
        print(problem, file=sys.stderr)
        return 1
    arguments = _parse(argv)
    from results.errors import SrlmError

    # Whoever ignores the signal or handles it, nohup or a host program, keeps it that way.
    ours = threading.current_thread() is threading.main_thread() and (
        signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    )
    if ours:
        signal.signal(signal.SIGTERM, _terminated)
    try:
        code: int = arguments.do(arguments)
        return code
    except SrlmError as error:
        if arguments.debug:
            raise
        from results.text import one_line

        print(f"srlm: {one_line(str(error))}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("srlm: interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    except _Terminated:
        print("srlm: terminated; the same command goes on from here", file=sys.stderr)
        return 128 + signal.SIGTERM
    except BrokenPipeError:
        return 1
    except Exception as error:
        if arguments.debug:
            raise
        text = " ".join(str(error).split())
        print(
            f"srlm: {type(error).__name__}: {text} (an error that srlm did not foresee: "
            "--debug before the command shows where)",
            file=sys.stderr,
        )
        return 1
    finally:
        if ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _run(arguments: argparse.Namespace) -> int:
    from harness.recipe import load_recipe

    loaded = load_recipe(arguments.recipe, arguments.overrides)
    folder: Path = arguments.out or loaded.default_folder

    from harness.alarms.measuring import kept_alarms, lines, statements
    from harness.display import Display
    from harness.loop import loop
    from harness.resolve import resolve
    from harness.rows import print_rows
    from harness.run import Run
    from results.store import RunLock

    config = resolve(loaded.config)
    if arguments.smoke:
        return _smoke(config, arguments.out or folder.with_name(f"{folder.name}-smoke"), arguments)
    with Display() as display, RunLock(folder):
        run = Run.open(config, folder, display)
        try:
            outcome = loop(run)
        finally:
            run.close()
        display.note("")
        print_rows(outcome.rows, "json" if arguments.json else "table")
        raised = kept_alarms(folder)
        for line in lines(raised) if raised else statements(config.alarms, []):
            display.note(line)
        display.note(outcome.message)
        display.note(f"run folder: {folder}")
        display.note(display.clock.split())
    return outcome.exit_code


def _smoke(config: RunConfig, folder: Path, arguments: argparse.Namespace) -> int:
    from harness.display import Display
    from harness.smoke.command import smoke
    from harness.smoke.report import show

    with Display() as display:
        report = smoke(config, folder, display)
        display.note("")
    show(report, arguments.json)
    return report.exit_code


def _retry(arguments: argparse.Namespace) -> int:
    from harness.display import Display
    from harness.recipe import load_recipe
    from harness.retry import left_alone, retry
    from harness.run import Run
    from results.errors import UsageError
    from results.store import RunLock

    folder: Path = arguments.run
    if not (folder / "config.yaml").is_file():
        raise UsageError(f"{folder}: not a run folder (no config.yaml); give runs/NAME")
    if any(folder.glob("*.jsonl*")):  # those of a run are in folders of their own
        raise UsageError(
            f"{folder}: not of srlm run, but of srlm judge validate or srlm eval; the command that "
            "made it makes its failed calls again"
        )
    config = load_recipe(str(folder / "config.yaml"), []).config
    with Display() as display, RunLock(folder):
        run = Run.open(config, folder, display)
        try:
            found = retry(run)
            others = left_alone(run)
        finally:
            run.keep_spent()
            run.close()
        if found.where is None:
            display.note("nothing failed and nothing is unscored in the last iteration")
        else:
            display.note(f"{found.where}: {found.of} made again, {found.left} without an answer")
            display.note("the run goes on with the srlm run command that began it")
        if others:
            display.note(others)
    return 0


def _plan(arguments: argparse.Namespace) -> int:
    from harness.display import Display
    from harness.plan import plan
    from harness.plan_inputs import open_inputs
    from harness.plan_table import show
    from harness.recipe import load_recipe
    from harness.resolve import resolve

    loaded = load_recipe(arguments.recipe, arguments.overrides)
    with Display() as display:
        found = plan(open_inputs(resolve(loaded.config), loaded.default_folder, display))
    show(found, arguments.json)
    return 0


def _leaderboard(arguments: argparse.Namespace) -> int:
    from harness.rows import print_rows, rank_rows, rows_of
    from results.errors import UsageError

    if not arguments.paths and not arguments.reference:
        raise UsageError("leaderboard: nothing to show; give a run folder or --reference NAME")
    rows = rows_of(arguments.paths, arguments.reference)
    if arguments.rank is not None:
        rows = rank_rows(rows, arguments.rank)
    print_rows(rows, "json" if arguments.json else arguments.format)
    return 0


def _config_show(arguments: argparse.Namespace) -> int:
    from harness.recipe import flatten, load_recipe
    from harness.resolve import resolve

    loaded = load_recipe(arguments.recipe, arguments.overrides)
    values = flatten(resolve(loaded.config).model_dump(mode="json"))
    _print_list(
        [
            {"key": key, "value": value, "origin": loaded.origins.get(key, "default")}
            for key, value in values.items()
        ],
        arguments.json,
    )
    return 0


def _ls(arguments: argparse.Namespace) -> int:
    _print_list([{"name": n, "what": what} for n, what in _listing(arguments.kind)], arguments.json)
    return 0


def _listing(kind: str) -> list[tuple[str, str]]:
    if kind == "recipes":
        from harness.recipe import descriptions

        return list(descriptions().items())
    if kind == "judges":
        from judges.spec import list_specs

        return list(list_specs().items())
    from backends.registry import ENGINES, TRAINERS
    from benchmarks.registry import BENCHMARKS, SOURCES

    tables = {
        "engines": ENGINES,
        "trainers": TRAINERS,
        "benchmarks": BENCHMARKS,
        "sources": SOURCES,
    }
    return sorted(tables[kind].names().items())


def _print_list(rows: list[dict[str, Any]], as_json: bool) -> None:
    import json

    if as_json:
        print(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for name in rows[0] if rows else ():
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(v if isinstance(v, str) else json.dumps(v)) for v in row.values()))
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
