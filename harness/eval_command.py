"""srlm eval: one model on one benchmark, or the figures of stored judgments."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Any

from harness.eval_stored import FILES, from_stored
from harness.formats import FORMATS

SETTING = re.compile(r"[A-Za-z_][\w.]*=")  # how key.sub=value begins
DRAWN = ("rules", "incumbent", "predictor")  # of a gate that is decided prompt by prompt
LIVE = ("judge", "out", "name", "plan", *DRAWN)  # options of a model's evaluation alone


def add(commands: Any) -> None:
    """Adds ``eval`` to the command line."""
    command = commands.add_parser(
        "eval",
        help="one model on one benchmark, or figures from stored judgments",
        description="With MODEL: asks it what the benchmark asks, has it judged, and keeps all in "
        "a folder; the same command again goes on. Without: the figures of AlpacaEval 2.0, "
        "MT-Bench or GSM8K from stored files, one row a model; calls nothing.",
        epilog="exit codes: 0 done or promoted, 1 error, 2 usage, 3 held by --rules, 4 too many "
        "unscored judgments, 130 interrupted. A figure whose files are missing is null, with the "
        "reason.",
    )
    command.add_argument("--benchmark", required=True, metavar="NAME", help="srlm ls benchmarks")
    command.add_argument("--json", action="store_true", help="the same as --format json")
    command.add_argument("--format", choices=FORMATS, default="table")
    command.add_argument("--seed", type=int, default=0, help="of calls and intervals (default: 0)")
    command.add_argument(
        "--baseline",
        metavar="DIR|MODEL",
        help="the opponent's evaluation folder; of stored mt_bench pairs, the model's name",
    )
    command.add_argument(
        "overrides",
        nargs="*",
        metavar="MODEL | key.sub=value",
        help="engine:name, such as hf:PATH_OR_ID; engine.OPTION, options.OPTION of the benchmark, "
        "judge.spec, judge.draws, judge.options.OPTION, judge.max_unscored, budget.max_calls, "
        "budget.max_cost; of stored alpaca_eval2: control.gamed=df_gamed.csv, control.c, "
        "control.coefficients, control.difficulty, control.join, control.rounds",
    )
    live = command.add_argument_group("with MODEL")
    live.add_argument("--judge", metavar="MODEL", help="who judges: engine:name, or self")
    live.add_argument("--out", type=Path, help="folder (default: runs/eval-BENCHMARK-HASH)")
    live.add_argument("--name", help="what tables call the model (default: MODEL)")
    live.add_argument("--plan", action="store_true", help="calls and cost; calls nothing")
    drawn = command.add_argument_group(
        "with MODEL and --rules: asks a few prompts at a time, in random order (--seed), until the "
        "rules are decided"
    )
    drawn.add_argument("--rules", type=Path, metavar="FILE", help="the rules of a gate, YAML")
    drawn.add_argument(
        "--incumbent", type=Path, metavar="FILE",
        help="the champion's evaluation folder, for improves and no_regression",
    )  # fmt: skip
    drawn.add_argument(
        "--predictor", type=Path, action="append", default=[], metavar="FILE",
        help="values of other models that foretell this one's; may be given several times",
    )  # fmt: skip
    drawn.add_argument(
        "--step", type=int, default=8, metavar="N", help="prompts asked at a time (default: 8)"
    )
    stored = command.add_argument_group("from stored files")
    for option, what in (
        ("--annotations", "alpaca_eval2: what a judge said of pairs"),
        ("--outputs", "alpaca_eval2: the model's model_outputs.json"),
        ("--baseline-outputs", "alpaca_eval2: the baseline's"),
        ("--judgments", "mt_bench: FastChat's judgments, of single answers or of pairs"),
        ("--gsm8k", "nlp: models' solutions of GSM8K (answers=FILE: its test.jsonl)"),
    ):  # fmt: skip
        stored.add_argument(option, type=Path, metavar="FILE", help=what)
    stored.add_argument(
        "--bridge",
        metavar="FILE|MODEL",
        help="how far another judge agrees with --annotations: its annotations of the same pairs, "
        "or engine:name, which is asked about a sample (judge.annotator, judge.sample, "
        "judge.options.OPTION; --out, --plan)",
    )
    command.set_defaults(do=_eval)


def _eval(arguments: argparse.Namespace) -> int:
    from results.errors import UsageError

    models = [word for word in arguments.overrides if not SETTING.match(word)]
    arguments.overrides = [word for word in arguments.overrides if SETTING.match(word)]
    if arguments.seed < 0:
        raise UsageError(f"--seed: found {arguments.seed}, expected 0 or more")
    if len(models) > 1:
        raise UsageError(f"eval takes one MODEL, found {len(models)}: {', '.join(models)}")
    if arguments.bridge is not None:
        from harness.bridge_command import bridge

        return bridge(arguments, models)
    if not models:
        _refuse(arguments, LIVE, "goes with a MODEL, and none is given: srlm eval MODEL "
                "--benchmark NAME")  # fmt: skip
        return from_stored(arguments)
    _refuse(arguments, FILES, "is of stored judgments and a MODEL is given; leave one of them out")
    return _live(arguments, models[0])


def _refuse(arguments: argparse.Namespace, options: tuple[str, ...], why: str) -> None:
    from results.errors import UsageError

    for option in options:
        if getattr(arguments, option):
            raise UsageError(f"--{option.replace('_', '-')} {why}")


def _live(arguments: argparse.Namespace, model: str) -> int:
    from harness.display import Display
    from harness.evaluating import Asked, Task, evaluate, plan
    from harness.exit_code import of_unscored
    from harness.plan_table import plan_as_json, show
    from harness.rows import evaluation_row, print_rows
    from results.errors import UsageError
    from results.store import RunLock

    baseline = None if arguments.baseline is None else Path(arguments.baseline)
    asked = Asked(
        model, arguments.benchmark, arguments.judge, baseline, arguments.name, arguments.seed
    )
    task = Task(asked, arguments.overrides)
    if arguments.rules is not None:
        return _drawn(arguments, task)
    for option in DRAWN[1:]:
        if getattr(arguments, option):
            raise UsageError(f"--{option}: is for --rules FILE; give that too, or leave it out")
    if arguments.plan:
        show(plan(task), plan_as_json(arguments))
        return 0
    folder: Path = arguments.out or task.default_folder()
    with Display() as display, RunLock(folder):
        found = evaluate(task, folder, display)
    print_rows([evaluation_row(folder)], "json" if arguments.json else arguments.format)
    print(f"kept in {folder}", file=sys.stderr)
    return of_unscored(found.unscored, task.config.judge.max_unscored, folder=folder)


def _drawn(arguments: argparse.Namespace, task: Any) -> int:
    """A gate on the model, decided prompt by prompt."""
    from harness.display import Display
    from harness.drawing import Asked, check, draw
    from harness.exit_code import of_unscored
    from harness.gate_command import HELD, show
    from harness.gate_inputs import read_given
    from harness.recipe import read_rules
    from results.errors import UsageError
    from results.store import RunLock

    if arguments.plan:
        raise UsageError("--plan: leave out --rules to see what the whole evaluation asks at most")
    if arguments.step < 1:
        raise UsageError(f"--step: found {arguments.step}, expected 1 or more")
    rules = read_rules(arguments.rules)
    names = [rule.metric for rule in rules]
    incumbent = None if arguments.incumbent is None else read_given(arguments.incumbent, names)
    predictors = [read_given(path, names) for path in arguments.predictor]
    asked = Asked(rules, incumbent, predictors, arguments.seed, arguments.step)
    check(task.benchmark, asked)
    folder: Path = arguments.out or task.default_folder()
    with Display() as display, RunLock(folder):
        decision, missing = draw(task, asked, folder, display)
    show(decision, arguments.json)
    print(f"kept in {folder}", file=sys.stderr)
    if code := of_unscored(missing, task.config.judge.max_unscored):
        return code
    return 0 if decision.decision == "promote" else HELD
