"""What a comparison will ask and cost; calls nothing."""

from __future__ import annotations

from pathlib import Path

from backends.engines.caller import Caller
from backends.engines.engine import GenerateConfig, Request
from benchmarks.head_to_head.sides import Side, matched
from benchmarks.head_to_head.verdicts import judged
from harness.called import Called
from harness.head_to_head.task import Task
from harness.plan import Plan, notes_on_price, step_of, text_of
from harness.rehearsal import asked_in_silence
from judges.judging import Judge
from results.records import Message


def plan(task: Task) -> Plan:
    """The answers of sides that are models, and the judgments. What a model will answer is not
    known: its answers count as different from the other side's and as no longer than a word.
    """
    found, how = Plan(), task.config.decoding
    decoding = GenerateConfig(how.temperature, how.top_p, how.max_tokens, (), task.config.seed)
    sides: list[Side] = []
    prices = {}
    for word, side in zip(("A", "B"), task.sides, strict=True):
        if isinstance(side, Side):
            sides.append(side)
            continue
        asked = [Request((Message(role="user", content=item.prompt),)) for item in task.items]
        step = step_of(side.name, f"answers, {word}", asked, decoding, side.price, side.options)
        found.steps.append(step)
        found.prompts[f"answers, {word}"] = text_of(asked[0])
        prices[word] = side.price
        answers: dict[str, str | None] = {item.id: word for item in task.items}
        sides.append(Side(side.name, list(task.items), answers))
    if task.judge is not None:
        _add_judge(task, task.judge, sides, found)
        prices["judge"] = task.judge.price
    found.notes = notes_on_price(prices)
    return found


def _add_judge(task: Task, called: Called, sides: list[Side], found: Plan) -> None:
    spec, seed = task.spec, task.config.seed
    assert spec is not None  # there is a judge
    matches = matched(sides[0], sides[1])

    def ask(caller: Caller, folder: Path) -> None:
        judged(Judge(spec, caller, called.name, False), matches, folder, seed)

    silent = asked_in_silence(ask)
    if silent.asked:
        step = step_of(
            called.name, "judge", silent.asked, silent.config, called.price, called.options
        )
        found.steps.append(step)
        found.prompts["judge"] = text_of(silent.asked[0])
