"""srlm gate: the rules of a gate on figures from files."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType

    from results.records import GateDecision

HELD = 3
METRICS = "metrics.json"


def add(commands: Any) -> None:
    """Adds ``gate`` to the command line."""
    command = commands.add_parser(
        "gate",
        help="decide on a model by rules, from files; or make a run's decisions again",
        description="Applies a file of rules to the figures of a model. FILE is a metrics JSON, an "
        "evaluation folder of a run, AlpacaEval annotations, JSON Lines of "
        '{"prompt_id", "value"} with values in 0..1, or paper:M1, paper:M2, paper:M3, what Yuan '
        "et al. published. With RUN: makes every decision of the run again from its records. Calls "
        "no model.",
        epilog="exit codes: 0 promoted, 1 error, or a decision of RUN comes out otherwise, 2 "
        "usage, 3 held",
    )
    command.add_argument("run", nargs="?", type=Path, metavar="RUN", help="a run folder, alone")
    command.add_argument(
        "--rules", type=Path, metavar="FILE", help="YAML (with paper: the shipped ones)"
    )
    command.add_argument("--candidate", metavar="FILE")
    command.add_argument(
        "--incumbent", metavar="FILE", help="the champion, for improves, no_regression"
    )
    command.add_argument(
        "--sequential",
        action="store_true",
        help="read the values in random order and stop when the decision is sure",
    )
    command.add_argument(
        "--seed", type=int, metavar="K",
        help="of the order, or of the bootstrap; fix it before you look (default: 0)",
    )  # fmt: skip
    command.add_argument(
        "--predictor", type=Path, action="append", default=[], metavar="FILE",
        help="with --sequential: foretells the candidate's values; may be given several times",
    )  # fmt: skip
    command.add_argument(
        "--at-most", type=int, metavar="N", help="with --sequential: values to read"
    )
    command.add_argument("--junit", type=Path, metavar="FILE", help="JUnit XML, one case a rule")
    command.add_argument("--summary", type=Path, metavar="FILE", help="Markdown")
    command.add_argument("--json", action="store_true", help="one JSON document on stdout")
    command.set_defaults(do=_gate)


def _gate(arguments: argparse.Namespace) -> int:
    from results.errors import UsageError

    if arguments.run is not None:
        return _replay(arguments)
    if arguments.candidate is None:
        raise UsageError(
            "gate: expected --rules FILE --candidate FILE, or a run folder whose decisions are "
            "made again"
        )
    _check_reports(arguments)
    decision = _decide(arguments)
    _write(arguments, decision)
    show(decision, arguments.json)
    return 0 if decision.decision == "promote" else HELD


def _check_reports(arguments: argparse.Namespace) -> None:
    """Refuses a report where an input or the other report lies."""
    from results.errors import UsageError

    taken = {Path(p).resolve() for p in (arguments.rules, arguments.candidate, arguments.incumbent,
                                         *arguments.predictor) if p is not None}  # fmt: skip
    for name in ("junit", "summary"):
        path = getattr(arguments, name)
        if path is None:
            continue
        if path.resolve() in taken:
            raise UsageError(f"gate: --{name} {path} is a file of this gate already; name another")
        taken.add(path.resolve())


def _replay(arguments: argparse.Namespace) -> int:
    """The decisions of a run made again."""
    from harness.replay import agreed, replay, show
    from results.errors import UsageError

    for name in ("rules", "candidate", "incumbent", "sequential", "seed", "predictor", "at_most",
                 "junit", "summary"):  # fmt: skip
        value = getattr(arguments, name)
        if value is not None and value is not False and value != []:  # 0 was given, too
            raise UsageError(
                f"gate: --{name.replace('_', '-')} goes with --candidate, and {arguments.run} is a "
                "run whose decisions are made again; leave one of them out"
            )
    found = replay(arguments.run)
    show(found, arguments.json)
    return 0 if agreed(found) else 1


def _decide(arguments: argparse.Namespace) -> GateDecision:
    from harness.gate_files import decide_given, decide_sequentially
    from harness.gate_inputs import read_given
    from harness.paper_gate import is_paper, paper_decision
    from harness.recipe import read_rules
    from results.errors import UsageError

    if not arguments.sequential and (arguments.predictor or arguments.at_most is not None):
        raise UsageError("gate: --predictor and --at-most are for --sequential; add it")
    if arguments.at_most is not None and arguments.at_most < 1:
        raise UsageError(f"gate: --at-most {arguments.at_most}, expected a number from 1")
    if arguments.seed is not None and arguments.seed < 0:
        raise UsageError(f"gate: --seed {arguments.seed}, expected a number from 0")
    seed = arguments.seed or 0
    rules = None
    if arguments.rules is not None:
        rules = read_rules(arguments.rules)
    names = [name for name in (arguments.candidate, arguments.incumbent) if name is not None]
    if any(map(is_paper, names)):
        if arguments.sequential:
            raise UsageError("gate: paper:... has no values per prompt; leave out --sequential")
        if arguments.seed is not None:
            raise UsageError("gate: nothing is drawn of paper:...; leave out --seed")
        return paper_decision(arguments.candidate, arguments.incumbent, rules)
    if rules is None:
        raise UsageError("gate: expected --rules FILE, the rules to apply")
    asked = [rule.metric for rule in rules]
    candidate, *others = (read_given(Path(name), asked) for name in names)
    incumbent = others[0] if others else None
    if not arguments.sequential:
        return decide_given(rules, candidate, incumbent, seed)
    predictors = [read_given(path, asked) for path in arguments.predictor]
    return decide_sequentially(rules, candidate, incumbent, predictors, seed, arguments.at_most)


def _write(arguments: argparse.Namespace, decision: GateDecision) -> None:
    """The reports of a pipeline; nothing else than a decision writes them."""
    from harness.gate_report import write_junit, write_summary

    name = _name(arguments.candidate)
    if arguments.junit is not None:
        write_junit(arguments.junit, decision, name)
    if arguments.summary is not None:
        write_summary(arguments.summary, decision, name)


def _name(candidate: str) -> str:
    """What reports call the candidate: the model that its metrics.json names, else the end of its
    path. Evaluation folders are all called alike.
    """
    from harness.paper_gate import is_paper
    from results.files import read_json

    if is_paper(candidate):
        return candidate
    path = Path(candidate)
    metrics = path / METRICS if path.is_dir() else path
    told = read_json(metrics) if metrics.name == METRICS else None
    model = told.get("model") if isinstance(told, dict) else None
    return model if isinstance(model, str) and model else "/".join(path.parts[-2:])


def show(decision: GateDecision, as_json: bool) -> None:
    """Prints a decision: one JSON document, or a page."""
    if as_json:
        import json

        print(json.dumps(decision.model_dump(), ensure_ascii=False, indent=2))
        return
    from rich.console import Console

    Console().print(_page(decision))


def _page(decision: GateDecision) -> RenderableType:
    """A decision as it is printed: its rules in a table, and what each saw."""
    from rich.console import Group
    from rich.text import Text

    from harness.judge_tables import table
    from results.figures import cell, heading, number
    from results.sequential import GUARANTEE
    from results.text import one_line

    head = ["metric", "rule", "value [low, high]", "read", ""]
    rows = [
        [
            heading(r.metric),
            f"{r.rule} {number(r.metric, r.threshold)}",
            cell(r.metric, {"value": r.value, "low": r.low, "high": r.high}),
            f"{r.n_used} of {r.of}",
            r.outcome or ("passed" if r.passed else "not passed"),
        ]
        for r in decision.rules
    ]
    sequential = any(r.sequential for r in decision.rules)
    unseen = decision.unmeasured
    passed = sum(r.passed for r in decision.rules) - len(unseen)
    title = f"{decision.decision}{', sequential' if sequential else ''}: "
    title += f"{passed} of {len(decision.rules) - len(unseen)} rules passed"
    title += f"; NOT EVALUATED: {', '.join(unseen)}" if unseen else ""
    parts: list[RenderableType] = [Text(title, style="bold"), table(head, rows)]
    parts += [Text(one_line(r.reason), style="dim") for r in decision.rules]
    if sequential:
        parts.append(Text(GUARANTEE, style="dim"))
    return Group(*parts)
