"""srlm judge validate | agreement | compare | estimate."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from benchmarks.human_data import HumanData
    from benchmarks.judge_validation import Conventions, Validation
    from results.records import Value


def add(commands: Any) -> None:
    """Adds ``judge`` and what belongs to it to the command line."""
    judge = commands.add_parser("judge", help="does a judge agree with people?")
    actions = judge.add_subparsers(dest="action", required=True, metavar="ACTION")

    validate = actions.add_parser(
        "validate",
        help="run a judge on human-ranked data",
        description="Runs the judge on human data, prints how it agrees with people, where it "
        "fails, and whether it is fit to judge. The same command again goes on.",
        epilog="settings: judge.draws, judge.orders, judge.max_unscored, engine.OPTION, "
        "budget.max_calls, budget.max_cost, fit.min_accuracy, fit.beat_length, ...; exit codes: "
        "0 fit, 1 error, 2 usage, 3 not fit to judge, 4 too many unscored judgments",
    )
    validate.add_argument(
        "--judge",
        required=True,
        metavar="SPEC",
        help="srlm ls judges, a YAML file, alpaca_eval:NAME, PATH/judge_prompts.jsonl#NAME",
    )
    validate.add_argument("--model", required=True, help="engine:name, such as hf:PATH_OR_ID")
    _data(validate)
    validate.add_argument(
        "--held-out",
        type=float,
        default=1.0,
        metavar="SHARE",
        help="share of the prompts, by a hash of their text (default 1)",
    )
    validate.add_argument("--out", type=Path, help="folder (default: runs/validate-JUDGE-HASH)")
    validate.add_argument("--seed", type=int, default=0)
    validate.add_argument("--plan", action="store_true", help="calls and cost; calls nothing")
    validate.add_argument("overrides", nargs="*", metavar="key.sub=value")
    _conventions(validate)
    validate.set_defaults(do=_validate)

    agreement = actions.add_parser(
        "agreement",
        help="the same metrics from stored judgments, no model",
        description="Judge metrics of stored judgments against human data. Calls nothing.",
    )
    agreement.add_argument("--judgments", type=Path, required=True, metavar="FILE")
    _data(agreement)
    agreement.add_argument(
        "--scale", default="0,5", metavar="LOW,HIGH", help="of the scores (default 0,5)"
    )
    agreement.add_argument("--seed", type=int, default=0, help="of the intervals")
    _conventions(agreement)
    agreement.set_defaults(do=_agreement)

    compare = actions.add_parser(
        "compare",
        help="two validations on the same data",
        description="Paired differences of every metric, B minus A, with intervals.",
    )
    compare.add_argument("a", type=Path, metavar="DIR_A")
    compare.add_argument("b", type=Path, metavar="DIR_B")
    compare.add_argument("--json", action="store_true")
    compare.set_defaults(do=_compare)

    estimate = actions.add_parser(
        "estimate",
        help="a win rate from many verdicts and few human labels",
        description="Prediction-powered estimate: the mean of many judge values corrected by a "
        "small human-labelled part, with an interval that holds when the judge is biased. FILE is "
        'JSONL {"prompt_id", "value"} with values in 0..1, or an evaluation folder of a run. With '
        "--against, the paired difference.",
    )
    estimate.add_argument(
        "--values", type=Path, required=True, metavar="FILE", help="the judge's, for all prompts"
    )
    estimate.add_argument(
        "--human", type=Path, required=True, metavar="FILE", help="people's, for some of them"
    )
    estimate.add_argument("--against", type=Path, metavar="FILE", help="the judge's of the other")
    estimate.add_argument("--human-against", type=Path, metavar="FILE", help="people's of it")
    estimate.add_argument("--metric", default="win_rate", help="in evaluation folders")
    estimate.add_argument(
        "--target",
        choices=("population", "these"),
        default="population",
        help="prompts like these (default), or these prompts alone",
    )
    estimate.add_argument("--seed", type=int, default=0, help="of the intervals")
    estimate.add_argument("--json", action="store_true")
    estimate.set_defaults(do=_estimate)


def _data(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        required=True,
        metavar="FILE",
        help="human rankings or pairwise labels; a hub id for Open Assistant",
    )
    parser.add_argument("--format", metavar="NAME", help="of the data (default: told from it)")
    parser.add_argument("--language", default="en", help="of Open Assistant data; 'all' keeps all")
    parser.add_argument("--all-turns", action="store_true", help="Open Assistant: later turns too")
    parser.add_argument("--limit", type=int, help="prompts or pairs at most")


def _conventions(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--unscored",
        choices=("drop", "wrong", "tie"),
        help="what an unscored judgment is (default: drop for ranked data, wrong for pairwise)",
    )
    parser.add_argument(
        "--annotators",
        choices=("each", "majority"),
        default="each",
        help="several labels of one pair (default each)",
    )
    parser.add_argument(
        "--epsilon",
        type=float,
        default=0.2,
        help="alternative annotator test: what a person is granted (default 0.2)",
    )
    parser.add_argument(
        "--own",
        metavar="NAME",
        help="response id (or its start, NAME-...) of the "
        "judge's own model: self-preference is measured",
    )
    parser.add_argument("--json", action="store_true")


def _read(arguments: argparse.Namespace) -> HumanData:
    from benchmarks.human_data import read_human_data

    language = None if arguments.language == "all" else arguments.language
    return read_human_data(
        arguments.data,
        arguments.format,
        language=language,
        first_turn=not arguments.all_turns,
        limit=None,
    )


def _by(arguments: argparse.Namespace) -> Conventions:
    from benchmarks.judge_validation import Conventions

    return Conventions(
        unscored=arguments.unscored,
        annotators=arguments.annotators,
        epsilon=arguments.epsilon,
        own=arguments.own,
        seed=arguments.seed,
    )


def _validate(arguments: argparse.Namespace) -> int:
    from harness.display import Display
    from harness.validation import Task, plan, validate
    from results.store import RunLock

    task = Task(
        arguments.judge,
        arguments.model,
        _read(arguments),
        arguments.overrides,
        arguments.held_out,
        arguments.limit,
        arguments.seed,
    )
    if arguments.plan:
        from harness.plan import show

        show(plan(task), arguments.json)
        return 0
    folder: Path = arguments.out or task.default_folder()
    with Display() as display, RunLock(folder):
        found = validate(task, folder, display, _by(arguments))
    _print(found, arguments.json)
    print(f"kept in {folder}", file=sys.stderr)
    unscored = found.unscored
    if unscored.of and unscored.n / unscored.of > task.config.judge.max_unscored:
        print(
            f"srlm: {unscored.n} of {unscored.of} judgments are unscored, at most "
            f"{task.config.judge.max_unscored:.0%} may be (judge.max_unscored)",
            file=sys.stderr,
        )
        return 4
    return 0 if found.fitness is None or found.fitness.fit else 3


def _agreement(arguments: argparse.Namespace) -> int:
    from benchmarks.human_data.notes import Notes
    from benchmarks.judge_validation import (
        Validation,
        for_judge,
        measure_pairs,
        measure_ranked,
    )
    from benchmarks.stored_judgments import is_pointwise, pair_judgments, pointwise_judgments
    from harness.validation import described
    from judges.fitness_checks import Criterion

    scale = _scale(arguments.scale)
    data, path, by = _read(arguments), arguments.judgments, _by(arguments)
    notes = Notes(str(path))
    pointwise = is_pointwise(path)
    held = for_judge(data, "pointwise" if pointwise else "pairwise", limit=arguments.limit)
    criterion = Criterion()
    if pointwise:
        known = {(item.id, r.id) for item in held.ranked for r in item.responses}
        judgments = pointwise_judgments(path, known, scale, notes)
        figures, _ = measure_ranked(held.ranked, judgments, scale, 1, by, criterion)
    else:
        verdicts = pair_judgments(path, {pair.id for pair in held.pairs}, notes)
        figures, _ = measure_pairs(held.pairs, verdicts, by, criterion)
    more = figures.pop("notes", [])
    found = Validation(
        judge=path.name,
        judge_spec=None,
        model=None,
        **described(data, held),
        scale=scale if pointwise else None,
        **figures,
        notes=[*held.notes, *notes.lines(), *more],
    )
    _print(found, arguments.json)
    return 0


def _scale(text: str) -> tuple[int, int]:
    from results.errors import UsageError

    try:
        low, high = (int(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--scale {text!r}: expected LOW,HIGH, such as 0,5") from None
    if low >= high:
        raise UsageError(f"--scale {text!r}: expected LOW below HIGH")
    return low, high


def _print(found: Validation, as_json: bool) -> None:
    if as_json:
        print(json.dumps(found.model_dump(mode="json"), indent=2))
        return
    from rich.console import Console

    from harness import judge_tables

    Console(highlight=False).print(judge_tables.validation(found))


def _compare(arguments: argparse.Namespace) -> int:
    from harness.comparison import compare_folders

    found, names = compare_folders(arguments.a, arguments.b)
    if arguments.json:
        document = {"a": names[0], "b": names[1], **found.model_dump(mode="json")}
        print(json.dumps(document, indent=2))
        return 0
    from rich.console import Console

    from harness import judge_tables

    Console(highlight=False).print(judge_tables.comparison(found, names))
    return 0


def _estimate(arguments: argparse.Namespace) -> int:
    from harness.comparison import read_values
    from results.errors import UsageError
    from results.prediction_powered import differences, prediction_powered_mean

    name = arguments.metric
    judged, people = (read_values(p, name) for p in (arguments.values, arguments.human))
    bounds = (0.0, 1.0)
    if (arguments.against is None) != (arguments.human_against is None):
        raise UsageError("--against and --human-against go together; give both or neither")
    if arguments.against is not None:
        others: list[list[Value]] = [
            read_values(p, name) for p in (arguments.against, arguments.human_against)
        ]
        judged, people = differences(name, judged, others[0]), differences(name, people, others[1])
        bounds = (-1.0, 1.0)
    found = prediction_powered_mean(name, judged, people, arguments.target, bounds, arguments.seed)
    if arguments.json:
        print(json.dumps(found.model_dump(mode="json"), indent=2))
        return 0
    from rich.console import Console

    from harness import judge_tables

    Console(highlight=False).print(judge_tables.estimate(found))
    return 0
