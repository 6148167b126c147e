"""What bounds a run: every call that was made, at any start, with or without an answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from backends.engines.caller import Answer, BudgetReached, Caller
from backends.engines.engine import Completion, Discarded, GenerateConfig, Request, Usage
from backends.prices import Price
from results.cache import CallCache
from tests.fakes import FakeEngine

REQUESTS = [Request(f"q{i}") for i in range(9)]
PRICE = Price(0.0, 1e6, "a dollar an answer token")
FILTERED = Completion("the server's content filter", "error", Usage(0, 1))
CONFIG = GenerateConfig(max_tokens=1)


class Flight:
    """One call after the other; each attempt either throws an answer away or gives ``done``."""

    def __init__(self, engine: Server, n: int) -> None:
        self.engine, self.n = engine, n
        self.retried, self.notes = 0, []
        self.discarded: list[Discarded] = []

    def __iter__(self) -> Iterator[list[tuple[int, Completion]]]:
        for i in range(self.n):
            for _ in range(self.engine.thrown_away):
                self.engine.served += 1
                self.discarded.append(Discarded(Usage(0, 1)))
                yield []
            self.engine.served += 1
            yield [(i, self.engine.done)]

    def stop(self) -> list[tuple[int, Completion]]:
        return []


class Server(FakeEngine):
    """Streams; ``thrown_away`` answers of each call are of no use."""

    def __init__(self, done: Completion, thrown_away: int = 0) -> None:
        super().__init__(batch_size=100)
        self.done, self.thrown_away, self.served = done, thrown_away, 0

    def start(self, requests: Sequence[Request], seeds: Sequence[int], config: GenerateConfig):
        return Flight(self, len(requests))


GOOD = Completion("fine", "stop", Usage(0, 1))


def start(path: Path, engine: Server, **bounds: float) -> tuple[Caller, list[Answer]]:
    """Another start of a run, up to its bound."""
    found: list[Answer] = []
    with CallCache(path / "c") as cache:
        caller = Caller(engine, cache, price=PRICE, **bounds)
        with suppress(BudgetReached):
            for group in caller.run(REQUESTS, CONFIG):
                found += group
    return caller, found


def test_failed_calls_count_over_all_starts(tmp_path: Path) -> None:
    engine = Server(FILTERED)
    for _ in range(3):
        start(tmp_path, engine, max_calls=5)
    assert engine.served == 5
    with CallCache(tmp_path / "c") as cache:
        assert (cache.count(), cache.made(), cache.cost()) == (0, 5, 5.0)
        (spent,) = cache.spent()
        assert (spent.calls, spent.completion_tokens, spent.cost) == (5, 5, 5.0)


@pytest.mark.parametrize("bounds", [{"max_calls": 8}, {"max_cost": 8.0}])
def test_answers_that_were_thrown_away_use_up_the_bounds(tmp_path: Path, bounds) -> None:
    engine = Server(GOOD, thrown_away=21)
    for _ in range(3):
        _, found = start(tmp_path, engine, **bounds)
        assert not found
    assert engine.served == 8
    with CallCache(tmp_path / "c") as cache:
        assert (cache.made(), cache.cost()) == (8, 8.0)
    _, found = start(tmp_path, engine)
    assert len(found) == 9 and engine.served == 8 + 9 * 22


def test_what_was_thrown_away_is_in_what_the_run_is_said_to_cost(tmp_path: Path) -> None:
    caller, found = start(tmp_path, Server(GOOD, thrown_away=1))
    assert caller.tally.cost == 18.0 and len(found) == 9


def test_a_flight_whose_calls_are_all_done_is_not_ended_for_its_losses(tmp_path: Path) -> None:
    _, found = start(tmp_path, Server(FILTERED), max_calls=9)
    assert len(found) == 9


@pytest.mark.parametrize("ended", [False, True])
def test_an_answer_that_ended_its_call_is_one_call(tmp_path: Path, ended: bool) -> None:
    class Ending(Flight):
        def __iter__(self) -> Iterator[list[tuple[int, Completion]]]:
            for _ in range(2):  # the same line of a batch, read twice
                self.discarded.append(Discarded(Usage(0, 1), "batch_0 a", ended))
                yield [(0, Completion("of another model", "error", Usage(0, 0)))] if ended else []

    class Batched(Server):
        def start(self, requests, seeds, config):
            return Ending(self, 1)

    start(tmp_path, Batched(GOOD))
    with CallCache(tmp_path / "c") as cache:
        assert (cache.made(), cache.cost()) == (1, 1.0)
