"""Batch endpoints: handed in once, picked up after an interruption, every call with an end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from unittest.mock import Mock

import pytest
from aiohttp import web

import backends.engines.batch_calls
import backends.engines.provider_batches
from backends.engines.caller import Answer, BudgetReached, Caller
from backends.engines.engine import GenerateConfig, Request
from backends.engines.openai_chat import OPENAI, OpenAIEngine
from backends.engines.provider_batches import ProviderBatches
from backends.prices import PriceFile
from backends.tokens import as_messages
from results.cache import CallCache
from results.errors import SrlmError, UsageError
from tests.fake_server import FakeServer, last_text

KEY = "sk-secret-0123456789"
CONFIG = GenerateConfig(max_tokens=50)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr(backends.engines.provider_batches, "POLL_S", 0.01)


def asked(n: int) -> list[Request]:
    return [Request(as_messages(f"q{i}")) for i in range(n)]


def all_of(caller: Caller, requests: list[Request]) -> list[Answer]:
    found = [a for group in caller.run(requests, CONFIG) for a in group]
    return sorted(found, key=lambda a: a.index)


def batched(server: FakeServer, cache: CallCache, notes: list[str]) -> Caller:
    return Caller(OpenAIEngine("m", server.url, batch=True), cache, on_note=notes.append)


def test_a_batch_answers_what_was_asked(cache: CallCache) -> None:
    notes: list[str] = []
    with FakeServer(key=KEY) as server:
        found = all_of(batched(server, cache, notes), [*asked(9), Request("go on")])
    assert [a.completion.text for a in found] == [
        *(f"said q{i}\nScore: 3" for i in range(9)), "said go on\nScore: 3"
    ]  # fmt: skip
    assert [b["endpoint"] for b in server.batches.values()] == [
        "/v1/chat/completions", "/v1/completions",
    ]  # fmt: skip
    assert server.bodies == []  # no call outside a batch
    assert cache.count() == 10 and cache.spent()[0].prompt_tokens == 70
    assert "batch batch_0 of 9 calls handed in" in notes[0]


@pytest.fixture
def interrupted(monkeypatch) -> Callable[[Caller, list[Request]], None]:
    """Makes calls until a batch is waited for."""

    def run(caller: Caller, requests: list[Request]) -> None:
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr("time.sleep", Mock(side_effect=KeyboardInterrupt))
            all_of(caller, requests)

    return run


def test_an_interrupted_batch_is_picked_up_by_its_id(tmp_path: Path, interrupted) -> None:
    notes: list[str] = []
    with FakeServer(batch_ends="waits") as server:
        with CallCache(tmp_path / "c") as cache:
            interrupted(batched(server, cache, notes), asked(20))
            assert cache.count() == 0 and len(server.batches) == 1
        server.batch_ends = "completed"
        with CallCache(tmp_path / "c") as cache:
            found = all_of(batched(server, cache, notes), asked(20))
            assert all(a.completion.finish_reason == "stop" for a in found)
            assert len(all_of(batched(server, cache, notes), asked(20))) == 20  # from the cache
    assert list(server.batches) == ["batch_0"]
    assert all(n == 1 for n in server.answered.values())
    assert "batch batch_0 of 20 calls picked up" in notes[-1]


def test_answers_that_were_not_fetched_are_not_paid_for_again(tmp_path: Path, monkeypatch) -> None:
    with FakeServer() as server, CallCache(tmp_path / "c") as cache:
        with monkeypatch.context() as patch:
            patch.setattr(ProviderBatches, "results", Mock(side_effect=KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                all_of(batched(server, cache, []), asked(5))
        assert len(all_of(batched(server, cache, notes := []), asked(5))) == 5
    assert len(server.batches) == 1 and "batch_0, completed: 5 answers picked up" in notes[0]


@pytest.mark.parametrize("status", ["expired", "cancelled"])
def test_a_batch_that_ended_while_nobody_looked_is_not_paid_for_again(
    cache: CallCache, interrupted, status: str
) -> None:
    with FakeServer(batch_ends="waits") as server:
        interrupted(batched(server, cache, []), asked(16))
        server.batch_ends = "expired"
        server._end(server.batches["batch_0"])
        server.batches["batch_0"]["status"] = status
        server.batch_ends = "completed"
        found = all_of(batched(server, cache, []), asked(16))
    assert all(a.completion.finish_reason == "stop" for a in found)
    assert set(server.answered.values()) == {1}
    assert [b["request_counts"]["total"] for b in server.batches.values()] == [16, 8]


@pytest.mark.parametrize("over", [False, True])
@pytest.mark.parametrize(("first", "then"), [(10, 25), (25, 10), (25, 25)])
def test_a_batch_is_found_by_who_asks_for_more_or_less(
    tmp_path: Path, interrupted, over: bool, first: int, then: int
) -> None:
    with FakeServer(batch_ends="waits") as server:
        with CallCache(tmp_path / "c") as cache:
            caller = batched(server, cache, [])
            caller.max_calls = first
            interrupted(caller, asked(25))
        server.batch_ends = "completed"
        if over:
            server._end(server.batches["batch_0"])
        with CallCache(tmp_path / "c") as cache:
            caller.cache, caller.max_calls = cache, then
            with suppress(BudgetReached):
                all_of(caller, asked(25))
            assert cache.count() == then
            caller.max_calls = None
            all_of(caller, asked(25))
    assert set(server.answered.values()) == {1} and len(server.answered) == 25
    assert sum(b["request_counts"]["total"] for b in server.batches.values()) == 25


def test_of_a_large_batch_a_sample_of_its_ids_is_enough(cache: CallCache, interrupted) -> None:
    with FakeServer(batch_ends="waits") as server:
        interrupted(batched(server, cache, []), asked(1000))
        fields = server.batches["batch_0"]["metadata"]
        assert len(fields) <= 16 and max(map(len, fields.values())) <= 512
        server.batch_ends = "completed"
        all_of(batched(server, cache, []), asked(50))
    assert list(server.batches) == ["batch_0"]


@pytest.mark.parametrize(("status", "made", "batches"), [
    (502, True, 1), (502, False, 1), (429, False, 1), (400, False, 0),
])  # fmt: skip
def test_a_batch_that_was_made_though_the_server_says_otherwise_is_no_second_one(
    cache: CallCache, status: int, made: bool, batches: int
) -> None:
    class Confused(FakeServer):
        asked_for = 0

        async def _hand_in(self, request: web.Request) -> web.Response:
            self.asked_for += 1
            if self.asked_for > 1:
                return await super()._hand_in(request)
            if made:
                await super()._hand_in(request)
            return web.json_response({"error": {"message": "no"}}, status=status)

    with Confused() as server, suppress(SrlmError):
        found = all_of(batched(server, cache, []), asked(5))
        assert all(a.completion.finish_reason == "stop" for a in found)
    assert len(server.batches) == batches
    assert server.asked_for == (2 if batches and not made else 1)


def test_what_a_batch_left_is_handed_in_again(cache: CallCache) -> None:
    with FakeServer(batch_ends="expired") as server:
        found = all_of(batched(server, cache, []), asked(16))
    # Half, half of the rest, half of that: two are left after three rounds.
    assert [b["status"] for b in server.batches.values()] == ["expired"] * 3
    ends = [a.completion.finish_reason for a in found]
    assert (ends.count("stop"), ends.count("error")) == (14, 2)
    assert all(n == 1 for n in server.answered.values())
    assert cache.count() == 14


def test_lines_that_fail_say_why(cache: CallCache) -> None:
    ill = lambda body, attempt: "500" if last_text(body) == "q3" else None  # noqa: E731
    with FakeServer(fault=ill) as server:
        found = all_of(batched(server, cache, []), asked(6))
        assert found[3].completion.text == "HTTP 500: 500"
        assert [a.completion.finish_reason == "error" for a in found].count(True) == 1
        assert len(server.batches) == 3  # the rounds
        server.fault = FakeServer.fault
        again = all_of(batched(server, cache, []), asked(6))  # not the batch without an answer
        assert again[3].completion.finish_reason == "stop"


def test_a_refused_setting_is_left_out_of_the_next_batch(cache: CallCache) -> None:
    notes: list[str] = []
    with FakeServer(refuses=("seed",)) as server:
        found = all_of(batched(server, cache, notes), asked(4))
    assert all(a.completion.finish_reason == "stop" for a in found)
    assert len(server.batches) == 2 and sum("refuses seed" in note for note in notes) == 1


def test_a_batch_that_fails_as_a_whole_ends_the_run(cache: CallCache) -> None:
    with (
        FakeServer(batch_ends="failed") as server,
        pytest.raises(SrlmError, match=r"batch_0 failed: no such model; check the model's name"),
    ):
        all_of(batched(server, cache, []), asked(2))


def test_a_wrong_key_or_a_server_without_batches_is_one_line(cache: CallCache) -> None:
    with FakeServer(key="another") as server, pytest.raises(SrlmError) as caught:
        all_of(batched(server, cache, []), asked(2))
    said = str(caught.value)
    assert "handing a batch in did not work" in said and "OPENAI_API_KEY" in said
    assert KEY not in said and "\n" not in said


def test_large_stages_are_several_batches(cache: CallCache, monkeypatch) -> None:
    monkeypatch.setattr(backends.engines.batch_calls, "LINES", 4)
    with FakeServer() as server:
        assert len(all_of(batched(server, cache, []), asked(10))) == 10
        sizes = [b["request_counts"]["total"] for b in server.batches.values()]
        assert sizes == [4, 4, 2]
        monkeypatch.setattr(backends.engines.batch_calls, "BYTES", 500)
        new = [Request(as_messages(f"new {i}")) for i in range(2)]
        # A line that is longer than a file may be has a file of its own.
        all_of(batched(server, cache, []), [Request(as_messages("z" * 600)), *new])
        assert [b["request_counts"]["total"] for b in server.batches.values()][3:] == [1, 2]
        files = [server._files[b["input_file_id"]] for b in server.batches.values()]
    assert len(files[3]) > 500 >= len(files[4])


def test_batches_cost_half_and_take_one_endpoint() -> None:
    prices = PriceFile.read(None)
    whole = prices.price("openai", "gpt-4o", {"base_url": OPENAI})
    half = prices.price("openai", "gpt-4o", {"base_url": OPENAI, "batch": True})
    assert whole and half and half.completion == whole.completion / 2
    with pytest.raises(UsageError, match="batch takes one base_url"):
        OpenAIEngine("m", "http://a/v1,http://b/v1", batch=True)
