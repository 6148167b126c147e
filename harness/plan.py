"""What a run will ask of models before it asks anything: calls, tokens, cost, the first prompts."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from backends.engines.caller import Caller
from backends.engines.engine import Completion, GenerateConfig, Request, Usage
from backends.prices import Price
from backends.tokens import as_messages
from benchmarks.registry import SeedData
from harness.config import Decoding
from harness.evaluation_texts import not_compared
from harness.outside import outside_models
from harness.run import Run
from harness.stages.few_shot import few_shot, instructions
from harness.stages.fitness import calls as judge_check
from harness.stages.prompts import read_prompt_file
from harness.stages.seed import fresh_seed
from harness.stages.self_instruct import SPARE, wanted
from judges.judging import Judge
from judges.pointwise import generate_config, judge_request
from results.cache import CallCache
from results.figures import NULL
from results.text import plain

if TYPE_CHECKING:
    from rich.console import RenderableType

CHARACTERS_A_TOKEN = 4  # of English text; no tokenizer is loaded
WIDEST = 24  # characters of a model's name in the table
SHOWN = 50  # seed examples that stand for the texts which the run will write


@dataclass(frozen=True)
class Step:
    """One stage. Prompt tokens are an estimate, ``completion_tokens`` and ``cost`` what the
    answers can take at most; ``cost`` is null where no price is known.

    ``about``: the number of calls is an estimate. ``seconds``: the least that the limits per
    minute allow, null where none is set.
    """

    model: str
    stage: str
    calls: int
    about: bool
    prompt_tokens: int
    completion_tokens: int
    cost: float | None
    seconds: float | None


@dataclass
class Plan:
    """All steps, and the first prompt of each kind with a word on what it is."""

    steps: list[Step] = field(default_factory=list)
    prompts: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def total(self) -> dict[str, Any]:
        """Sums over the steps; cost null where a part is not known."""
        costs = [step.cost for step in self.steps]
        times = [step.seconds for step in self.steps if step.seconds is not None]
        return {
            "calls": sum(step.calls for step in self.steps),
            "prompt_tokens": sum(step.prompt_tokens for step in self.steps),
            "completion_tokens": sum(step.completion_tokens for step in self.steps),
            "cost": None if None in costs else math.fsum(c for c in costs if c is not None),
            "seconds": math.fsum(times) if times else None,
        }


def plan(run: Run) -> Plan:
    """Plans a run from its configuration and inputs; no model is loaded and none is called.

    The seed data is read and the benchmark is gone through with a model that answers nothing, so
    the evaluations' counts and prompts are those of the run.
    """
    found = Plan()
    data = fresh_seed(run)
    measured = _rehearse(run)
    evaluations = ["M0", *(f"M{k}" for k in range(1, run.config.iterations + 1))]
    if run.config.evaluation.baseline == "sft":
        evaluations.insert(0, "SFT baseline")
    for model in evaluations:
        if model == "M2" and (asked := judge_check(run)):
            decoding = generate_config(run.spec, run.config.seed)
            found.steps.append(_step(run, "M1", "judge check", "judge", asked, decoding))
        if model[1:].isdigit() and int(model[1:]) >= 2:
            _self_reward_step(run, found, int(model[1:]), data)
        for role, requests, config in measured:
            stage = "evaluation" if role == "policy" else "evaluation, judge"
            found.steps.append(_step(run, model, stage, role, requests, config))
    for role, requests, _ in measured:
        name = "evaluation" if role == "policy" else "evaluation, judge"
        if requests:
            found.prompts.setdefault(name, text_of(requests[0]))
    found.notes = _notes(run)
    return found


def _self_reward_step(run: Run, found: Plan, k: int, data: SeedData) -> None:
    config, model = run.config, f"M{k}"
    count = wanted(config.prompts, k)
    shown = instructions(data.ift) or [""]
    if config.prompts.source == "self_instruct":
        texts = few_shot(config.prompts, shown, [], f"{config.seed}:{k}:0")
        found.prompts.setdefault("prompts", text_of(texts))
        calls = math.ceil(count * SPARE)
        asked = _decoding(config.prompts.decoding)
        found.steps.append(_step(run, model, "prompts", "writer", [texts], asked, calls, True))
    else:
        shown = [text for _, text in read_prompt_file(Path(str(config.prompts.path)))]
        count = min(count, len(shown))
    chats = [Request(as_messages(text)) for text in shown[:SHOWN]]
    kind = "candidates" if config.prompts.source == "file" else "candidates (a seed instruction)"
    found.prompts.setdefault(kind, text_of(chats[0]))
    drawn = _decoding(config.candidates.decoding)
    n = count * config.candidates.n
    found.steps.append(_step(run, model, "candidates", "policy", chats, drawn, n, True))
    judged = [judge_request(run.spec, e.prompt, e.completion, 0) for e in data.ift[:SHOWN]]
    found.prompts.setdefault("judgments (of a seed answer)", text_of(judged[0]))
    decoding = generate_config(run.spec, config.seed)
    n *= run.spec.draws
    found.steps.append(_step(run, model, "judgments", "judge", judged, decoding, n, True))


def _step(run: Run, model: str, stage: str, role: str, requests: Sequence[Request],
          config: GenerateConfig, calls: int | None = None,
          about: bool = False) -> Step:  # fmt: skip
    """A step of ``calls`` calls that are like ``requests`` (null: exactly these)."""
    price, options = _engine_of(run, role)
    return step_of(model, stage, requests, config, price, options, calls, about)


def step_of(model: str, stage: str, requests: Sequence[Request], config: GenerateConfig,
            price: Price | None, options: dict[str, Any], calls: int | None = None,
            about: bool = False) -> Step:  # fmt: skip
    """A step of ``calls`` calls that are like ``requests`` (null: exactly these), at ``price``
    (null: not known) through an engine with ``options``.
    """
    n = len(requests) if calls is None else calls
    mean = fmean(len(text_of(r)) for r in requests) / CHARACTERS_A_TOKEN if requests else 0.0
    tokens = Usage(round(n * mean), n * config.max_tokens)
    return Step(
        model,
        stage,
        n,
        about,
        tokens.prompt_tokens,
        tokens.completion_tokens,
        None if price is None else price.of(tokens),
        _least_seconds(options, n, tokens),
    )


def _engine_of(run: Run, role: str) -> tuple[Price | None, dict[str, Any]]:
    """Price and options of who answers: the policy's engine, or that of a model from outside."""
    name, options, model = run.config.engine.name, run.config.engine.options, str(run.base)
    for part in outside_models(run.config):
        if part.role == role:
            name, model, options = part.engine, part.model, part.options
    return run.prices.price(name, model, options), options


def _least_seconds(options: dict[str, Any], calls: int, tokens: Usage) -> float | None:
    limits = {
        "requests_per_minute": calls,
        "tokens_per_minute": tokens.prompt_tokens + tokens.completion_tokens,
    }
    times = [60 * units / options[key] for key, units in limits.items() if options.get(key)]
    return max(times, default=None)


def _decoding(decoding: Decoding) -> GenerateConfig:
    return GenerateConfig(decoding.temperature, decoding.top_p, decoding.max_tokens)


def text_of(request: Request) -> str:
    """What a request says, as one text."""
    if isinstance(request.prompt, str):
        return request.prompt
    return "\n".join(turn.content for turn in request.prompt)


class Silent:
    """An engine that answers nothing and keeps what it was asked."""

    def __init__(self) -> None:
        self.identity = "plan:nothing is called"
        self.startup_seconds = 0.0
        self.asked: list[Request] = []
        self.config = GenerateConfig()

    def plan(self, requests: Sequence[Request]) -> list[list[int]]:
        """One batch of all."""
        return [list(range(len(requests)))] if requests else []

    def generate(
        self, requests: Sequence[Request], seeds: Sequence[int], config: GenerateConfig
    ) -> list[Completion]:
        """Empty answers."""
        self.asked += requests
        self.config = config
        return [Completion("", "stop", Usage(0, 0)) for _ in requests]

    def close(self) -> None:
        """Nothing is held."""


def _rehearse(run: Run) -> list[tuple[str, list[Request], GenerateConfig]]:
    """What one evaluation asks of the policy and of the judge."""
    policy, judge = Silent(), Silent()
    with tempfile.TemporaryDirectory(prefix="srlm-plan-") as name:
        folder = Path(name)
        with CallCache(folder / "calls.sqlite") as cache:
            judging = Judge(run.spec, Caller(judge, cache), run.config.judge.model, False)
            asked = Caller(policy, cache)
            run.benchmark.evaluate(asked, judging, None, folder / "evaluation", run.config.seed)
    return [("policy", policy.asked, policy.config), ("judge", judge.asked, judge.config)]


def _notes(run: Run) -> list[str]:
    lines = [
        f"prompt tokens are estimated at {CHARACTERS_A_TOKEN} characters each; answer tokens and "
        "cost are the most that the settings allow",
        "candidates and judgments are counted as if every prompt were kept and every candidate "
        "judged; a gate that holds ends the run earlier",
    ]
    if run.config.judge.adaptive is not None:
        lines.append("adaptive draws are counted as if all were made: how many are spared, the "
                     "scores decide")  # fmt: skip
    if (line := not_compared(run)) is not None:
        lines.append(line)
    writer = ["writer"] if any(o.role == "writer" for o in outside_models(run.config)) else []
    prices = {role: _engine_of(run, role)[0] for role in ("policy", "judge", *writer)}
    return lines + notes_on_price(prices)


def notes_on_price(prices: Mapping[str, Price | None]) -> list[str]:
    """Whose prices the costs are, by role, and what is said of time."""
    lines = []
    for role, price in prices.items():
        if price is None:
            lines.append(f"no price is known for the {role}'s model: name one in budget.prices")
        else:
            lines.append(f"price of the {role}'s calls: {price.source}")
    lines.append("time is said where a limit per minute is set: the least that it allows")
    return lines


def show(found: Plan, as_json: bool) -> None:
    """Prints the plan."""
    if as_json:
        print(json.dumps({**asdict(found), "total": found.total()}, indent=2))
        return
    from rich.console import Console

    Console().print(to_rich(found))


def to_rich(found: Plan) -> RenderableType:
    """The plan for a terminal: the table, the notes, then each prompt in full."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("model", "stage"):
        table.add_column(name, no_wrap=True)
    timed = any(step.seconds is not None for step in found.steps)
    for name in ("calls", "tokens in", "out <=", "cost <=", *(["time >="] if timed else [])):
        table.add_column(name, justify="right", no_wrap=True)
    for step in found.steps:
        figures = _figures(vars(step), "~" if step.about else "")
        table.add_row(short(step.model), step.stage, *figures[: len(table.columns) - 2])
    total = _figures(found.total(), "~")
    table.add_row("all", "", *total[: len(table.columns) - 2], style="bold")
    parts: list[RenderableType] = [table, *(Text(note, style="dim") for note in found.notes)]
    for kind, text in found.prompts.items():
        parts += [Text(f"\nfirst prompt: {kind}", style="bold"), Text(plain(text))]
    return Group(*parts)


def short(name: str) -> str:
    """A model's name with its end, which tells checkpoints apart; figures keep their room."""
    return name if len(name) <= WIDEST else "..." + name[3 - WIDEST :]


def _figures(row: dict[str, Any], about: str) -> list[str]:
    cost, seconds = row["cost"], row["seconds"]
    return [
        f"{about}{row['calls']:,}",
        f"~{row['prompt_tokens']:,}",
        f"{row['completion_tokens']:,}",
        "unknown" if cost is None else f"${cost:,.2f}",
        NULL if seconds is None else f"{seconds / 60:,.0f} min",
    ]
