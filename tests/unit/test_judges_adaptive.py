"""Adaptive draws against all draws: fewer calls, the same pairs, the same after a kill."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from backends.engines.caller import Caller
from backends.engines.engine import Completion, Request
from judges.adaptive import Adaptive, Saving, judge_adaptively
from judges.judging import Judge, Response, judge_responses
from judges.pointwise import mean_scores
from judges.selection import select_pairs
from judges.spec import load_spec
from results.cache import CallCache
from results.errors import SrlmError
from results.files import read_model
from results.records import Candidate, Judgment, Pair, Prompt
from results.store import RecordFile
from tests.fakes import FakeEngine, failed, prompt_of

SPEC = load_spec("additive5_short").model_copy(update={"draws": 5, "min_scored": 2})
PROMPTS = [Prompt(id=f"p{i}", prompt=f"Say {i}.", source="x") for i in range(60)]
RESPONSES = [
    Response(p.id, p.prompt, f"{p.id}-{c}", f"answer {c} to {i}")
    for i, p in enumerate(PROMPTS)
    for c in range(4)
]


def reply(request: Request, seed: int) -> str:
    """A judge that mostly repeats itself, errs by a point, and now and then says no score."""
    quality = random.Random(prompt_of(request)).randrange(6)
    chance = random.Random(seed).random()
    if chance < 0.05:
        return "I would rather not."
    return f"Fine.\nScore: {min(5, max(0, quality + (chance > 0.8) - (chance < 0.2)))}"


def judge(engine: FakeEngine, cache: CallCache) -> Judge:
    return Judge(SPEC, Caller(engine, cache), "fake", False)


def pairs_of(judgments: list[Judgment], margin: float) -> list[Pair]:
    candidates = [
        Candidate(prompt_id=r.prompt_id, response_id=r.response_id, draw=i % 4, text=r.text,
                  finish_reason="stop", tokens=1, call="x")
        for i, r in enumerate(RESPONSES)
    ]  # fmt: skip
    return select_pairs(PROMPTS, candidates, mean_scores(judgments, SPEC), margin)[0]


def adaptively(folder: Path, how: Adaptive, margin: float = 0.5, engine: FakeEngine | None = None
               ) -> tuple[list[Judgment], Saving, FakeEngine]:  # fmt: skip
    engine = engine or FakeEngine(reply=reply, batch_size=64)
    file = RecordFile(folder / "judgments.jsonl", Judgment)
    with CallCache(folder / "calls.sqlite") as cache:
        found = judge_adaptively(judge(engine, cache), RESPONSES, file, 0, how, margin)
    return found, read_model(folder / "adaptive.json", Saving), engine


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> list[Judgment]:
    folder = tmp_path_factory.mktemp("full")
    engine = FakeEngine(reply=reply, batch_size=64)
    with CallCache(folder / "c") as cache:
        file = RecordFile(folder / "judgments.jsonl", Judgment)
        return judge_responses(judge(engine, cache), RESPONSES, file, 0)


def who(pairs: list[Pair]) -> list[tuple[str, str]]:
    return [(p.chosen_id, p.rejected_id) for p in pairs]


@pytest.mark.parametrize("margin", [0.0, 0.5, 2.0])
def test_certain_gives_the_pairs_of_all_draws(full, tmp_path: Path, margin: float) -> None:
    found, saving, engine = adaptively(tmp_path, Adaptive("certain", 0.95, 0.0), margin)
    assert who(pairs_of(found, margin)) == who(pairs_of(full, margin))
    assert len(engine.calls) == len(found) == saving.asked < 0.97 * saving.of
    assert saving.of == len(full)
    assert saving.agreement.value is None
    assert saving.agreement.reason
    every = {(j.response_id, j.draw): j for j in full}
    assert all(every[j.response_id, j.draw] == j for j in found)  # the same calls, not others


def test_likely_spares_more_and_says_how_often_it_was_wrong(full, tmp_path: Path) -> None:
    found, saving, _ = adaptively(tmp_path, Adaptive("likely", 0.9, 0.5))
    sure = adaptively(tmp_path / "sure", Adaptive("certain", 0.9, 0.5))[1]
    assert saving.asked < sure.asked
    assert sure.agreement.value == 1.0
    audited = {p for p, n in Counter(j.prompt_id for j in found).items() if n == 4 * SPEC.draws}
    assert 15 <= saving.agreement.n <= len(audited)
    assert saving.agreement.low is not None
    assert saving.agreement.value is not None
    assert saving.agreement.low < saving.agreement.value >= 0.8
    # Audited prompts have all draws, so their pairs are those of all draws.
    ours = {p.prompt_id: p for p in pairs_of(found, 0.5)}
    theirs = {p.prompt_id: p for p in pairs_of(full, 0.5)}
    assert all(ours.get(name) == theirs.get(name) for name in audited)


def test_an_interrupted_stage_ends_with_the_same_file(tmp_path: Path) -> None:
    how = Adaptive("likely", 0.9, 0.2)
    undisturbed, saving, engine = adaptively(tmp_path / "a", how)
    assert len(engine.batches) > 9
    made = []
    for stop in (3, 4, 2):  # batches of each attempt: in the first round, and later
        dying = FakeEngine(reply=reply, batch_size=64)
        plain = dying.generate

        def generate(*args, plain=plain, dying=dying, stop=stop):
            if len(dying.batches) == stop:
                raise KeyboardInterrupt
            return plain(*args)

        dying.generate = generate  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt):
            adaptively(tmp_path / "b", how, engine=dying)
        made += dying.calls
    found, again, last = adaptively(tmp_path / "b", how)
    assert found == undisturbed
    assert again == saving
    made += last.calls
    assert len(made) == len(set(made)) == len(undisturbed)  # no finished call twice


def test_failed_calls_are_unscored_draws(tmp_path: Path) -> None:
    def broken(request: Request, seed: int) -> Completion | str:
        return failed() if seed % 7 == 0 else reply(request, seed)

    engine = FakeEngine(reply=broken, batch_size=64)
    found, saving, _ = adaptively(tmp_path, Adaptive("certain", 0.95, 0.0), engine=engine)
    assert any(j.reason == "error" for j in found)
    assert saving.asked == len(found)


def test_one_response_alone_gets_the_first_draws_only(tmp_path: Path) -> None:
    engine = FakeEngine(reply=reply)
    file = RecordFile(tmp_path / "judgments.jsonl", Judgment)
    with CallCache(tmp_path / "c") as cache:
        how = Adaptive("certain", 0.95, 0.0)
        judge_adaptively(judge(engine, cache), RESPONSES[:1], file, 0, how, 0.0)
        assert len(engine.calls) == 2
        with pytest.raises(SrlmError, match="complete"):
            judge_adaptively(judge(engine, cache), RESPONSES[:2], file, 0, how, 0.0)
