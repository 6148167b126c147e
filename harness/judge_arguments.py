"""The words of srlm judge: actions, options, and what values they take."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Do = Callable[[argparse.Namespace], int]
SEEDS = 2**32


def add(commands: Any, do: Mapping[str, Do]) -> None:
    """Adds ``judge`` to the command line; ``do`` has the function of every action by its name."""
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
        type=_share,
        default=1.0,
        metavar="SHARE",
        help="share of the prompts, by a hash of their text (default 1)",
    )
    validate.add_argument("--out", type=Path, help="folder (default: runs/validate-JUDGE-HASH)")
    validate.add_argument("--seed", type=_seed, default=0, help="of the calls and the intervals")
    validate.add_argument(
        "--other",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="an earlier validation on the same data; the judge is not fit when the best of these "
        "is surely better",
    )
    validate.add_argument("--plan", action="store_true", help="calls and cost; calls nothing")
    validate.add_argument("overrides", nargs="*", metavar="key.sub=value")
    _conventions(validate)
    validate.set_defaults(do=do["validate"])

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
    agreement.add_argument("--seed", type=_seed, default=0, help="of the intervals")
    _conventions(agreement)
    agreement.set_defaults(do=do["agreement"])

    compare = actions.add_parser(
        "compare",
        help="two validations on the same data",
        description="Paired differences of every metric, B minus A, with intervals.",
    )
    compare.add_argument("a", type=Path, metavar="DIR_A")
    compare.add_argument("b", type=Path, metavar="DIR_B")
    compare.add_argument("--json", action="store_true")
    compare.set_defaults(do=do["compare"])

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
    estimate.add_argument("--seed", type=_seed, default=0, help="of the intervals")
    estimate.add_argument("--json", action="store_true")
    estimate.set_defaults(do=do["estimate"])


def _data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        required=True,
        metavar="FILE",
        help="human rankings or pairwise labels; a hub id for Open Assistant",
    )
    parser.add_argument("--format", metavar="NAME", help="of the data (default: told from it)")
    parser.add_argument("--language", default="en", help="of Open Assistant data; 'all' keeps all")
    parser.add_argument("--all-turns", action="store_true", help="Open Assistant: later turns too")
    parser.add_argument("--limit", type=_count, help="prompts or pairs at most")


def _conventions(parser: argparse.ArgumentParser) -> None:
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
        type=_share,
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


def _share(text: str) -> float:
    """A number in 0..1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:  # NaN too
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a number from 0 to 1")
    return value


def _count(text: str) -> int:
    return _whole(text, 1, None)


def _seed(text: str) -> int:
    return _whole(text, 0, SEEDS)


def _whole(text: str, least: int, below: int | None) -> int:
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least or (below is not None and value >= below):
        bound = f"of at least {least}" if below is None else f"from {least} to {below - 1}"
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a whole number {bound}")
    return value
