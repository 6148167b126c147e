"""What a run will take before it asks anything: calls, tokens, cost, hours, disk, first prompts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from backends.engines.engine import GenerateConfig, Request, Usage
from backends.prices import Price
from backends.tokens import as_messages
from benchmarks.benchmark import Benchmark
from benchmarks.registry import SeedData
from harness.attempts import check_changes
from harness.calling import check_price
from harness.compute import (
    DPO,
    FORWARD,
    GENERATION,
    SERVED,
    SFT,
    TRAINING,
    Disk,
    device_hours,
    disk_of,
    epochs_of,
    parameters_of,
    size_of,
)
from harness.config import Decoding, RunConfig
from harness.error_budget import error_budget
from harness.evaluation_texts import not_compared
from harness.outside import all_models, outside_models
from harness.plan_inputs import Absent, Inputs
from harness.plan_notes import notes_on_hours, notes_on_retries
from harness.rehearsal import rehearse
from harness.rows import BASELINES
from harness.run import Run
from harness.stages.alarms import check_alarms
from harness.stages.audit import check_audit
from harness.stages.audit_labels import audit_spec
from harness.stages.bootstrap import ANSWERS_EACH, chosen
from harness.stages.eft import check_eft, eft_spec
from harness.stages.few_shot import few_shot, instructions
from harness.stages.fitness import calls as judge_check
from harness.stages.gate import check_rules
from harness.stages.pairs import check_counts
from harness.stages.prompts import check_shots, most_prompts, next_of_file, read_prompt_file
from harness.stages.self_instruct import SPARE
from judges.judging import Response, ranked_responses
from judges.pairwise import JudgedPair, pair_request
from judges.pointwise import generate_config, judge_request, prompt_text
from results.records import Example

CHARACTERS_A_TOKEN = 4  # of English text; no tokenizer is loaded
SHOWN = 50  # seed examples that stand for the texts which the run will write


@dataclass(frozen=True)
class Step:
    """One stage. Prompt tokens are an estimate, ``completion_tokens`` and ``cost`` what the
    answers can take at most; ``cost`` is null where no price is known.

    ``about``: the number of calls is an estimate. ``seconds``: the least that the limits per
    minute allow, null where none is set. ``trained_tokens``: of a training step, over all epochs.
    ``device_hours``: of one device at the shares of its peak that ``harness.compute`` names, null
    where parameters or peak are not known.
    """

    model: str
    stage: str
    calls: int
    about: bool
    prompt_tokens: int
    completion_tokens: int
    cost: float | None
    seconds: float | None
    trained_tokens: int = 0
    device_hours: float | None = None


@dataclass
class Plan:
    """All steps, the first prompt of each kind with a word on what it is, and the room that the
    run needs on the disk (null: no run of the loop).
    """

    steps: list[Step] = field(default_factory=list)
    prompts: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    disk: Disk | None = None

    def total(self) -> dict[str, Any]:
        """Sums over the steps; cost and hours null where a part is not known."""
        costs = [step.cost for step in self.steps]
        times = [step.seconds for step in self.steps if step.seconds is not None]
        hours = [step.device_hours for step in self.steps]
        return {
            "calls": sum(step.calls for step in self.steps),
            "prompt_tokens": sum(step.prompt_tokens for step in self.steps),
            "completion_tokens": sum(step.completion_tokens for step in self.steps),
            "cost": None if None in costs else math.fsum(c for c in costs if c is not None),
            "seconds": math.fsum(times) if times else None,
            "trained_tokens": sum(step.trained_tokens for step in self.steps),
            "device_hours": None if None in hours else math.fsum(h for h in hours if h is not None),
        }


def plan(inputs: Inputs) -> Plan:
    """Plans a run from its configuration and inputs; no model is loaded and none is called.

    The seed data is read and the benchmark is gone through with a model that answers nothing, so
    the evaluations' counts and prompts are those of the run.
    """
    found, run, data = Plan(), inputs.run, inputs.data
    _check(inputs)
    measured = _measured("evaluation", run.benchmark, run)
    parts = {part: _measured(part, other, run) for part, other in run.beside.items()}
    beside = [one for asked in parts.values() for one in asked]
    uncounted = [
        f"evaluation.beside.{part} asks its model otherwise than by calls: not counted here"
        for part, asked in parts.items() if not asked
    ]  # fmt: skip
    evaluations = ["M0", *(f"M{k}" for k in range(1, run.config.iterations + 1))]
    if run.config.evaluation.baseline == "sft":
        evaluations.insert(0, "SFT baseline")
    elif run.config.data.eft != "source":
        found.steps.append(_sft_step(run.config, "SFT baseline", data.ift))
    for model in evaluations:
        if model == "M1":
            _seed_steps(run, found, data)
        if model == "M2" and (asked := judge_check(run)):
            decoding = generate_config(run.spec, run.config.seed)
            found.steps.append(_step(run, "M1", "judge check", "judge", asked, decoding))
        if model[1:].isdigit() and int(model[1:]) >= 2:
            _self_reward_step(run, found, int(model[1:]), data)
        elif model == "SFT baseline" or (model == "M1" and run.config.start == "base"):
            examples = data.ift if model == "SFT baseline" else [*data.ift, *data.eft]
            found.steps.append(_sft_step(run.config, model, examples))
        # Beside the main benchmark the opponent and the iterations are measured, as in the loop.
        opponent = BASELINES.get(run.config.evaluation.baseline)
        also = beside if model == opponent or model not in BASELINES.values() else []
        for stage, role, requests, config in [*measured, *also]:
            found.steps.append(_step(run, model, stage, role, requests, config))
    for stage, _, requests, _ in [*measured, *beside]:
        found.prompts.setdefault(stage, text_of(requests[0]))
    if not inputs.real:
        found.prompts.clear()
    total = found.total()
    models = sum(step.stage == "training" for step in found.steps)
    size = size_of(run.config.model)
    found.disk = disk_of(models, size, total["calls"], total["completion_tokens"])
    found.notes = [
        *inputs.notes,
        *uncounted,
        *_notes(run),
        *notes_on_retries(run.config, found.steps),
        *notes_on_hours(run.config, total["device_hours"], found.disk),
    ]
    return found


def _measured(
    stage: str, benchmark: Benchmark, run: Run
) -> list[tuple[str, str, Sequence[Request], GenerateConfig]]:
    """Stage, role, requests and decoding of each model that a benchmark asks something."""
    gone = rehearse(benchmark, run.spec, None, run.config.seed)
    parts = [(stage, "policy", gone.model, gone.model_config),
             (f"{stage}, judge", "judge", gone.judge, gone.judge_config)]  # fmt: skip
    return [part for part in parts if part[2]]


def _check(inputs: Inputs) -> None:
    """Refuses what the run refuses, as far as it can be told from what is here."""
    run = inputs.run
    for part in all_models(run.config, run.base):
        check_price(run.config.budget, run.prices, part.engine, part.model, part.options)
    if not isinstance(run.benchmark, Absent):
        check_rules(run.config.gate.rules, run.benchmark, run.opponent is not None, run.beside)
        check_alarms(run)
        check_audit(run)
    check_counts(run)
    error_budget(run.config)
    check_changes(run)
    check_eft(run, inputs.data)
    if inputs.real:
        check_shots(run, inputs.data.ift)


def _seed_steps(run: Run, found: Plan, data: SeedData) -> None:
    """What the SFT baseline is asked before M1 is trained, where EFT is made in the run."""
    kind, spec, responses = run.config.data.eft, eft_spec(run), ranked_responses(data.ranked)
    if kind == "source":
        return
    calls, about = len(responses) * spec.draws, kind == "bootstrap"
    if about:
        shown = [data.ift[place] for place in chosen(run, len(data.ift))]
        chats = [Request(as_messages(example.prompt)) for example in shown[:SHOWN]]
        drawn, n = _decoding(run.config.candidates.decoding), len(shown)
        step = _step(run, "SFT baseline", "seed, answers", "policy", chats, drawn, n, True)
        found.steps.append(step)
        responses = [Response(e.id, e.prompt, "human", e.completion) for e in shown]
        calls = n * ANSWERS_EACH * spec.draws
    judged = [
        judge_request(spec, r.prompt, r.text, 0, r.reference)
        for r in (responses[:SHOWN] if about else responses)
    ]
    found.prompts["seed, judge"] = text_of(judged[0])
    config = generate_config(spec, run.config.seed)
    asked = (judged, config, calls, about, spec.draws)
    step = _step(run, "SFT baseline", "seed, judge", "policy", *asked)
    found.steps.append(step)


def _self_reward_step(run: Run, found: Plan, k: int, data: SeedData) -> None:
    config, model = run.config, f"M{k}"
    count = most_prompts(config.prompts, k)
    shown = instructions(data.ift) or [""]
    if config.prompts.source == "self_instruct":
        texts = few_shot(config.prompts, shown, [], f"{config.seed}:{k}:0")
        found.prompts.setdefault("prompts", text_of(texts))
        calls = math.ceil(count * SPARE)
        asked = _decoding(config.prompts.decoding)
        found.steps.append(_step(run, model, "prompts", "writer", [texts], asked, calls, True))
    elif (path := Path(str(config.prompts.path))).exists():
        shown = [text for _, text in next_of_file(config.prompts, k, read_prompt_file(path))]
    chats = [Request(as_messages(text)) for text in shown[:SHOWN]]
    kind = "candidates" if config.prompts.source == "file" else "candidates (a seed instruction)"
    found.prompts.setdefault(kind, text_of(chats[0]))
    drawn = _decoding(config.candidates.decoding)
    each = config.candidates.n
    n = count * each
    found.steps.append(_step(run, model, "candidates", "policy", chats, drawn, n, True, each))
    judged = [judge_request(run.spec, e.prompt, e.completion, 0) for e in data.ift[:SHOWN]]
    found.prompts.setdefault("judgments (of a seed answer)", text_of(judged[0]))
    decoding = generate_config(run.spec, config.seed)
    each = run.spec.draws
    n *= each
    found.steps.append(_step(run, model, "judgments", "judge", judged, decoding, n, True, each))
    _audit_step(run, found, model, count, data)
    found.steps.append(_dpo_step(config, model, count, chats))


def _audit_step(run: Run, found: Plan, model: str, count: int, data: SeedData) -> None:
    """What a judge from outside is asked of the pairs, of which every prompt may give one."""
    audit = run.config.audit
    spec = None if audit is None else audit_spec(audit)
    if audit is None or spec is None:
        return
    pairs = [JudgedPair(e.id, e.prompt, e.completion, e.completion) for e in data.ift[:SHOWN]]
    shown = [pair_request(spec, pair, "AB", 0) for pair in pairs]
    found.prompts.setdefault("audit (a seed answer twice)", text_of(shown[0]))
    decoding, n = generate_config(spec, run.config.seed), 2 * spec.draws * min(audit.size, count)
    found.steps.append(_step(run, model, "audit", "auditor", shown, decoding, n, True))


def _sft_step(config: RunConfig, model: str, examples: Sequence[Example]) -> Step:
    characters = sum(len(prompt_text(e.prompt)) + len(e.completion) for e in examples)
    tokens = characters / CHARACTERS_A_TOKEN * epochs_of(config.sft.settings)
    return _training(config, model, tokens, SFT)


def _dpo_step(config: RunConfig, model: str, pairs: int, chats: Sequence[Request]) -> Step:
    """At most: every prompt gives a pair, and both its answers are as long as they may be."""
    each = fmean(len(text_of(r)) for r in chats) / CHARACTERS_A_TOKEN
    each += config.candidates.decoding.max_tokens
    longest = config.dpo.settings.get("max_length", each)
    tokens = 2 * pairs * min(each, longest) * epochs_of(config.dpo.settings)
    return _training(config, model, tokens, DPO)


def _training(config: RunConfig, model: str, tokens: float, operations: int) -> Step:
    parameters = size_of(config.model).parameters
    hours = device_hours(operations, parameters, tokens, config.hardware, TRAINING)
    return Step(model, "training", 0, True, 0, 0, 0.0, None, round(tokens), hours)


def _step(run: Run, model: str, stage: str, role: str, requests: Sequence[Request],
          config: GenerateConfig, calls: int | None = None, about: bool = False,
          draws: int = 1) -> Step:  # fmt: skip
    """A step of ``calls`` calls that are like ``requests``, so many ``draws`` of each prompt (null:
    exactly these).
    """
    engine, name, options = _model_of(run, role)
    price = run.prices.price(engine, name, options)
    step = step_of(model, stage, requests, config, price, options, calls, about, draws)
    ours = (engine, name) == (run.config.engine.name, str(run.base)) and engine not in SERVED
    hardware = run.config.hardware
    others = None if ours else parameters_of(engine, name, hardware)
    parameters = size_of(run.config.model).parameters if ours else others
    tokens = step.prompt_tokens + step.completion_tokens
    hours = device_hours(FORWARD, parameters, tokens, hardware, GENERATION)
    return replace(step, device_hours=0.0 if parameters == 0 else hours)


def step_of(model: str, stage: str, requests: Sequence[Request], config: GenerateConfig,
            price: Price | None, options: dict[str, Any], calls: int | None = None,
            about: bool = False, draws: int = 1) -> Step:  # fmt: skip
    """A step of ``calls`` calls that are like ``requests``, so many ``draws`` of each prompt (null:
    exactly these), at ``price`` (null: not known) through an engine with ``options``.
    """
    n = len(requests) if calls is None else calls
    mean = fmean(len(text_of(r)) for r in requests) / CHARACTERS_A_TOKEN if requests else 0.0
    tokens = Usage(round(n * mean), n * config.max_tokens)
    each = Counter(r.prompt for r in requests).values() if calls is None else [draws] * (n // draws)
    sent = sum(math.ceil(k / options.get("draws_per_request", 1)) for k in each)
    return Step(
        model,
        stage,
        n,
        about,
        tokens.prompt_tokens,
        tokens.completion_tokens,
        None if price is None else price.of(tokens),
        _least_seconds(options, sent, Usage(round(sent * mean), tokens.completion_tokens)),
    )


def _model_of(run: Run, role: str) -> tuple[str, str, dict[str, Any]]:
    """Engine, model and options of who answers: the policy, or a model from outside."""
    models = {part.role: part for part in all_models(run.config, run.base)}
    part = models.get(role, models["policy"])
    return part.engine, part.model, part.options


def _least_seconds(options: dict[str, Any], requests: int, tokens: Usage) -> float | None:
    """What the limits per minute allow; a batch has none."""
    if options.get("batch"):
        return None
    limits = {
        "requests_per_minute": requests,
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


def notes_on_counts(run: Run) -> list[str]:
    """What the numbers of calls assume."""
    ends = "; a gate that holds ends the run earlier"
    lines = [
        "candidates and judgments are counted as if every prompt were kept and every candidate "
        f"judged{ends if run.config.gate.on_hold in ('stop', 'ask') else ''}",
    ]
    if run.config.judge.adaptive is not None:
        lines.append("adaptive draws are counted as if all were made: how many are spared, the "
                     "scores decide")  # fmt: skip
    audit = run.config.audit
    if audit is not None and audit.by == "people" and run.config.iterations > 1:
        lines.append(f"each training from M2 on waits until people have labelled {audit.size} "
                     "pairs (audit)")  # fmt: skip
    if (line := not_compared(run)) is not None:
        lines.append(line)
    return lines


def _notes(run: Run) -> list[str]:
    lines = [
        f"prompt tokens are estimated at {CHARACTERS_A_TOKEN} characters each; answer tokens and "
        "cost are the most that the settings allow",
        *notes_on_counts(run),
    ]
    if run.config.data.eft != "source":
        lines.append("the EFT that the SFT baseline's judgments will give is not in M1's training")
    others = [o.role for o in outside_models(run.config) if o.role != "judge"]
    prices = {
        role: run.prices.price(*_model_of(run, role)) for role in ("policy", "judge", *others)
    }
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
