"""Runs whose pairs are right as often as a test wants, up to their audit."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from backends.engines.engine import Completion, Request
from benchmarks.micro_world.world import draw_instruction
from harness.run import StopRun
from harness.stages.audit import audit
from results.records import Conversation, Pair
from results.store import RecordFile
from tests.fake_run import FakeRun, fake_runs
from tests.fakes import prompt_of

VERIFIED = ["audit.by=verifier", "audit.size=30"]


PEOPLE = ["audit.by=people", "audit.size=6"]


JUDGED = ["audit.by=openai:house", "audit.size=10"]


WAIVED = "audit.waived_by=Ada"


BAD = "I do not know"


def good(text: str) -> str:
    """The right answer to an instruction of the micro world."""
    from benchmarks.micro_world import writers
    from benchmarks.micro_world.world import parse

    instruction = parse(text)
    assert instruction is not None
    return writers.answer(instruction, random.Random(0), writers.Defects(0, 0, 0, 0, 0))


def pair(i: int, prompt: str | Conversation, chosen: str, rejected: str) -> Pair:
    return Pair(
        prompt_id=f"m2-{i}", prompt=prompt, chosen_id=f"c{i}", rejected_id=f"r{i}", chosen=chosen,
        rejected=rejected, chosen_score=4, rejected_score=1, margin=3,
    )  # fmt: skip


def keep(made: FakeRun, right: int, wrong: int, ties: int = 0, k: int = 2) -> list[Pair]:
    """Pairs of iteration ``k`` of which so many are right, by the oracle."""
    rng, found = random.Random(7), []
    kinds = ["right"] * right + ["wrong"] * wrong + ["tie"] * ties
    rng.shuffle(kinds)
    for i, kind in enumerate(kinds):
        text = draw_instruction(rng, held=False).text
        best = BAD if kind == "tie" else good(text)
        sides = (best, f"{BAD}." if kind == "tie" else BAD)
        found.append(pair(i, text, *(sides if kind != "wrong" else sides[::-1])))
    RecordFile(made.run.iteration(k) / "pairs.jsonl", Pair).replace(found)
    return found


def reply(request: Request, seed: int) -> Completion | str:
    """A judge that sees which answer is the bad one, whatever the order."""
    first = prompt_of(request).partition("<response_a>")[2].partition("</response_a>")[0]
    return f"Seen.\nVerdict: {'B' if BAD in first else 'A'}"


def audited_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    yield from fake_runs(tmp_path, monkeypatch, reply, [])


def folder(made: FakeRun) -> Path:
    return made.run.iteration(2) / "audit"


def held(made: FakeRun) -> StopRun:
    with pytest.raises(StopRun) as caught:
        audit(made.run, 2)
    return caught.value


def again(made: FakeRun, *overrides: str) -> FakeRun:
    """The run started anew, perhaps with a waiver."""
    waived = dict(word.partition("=")[::2] for word in overrides).get("audit.waived_by")
    settings = made.config.audit
    assert settings is not None
    own = settings.model_copy(update={"waived_by": waived})
    made.config = made.config.model_copy(update={"audit": own})
    made.run.close()
    made.run = made.opened()
    return made


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def fill(made: FakeRun, n: int | None = None, **more: Any) -> list[dict[str, Any]]:
    """What people give back: for each pair the answer that is not the bad one."""
    given = rows(folder(made) / "to_label.jsonl")
    for row in given[:n]:
        row |= {"label": "second" if row["first"] == BAD else "first", **more}
    give(made, given)
    return given


def give(made: FakeRun, given: list[dict[str, Any]]) -> None:
    (folder(made) / "labels.jsonl").write_text("".join(json.dumps(row) + "\n" for row in given))
