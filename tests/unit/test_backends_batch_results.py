"""What stands in a batch's result files: odd lines, answers that are none, and what they cost."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

import backends.engines.provider_batches
from backends.engines.caller import Answer, BudgetReached, Caller
from backends.engines.engine import GenerateConfig, NoLogprobsError, Request
from backends.engines.openai_chat import OpenAIEngine
from backends.prices import Price
from backends.tokens import as_messages
from results.cache import CallCache
from tests.fake_server import FakeServer

KEY = "sk-secret-0123456789"
CONFIG = GenerateConfig(max_tokens=50)
Rows = list[dict[str, Any]]


class Odd(FakeServer):
    """Changes the result files of its first ``odd`` batches."""

    change: Callable[[Rows], Any] = staticmethod(lambda rows: rows)
    cut: int = 0
    odd: int = 1

    def _end(self, batch: dict[str, Any]) -> None:
        super()._end(batch)
        name = batch["output_file_id"]
        if name is None or self.odd <= 0:
            return
        self.odd -= 1
        rows = self.change([json.loads(line) for line in self._files[name].splitlines()])
        data = "".join(json.dumps(row) + "\n" for row in rows).encode()
        self._files[name] = data[: len(data) - self.cut]


def odd(change: Callable[[Rows], Any] | None = None, cut: int = 0, odd: int = 1, **given) -> Odd:
    server = Odd(**given)
    server.change, server.cut, server.odd = change or (lambda rows: rows), cut, odd
    return server


def with_row(response: Any) -> Callable[[Rows], Any]:
    """The fourth line (of call q6 of ten) has another response, or is no object at all."""
    return lambda rows: [
        *rows[:3], response if isinstance(response, list) else rows[3] | {"response": response},
        *rows[4:],
    ]  # fmt: skip


def by_another(rows: Rows) -> Rows:
    for row in rows:
        row["response"]["body"]["model"] = "another"
    return rows


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr(backends.engines.provider_batches, "POLL_S", 0.01)


def asked(n: int) -> list[Request]:
    return [Request(as_messages(f"q{i}")) for i in range(n)]


def batched(server: FakeServer, cache: CallCache, **bounds: Any) -> Caller:
    return Caller(OpenAIEngine("m", server.url, batch=True), cache, **bounds)


def all_of(caller: Caller, n: int, config: GenerateConfig = CONFIG) -> list[Answer]:
    found = [a for group in caller.run(asked(n), config) for a in group]
    return sorted(found, key=lambda a: a.index)


@pytest.mark.parametrize(
    "response",
    ["<html>", [1], {"status_code": 502, "body": "<html>Bad gateway</html>"}, {"status_code": 200},
     {"status_code": 429, "body": {"error": "rate limited"}}, {"status_code": 200, "body": "x"},
     {"status_code": 400, "body": {"error": {"message": 3, "param": []}}}],
)  # fmt: skip
def test_an_odd_line_is_its_own_call_s_trouble_alone(cache: CallCache, response: Any) -> None:
    with odd(with_row(response)) as server:
        found = all_of(batched(server, cache), 10)
        assert sum(a.completion.finish_reason == "stop" for a in found) >= 9
        assert cache.count() >= 9
        found = all_of(batched(server, cache), 10)
        assert all(a.completion.finish_reason == "stop" for a in found)
    assert all(n == 1 for call, n in server.answered.items() if '"q6"' not in call)


def test_what_a_line_says_is_said_of_its_call(cache: CallCache) -> None:
    said = {"status_code": 429, "body": {"error": f"rate limited for {KEY}"}}
    with odd(with_row(said), odd=3) as server:
        server.change = lambda rows: [row | {"response": said} for row in rows]
        found = all_of(batched(server, cache), 2)
    assert {a.completion.text for a in found} == {"HTTP 429: rate limited for ***"}


def test_a_result_file_that_is_cut_short_lacks_its_last_line_alone(cache: CallCache) -> None:
    with odd(cut=40) as server:
        found = all_of(batched(server, cache), 10)
    assert all(a.completion.finish_reason == "stop" for a in found)
    assert [b["request_counts"]["total"] for b in server.batches.values()] == [10, 1]


@pytest.mark.parametrize("cut", [40, 1500])
def test_a_result_file_that_was_cut_on_its_way_is_fetched_again(cache: CallCache, cut: int) -> None:
    class Broken(FakeServer):
        fetched = 0

        async def _content(self, request: web.Request) -> web.Response:
            self.fetched += 1
            data = self._files[request.match_info["id"]]
            return web.Response(body=data[: len(data) - cut] if self.fetched == 1 else data)

    with Broken() as server:
        found = all_of(batched(server, cache), 10)
    assert all(a.completion.finish_reason == "stop" for a in found)
    assert len(server.batches) == 1 and server.fetched == 2


def test_how_a_good_line_is_written_costs_no_second_batch(cache: CallCache) -> None:
    def change(rows: Rows) -> Rows:
        rows[0]["response"]["status_code"] = "200"
        return rows

    class Marked(Odd):
        async def _content(self, request: web.Request) -> web.Response:
            return web.Response(body=b"\xef\xbb\xbf" + self._files[request.match_info["id"]])

    with Marked() as server:
        server.change = change
        found = all_of(batched(server, cache), 3)
    assert all(a.completion.finish_reason == "stop" for a in found) and len(server.batches) == 1


def test_the_key_is_in_no_reason(cache: CallCache) -> None:
    told: list[str] = []

    def by_the_key(rows: Rows) -> Rows:
        rows[0]["response"]["body"]["model"] = f"for {KEY}"
        rows[1]["response"]["body"]["choices"][0]["finish_reason"] = KEY
        return rows

    with odd(by_the_key) as server:
        found = all_of(batched(server, cache, on_note=told.append), 2)
    (refused,) = [a.completion.text for a in found if a.completion.finish_reason == "error"]
    assert refused == "answered by the model for ***"
    assert any("'***'" in line for line in told) and KEY not in "".join(told)


def test_another_model_s_answers_are_not_taken_and_counted_once(tmp_path: Path) -> None:
    price = Price(0.0, 1e6 / 5, "a dollar an answer")
    with odd(by_another) as server, CallCache(tmp_path / "c") as cache:
        caller = batched(server, cache, price=price, max_calls=20)
        found = all_of(caller, 10)
        assert {a.completion.text for a in found} == {"answered by the model another"}
        assert len(server.batches) == 1  # that would be paid for at once again
        assert (cache.count(), cache.made(), cache.cost()) == (0, 10, pytest.approx(10.0))
        assert caller.tally.cost == pytest.approx(10.0)
        assert all(a.completion.finish_reason == "stop" for a in all_of(caller, 10))
        assert (cache.count(), cache.made(), cache.cost()) == (10, 20, pytest.approx(20.0))
        with pytest.raises(BudgetReached, match="max_calls: 20 calls are made and 1 more"):
            all_of(caller, 11)
    (spent,) = cache_spent(tmp_path)
    assert (spent.calls, spent.prompt_tokens, spent.completion_tokens) == (20, 140, 100)


def cache_spent(tmp_path: Path) -> list[Any]:
    with CallCache(tmp_path / "c") as cache:
        return cache.spent()


@pytest.mark.parametrize("logprobs", [None, lambda word: {word: -0.1}])
def test_whether_there_are_log_probabilities_one_call_tells(
    cache: CallCache, logprobs: Any
) -> None:
    config = GenerateConfig(max_tokens=50, logprobs=5)
    with FakeServer(logprobs=logprobs) as server:
        caller = batched(server, cache)
        if logprobs is None:
            for paid in (1, 2):  # another start asks anew: the server may be another by then
                with pytest.raises(NoLogprobsError, match="answers without log-probabilities"):
                    all_of(batched(server, cache), 10, config)
                assert server.answered.total() == cache.made() == paid
            return
        assert all(a.completion.logprobs for a in all_of(caller, 10, config))
        all_of(caller, 20, config)
    totals = [b["request_counts"]["total"] for b in server.batches.values()]
    assert totals == [1, 9, 10]


def test_refused_log_probabilities_end_the_run_before_they_cost(cache: CallCache) -> None:
    with FakeServer(refuses=("logprobs",)) as server, pytest.raises(NoLogprobsError):
        all_of(batched(server, cache), 10, GenerateConfig(max_tokens=50, logprobs=5))
    assert server.answered.total() == 0
    assert [b["request_counts"]["total"] for b in server.batches.values()] == [1]
