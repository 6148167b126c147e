"""Every model call goes through the caller: what is computed, what is kept, what is asked again."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from backends.engines.caller import Answer, Caller, Tally
from backends.engines.engine import Completion, GenerateConfig, Request, Usage
from results.cache import CallCache
from results.records import Message
from tests.fakes import FakeEngine, failed, prompt_of

CONFIG = GenerateConfig(seed=3)
PROMPTS = ["aaaaaaa", "b", "ccc", "dd", "eeeee", "ffff", "gggggg"]
REQUESTS = [Request(text) for text in PROMPTS]


def answers(caller: Caller, requests=REQUESTS, config=CONFIG) -> list[Answer]:
    return [answer for batch in caller.run(requests, config) for answer in batch]


def texts(found: list[Answer]) -> list[str]:
    return [a.completion.text for a in sorted(found, key=lambda a: a.index)]


def test_batches_are_those_of_the_whole_plan(cache: CallCache) -> None:
    engine = FakeEngine()
    batches = [[a.index for a in batch] for batch in Caller(engine, cache).run(REQUESTS, CONFIG)]
    assert batches == [[0, 6, 4], [5, 2, 3], [1]]
    assert [[prompt_of(r) for r in b] for b in engine.batches] == [
        ["aaaaaaa", "gggggg", "eeeee"], ["ffff", "ccc", "dd"], ["b"],
    ]  # fmt: skip


def test_a_resumed_stage_computes_the_same_batches(cache: CallCache) -> None:
    first = FakeEngine()
    next(Caller(first, cache).run(REQUESTS, CONFIG))  # killed after one batch
    second = FakeEngine()
    found = answers(Caller(second, cache))
    assert first.batches + second.batches == [
        [REQUESTS[i] for i in batch] for batch in ([0, 6, 4], [5, 2, 3], [1])
    ]
    assert [a.cached for a in found] == [True] * 3 + [False] * 4


def test_nothing_is_computed_twice(cache: CallCache) -> None:
    before = answers(Caller(FakeEngine(), cache))
    again = FakeEngine()
    caller = Caller(again, cache)
    after = answers(caller)
    assert again.batches == []
    assert [(a.index, a.key, a.completion) for a in before] == [
        (a.index, a.key, a.completion) for a in after
    ]
    assert all(a.cached for a in after)
    assert (caller.tally.done, caller.tally.cached, caller.tally.tokens) == (7, 7, 0)


def test_equal_requests_are_one_call_with_one_answer(cache: CallCache) -> None:
    engine = FakeEngine()
    chat = (Message(role="user", content="b"),)
    found = answers(
        Caller(engine, cache),
        [Request("b"), Request("a"), Request("b"), Request("b", draw=1), Request(chat)],
    )
    assert sorted(a.index for a in found) == [0, 1, 2, 3, 4]
    said = texts(found)
    assert said[0] == said[2] and len({said[0], said[1], said[3], said[4]}) == 4
    assert len(engine.calls) == 4


def test_draws_and_seeds_are_calls_of_their_own(cache: CallCache) -> None:
    requests = [Request("b", draw=d) for d in range(3)]
    first, second = FakeEngine(), FakeEngine()
    one = answers(Caller(first, cache), requests, GenerateConfig(seed=0))
    two = answers(Caller(second, cache), requests, GenerateConfig(seed=1))
    assert len({*texts(one), *texts(two)}) == 6
    assert len(second.calls) == 3


def test_two_engines_on_one_cache_never_share_an_answer(cache: CallCache) -> None:
    def by(name: str) -> FakeEngine:
        return FakeEngine(name, reply=lambda request, seed: f"{name} says {prompt_of(request)}")

    for _ in range(2):
        for name in ("m1", "m2"):
            assert texts(answers(Caller(by(name), cache))) == [f"{name} says {p}" for p in PROMPTS]
    ones, twos = (Caller(by(n), cache).keys(REQUESTS, CONFIG) for n in ("m1", "m2"))
    assert not set(ones) & set(twos)


def test_failures_are_never_cached_and_asked_again(cache: CallCache) -> None:
    bad = {"ccc", "b"}
    engine = FakeEngine(
        reply=lambda request, seed: failed() if prompt_of(request) in bad else "fine"
    )
    caller = Caller(engine, cache)
    found = answers(caller)
    assert caller.tally.failed == 2 and caller.tally.done == 7
    errors = [a for a in found if a.completion.finish_reason == "error"]
    assert {PROMPTS[a.index] for a in errors} == bad
    assert not any(a.cached for a in errors)
    assert not cache.get_many([a.key for a in errors])
    bad.clear()
    engine.batches.clear()
    assert set(texts(answers(caller))) == {"fine"}
    # A batch that is partly known computes the missing alone.
    assert [[prompt_of(r) for r in b] for b in engine.batches] == [["ccc"], ["b"]]


def test_an_answer_is_in_the_cache_before_it_is_seen(tmp_path: Path) -> None:
    with CallCache(tmp_path / "c") as mine, CallCache(tmp_path / "c") as other:
        for batch in Caller(FakeEngine(), mine).run(REQUESTS, CONFIG):
            assert set(other.get_many([a.key for a in batch])) == {a.key for a in batch}


def test_interrupted_batches_leave_nothing(cache: CallCache) -> None:
    def dies(request: Request, seed: int) -> str:
        raise KeyboardInterrupt

    caller = Caller(FakeEngine(reply=dies), cache)
    with pytest.raises(KeyboardInterrupt):
        answers(caller)
    assert not cache.get_many(caller.keys(REQUESTS, CONFIG))


def test_a_seed_belongs_to_the_call_not_to_its_place(cache: CallCache, tmp_path: Path) -> None:
    there = dict(zip(PROMPTS, texts(answers(Caller(FakeEngine(), cache))), strict=True))
    with CallCache(tmp_path / "second") as empty:
        turned = REQUESTS[::-1][:4]
        found = texts(answers(Caller(FakeEngine(batch_size=2), empty), turned))
    assert found == [there[prompt_of(r)] for r in turned]
    assert len(set(there.values())) == len(PROMPTS)


def test_what_is_told_on_the_way(cache: CallCache) -> None:
    seen: list[tuple[int, int, int]] = []
    spent: list[tuple[float, float]] = []

    def note(tally: Tally, of: int) -> None:
        seen.append((tally.done, tally.cached, of))

    class Loading(FakeEngine):
        def generate(self, requests, seeds, config):
            self.startup_seconds += 5.0  # says so; the clock did not move
            return super().generate(requests, seeds, config)

    caller = Caller(Loading(), cache, note, lambda model, loading: spent.append((model, loading)))
    answers(caller)
    assert seen == [(3, 0, 7), (6, 0, 7), (7, 0, 7)]
    assert caller.tally.tokens == 4 * 7
    assert sum(loading for _, loading in spent) == 15.0
    assert [caller.tally.seconds] == pytest.approx([sum(model for model, _ in spent)])


def test_planning_is_start_up_where_the_engine_says_so_and_never_model_time(
    cache: CallCache,
) -> None:
    class Slow(FakeEngine):
        def plan(self, requests):
            time.sleep(0.3)
            self.startup_seconds += 0.1
            return super().plan(requests)

    spent: list[tuple[float, float]] = []
    caller = Caller(Slow(), cache, on_time=lambda model, loading: spent.append((model, loading)))
    answers(caller)
    assert sum(loading for _, loading in spent) == pytest.approx(0.1)
    assert sum(model for model, _ in spent) == pytest.approx(caller.tally.seconds)
    assert caller.tally.seconds < 0.2


def test_no_requests_no_calls(cache: CallCache) -> None:
    engine = FakeEngine()
    assert answers(Caller(engine, cache), []) == [] and engine.batches == []


def test_an_engine_that_loses_an_answer_is_caught(cache: CallCache) -> None:
    class Short(FakeEngine):
        def generate(self, requests, seeds, config):
            return super().generate(requests, seeds, config)[:-1]

    with pytest.raises(ValueError, match="zip"):
        answers(Caller(Short(), cache))


def test_usage_survives_the_cache(cache: CallCache) -> None:
    engine = FakeEngine(reply=lambda r, s: Completion("x", "length", Usage(9, 2)))
    fresh = answers(Caller(engine, cache), REQUESTS[:1])[0].completion
    stored = answers(Caller(engine, cache), REQUESTS[:1])[0].completion
    assert fresh == stored == Completion("x", "length", Usage(9, 2))
