"""The openai engine against a server with OpenAI's protocol: what is sent, kept, asked again."""

from __future__ import annotations

import asyncio
import random
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from backends.collect import collect
from backends.engines.caller import Answer, BudgetReached, Caller
from backends.engines.engine import Discarded, GenerateConfig, Request, Usage
from backends.engines.limits import PerMinute
from backends.engines.openai_chat import OpenAIEngine
from backends.prices import Price
from results.cache import CallCache
from results.errors import SrlmError, UsageError
from results.records import Candidate, Message
from results.store import RecordFile
from tests.asking import CONFIG, KEY, ask, chats, no_waiting
from tests.fake_server import FakeServer, last_text
from tests.fakes import FakeEngine


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    no_waiting(monkeypatch)


def test_a_call_says_what_was_asked_for() -> None:
    with FakeServer(key=KEY) as server:
        talk = (Message(role="system", content="s"), Message(role="user", content="u"))
        config = GenerateConfig(temperature=0.3, top_p=0.8, max_tokens=9, stop=("X", "Y"))
        (done,) = ask(server, [Request(talk)], config)
        assert (done.text, done.finish_reason) == ("said u\nScore: 3", "stop")
        assert (done.usage.prompt_tokens, done.usage.completion_tokens) == (7, 5)
        (body,) = server.bodies
    turns = [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]
    assert body == {
        "model": "m", "messages": turns, "temperature": 0.3, "top_p": 0.8, "max_tokens": 9,
        "stop": ["X", "Y"], "seed": 0,
    }  # fmt: skip


def test_raw_text_goes_to_the_text_endpoint() -> None:
    with FakeServer() as server:
        (done,) = ask(server, [Request("1. One\n2.")])
        assert done.text.startswith("said 1. One")
        assert server.bodies[0]["prompt"] == "1. One\n2." and "messages" not in server.bodies[0]


def test_answers_keep_their_requests_whatever_the_order() -> None:
    with FakeServer(reply=last_text) as server:
        found = ask(server, chats(200), max_concurrency=16)
        assert [c.text for c in found] == [f"q{i}" for i in range(200)]
        assert set(server.answered.values()) == {1}


def some_faults(body, attempt: int) -> str | None:
    drawn = random.Random(f"{last_text(body)} {attempt}").random()
    kinds = ["429", "500", "html", "cut", "empty", "stall", "other_model", "503"]
    return kinds[int(drawn / 0.3 * len(kinds))] if drawn < 0.3 else None


def test_every_fault_ends_in_one_answer(tmp_path: Path) -> None:
    with FakeServer(fault=some_faults) as server, CallCache(tmp_path / "c") as cache:
        engine = OpenAIEngine("m", base_url=server.url, timeout_s=0.5)
        caller = Caller(engine, cache)
        found = [a for group in caller.run(chats(150), CONFIG) for a in group]
        assert sorted(a.index for a in found) == list(range(150))
        assert all(a.completion.text == f"said q{a.index}\nScore: 3" for a in found)
        assert caller.tally.retried > 30 and caller.tally.failed == 0
        again = Caller(OpenAIEngine("m", base_url=server.url), cache)
        before = len(server.bodies)
        assert all(a.cached for group in again.run(chats(150), CONFIG) for a in group)
        assert len(server.bodies) == before


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("500", "HTTP 500"),
        ("html", "HTTP 502"),
        ("cut", "unreadable answer"),
        ("page", "unreadable answer"),
        ("list", "unreadable answer"),
        ("empty", "without choices"),
        ("stall", r"no answer in 0\.2 s"),
        ("deep", "unreadable answer"),
        ("header", "unreadable answer"),
        ("drop", r"connection lost \(ServerDisconnectedError\)"),
        ("429", "HTTP 429"),
    ],
)
def test_a_call_that_never_succeeds_is_an_error_that_says_why(fault: str, why: str) -> None:
    import re

    with FakeServer(fault=lambda body, attempt: fault) as server:
        (done,) = ask(server, chats(1), timeout_s=0.2, max_retries=2)
        assert done.finish_reason == "error"
        assert re.search(rf"3 attempts, the last: .*{why}", done.text)
        assert len(server.bodies) == 3


def test_the_server_says_when_to_come_back() -> None:
    begun: list[float] = []

    def fault(body, attempt: int) -> str | None:
        begun.append(time.monotonic())
        return None if attempt else "429 0.7"

    with FakeServer(fault=fault) as server:
        assert ask(server, chats(1))[0].finish_reason == "stop"
    assert 0.7 <= begun[1] - begun[0] < 2
    date = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    with (
        FakeServer(fault=lambda b, a: f"503 {date}") as server,
        pytest.raises(SrlmError, match=r"asks to wait 3[56].. s"),
    ):
        ask(server, chats(1))
    with (
        FakeServer(fault=lambda b, a: "429 7200") as server,
        pytest.raises(SrlmError, match="asks to wait 7200 s"),
    ):
        ask(server, chats(1))


@pytest.mark.parametrize("name", ["temperature", "seed", "max_tokens"])
def test_a_refused_setting_is_found_out_once_and_remembered(name: str, tmp_path: Path) -> None:
    with FakeServer(refuses=(name,)) as server, CallCache(tmp_path / "c") as cache:
        told: list[str] = []
        engine = OpenAIEngine("m", base_url=server.url)
        for some in (chats(30), chats(40)):
            caller = Caller(engine, cache, on_note=told.append)
            found = [a for group in caller.run(some, CONFIG) for a in group]
            assert all(a.completion.finish_reason == "stop" for a in found)
        assert sum(name in body for body in server.bodies) == 1
        assert len(server.bodies) == 41
        assert len(told) == 1 and name in told[0]
        if name == "max_tokens":
            assert server.bodies[-1]["max_completion_tokens"] == 50


class Late(FakeServer):
    """Its refusals take a moment, less than the head start of the first call."""

    async def _complete(self, request):
        await asyncio.sleep(0.04)
        return await super()._complete(request)


def test_a_refusal_that_takes_a_while_is_found_out_once_too_and_two_of_them() -> None:
    with Late(refuses=("temperature", "seed")) as server:
        found = ask(server, chats(64), max_concurrency=64)
        assert all(c.finish_reason == "stop" for c in found)
        assert len(server.bodies) == 64 + 2


def test_a_refused_setting_is_no_attempt() -> None:
    with FakeServer(refuses=("temperature", "seed", "max_tokens")) as server:
        assert ask(server, chats(1), max_retries=0)[0].finish_reason == "stop"
    stubborn = lambda body, attempt: "400 seed is not supported"  # noqa: E731
    with FakeServer(fault=stubborn) as server:
        assert ask(server, chats(1), max_retries=0)[0].finish_reason == "error"


def test_a_note_is_told_at_once_and_nobody_spins_for_it() -> None:
    with FakeServer(refuses=("seed",), seconds=0.4) as server:
        flight = OpenAIEngine("m", base_url=server.url).start(chats(3), range(3), CONFIG)
        groups = []
        for group in flight:
            groups.append(group)
            if len(groups) == 1:
                assert (group, len(flight.notes)) == ([], 1)  # before any answer
        flight.stop()
    assert sum(map(len, groups)) == 3
    assert len(groups) <= 4  # though nobody took the note away


def test_another_bad_request_is_an_error_and_not_repeated() -> None:
    with FakeServer(fault=lambda body, attempt: "400") as server:
        found = ask(server, chats(3))
        assert all("HTTP 400" in c.text and c.finish_reason == "error" for c in found)
        assert len(server.bodies) == 3


def test_a_refusal_that_names_no_setting_by_its_name_is_one_failed_call() -> None:
    with FakeServer(fault=lambda b, a: "named" if last_text(b) == "q3" else None) as server:
        found = ask(server, chats(6))
    assert [c.finish_reason for c in found] == ["stop"] * 3 + ["error"] + ["stop"] * 2


def test_a_wrong_key_is_known_before_the_first_call(monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong-9876543210")
    with FakeServer(key=KEY) as server, pytest.raises(SrlmError) as found:
        ask(server, chats(5))
    assert server.bodies == []
    assert "OPENAI_API_KEY, which is set" in str(found.value)
    assert "sk-wrong" not in str(found.value)


@pytest.mark.parametrize("key", ["sk-12345678\n", "sk-1\r2345678", "sk-123\u00e945678"])
def test_a_key_that_cannot_be_sent_is_known_before_the_first_call(key: str, monkeypatch) -> None:
    monkeypatch.setenv("OTHER_KEY", key)
    with FakeServer() as server, pytest.raises(SrlmError) as found:
        ask(server, chats(2), api_key_env="OTHER_KEY")
    assert "OTHER_KEY" in str(found.value) and key not in str(found.value)
    assert server.bodies == []


def test_a_list_of_models_of_another_form_is_read_as_far_as_it_goes() -> None:
    with FakeServer(models=(None, 5, "m")) as server:  # type: ignore[arg-type]
        assert ask(server, chats(1))[0].finish_reason == "stop"
        with pytest.raises(SrlmError, match="it serves 5, m"):
            ask(server, chats(1), model="other")


def test_an_account_without_money_ends_the_run() -> None:
    with (
        FakeServer(fault=lambda b, a: "402") as server,
        pytest.raises(SrlmError, match="the key or the account"),
    ):
        ask(server, chats(5))
    assert len(server.bodies) == 1


def test_a_forbidden_prompt_is_one_call_and_a_forbidden_account_all() -> None:
    with FakeServer(fault=lambda b, a: "403" if last_text(b) == "q7" else None) as server:
        found = ask(server, chats(12))
        assert [c.finish_reason for c in found] == ["stop"] * 7 + ["error"] + ["stop"] * 4
        assert "HTTP 403" in found[7].text and len(server.bodies) == 12
    with (
        FakeServer(fault=lambda b, a: "403") as server,
        pytest.raises(SrlmError, match="HTTP 403"),
    ):
        ask(server, chats(12))


def test_another_name_for_every_answer_ends_the_run_after_a_few() -> None:
    with FakeServer(fault=lambda b, a: "other_model prod-7") as server:
        with pytest.raises(SrlmError, match=r"are by prod-7; .*answers_as"):
            ask(server, chats(40))
        assert len(server.bodies) == 3
        found = ask(server, chats(40), answers_as="prod-7")
        assert all(c.finish_reason == "stop" for c in found) and len(server.bodies) == 43


def test_an_answer_that_can_never_be_used_is_not_paid_for_to_the_end() -> None:
    def fault(body, attempt: int) -> str | None:
        return f"other_model for {KEY}" if last_text(body) == "q1" else None

    with FakeServer(fault=fault) as server:
        flight = OpenAIEngine("m", base_url=server.url).start(chats(2), range(2), CONFIG)
        found = dict(pair for group in flight for pair in group)
        flight.stop()
        assert found[1].text == "5 attempts, the last: answered by the model for ***"
        assert len(server.bodies) == 6
        last = Discarded(Usage(7, 5), ended=True)
        assert flight.discarded == [Discarded(Usage(7, 5))] * 4 + [last]


def test_an_end_that_is_not_known_is_said_once() -> None:
    with FakeServer(fault=lambda b, a: "ends natural") as server:
        flight = OpenAIEngine("m", base_url=server.url).start(chats(9), range(9), CONFIG)
        assert all(c.finish_reason == "stop" for group in flight for _, c in group)
        flight.stop()
        assert len(flight.notes) == 1 and "'natural'" in flight.notes[0]
        assert len(server.bodies) == 9


def test_a_list_of_models_that_holds_the_key_is_told_without_it() -> None:
    with (
        FakeServer(models=(f"for-{KEY}",)) as server,
        pytest.raises(SrlmError, match=r"it serves for-\*\*\*"),
    ):
        ask(server, chats(1))


def test_an_unknown_model_is_known_before_the_first_call() -> None:
    with (
        FakeServer(models=("judge-1", "judge-2")) as server,
        pytest.raises(SrlmError, match="no model 'judge'; it serves judge-1, judge-2"),
    ):
        ask(server, chats(5), model="judge")
    assert server.bodies == []
    with FakeServer(lists=False) as server, pytest.raises(SrlmError, match="does not exist"):
        ask(server, chats(5), model="judge")


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("<think>Score: 1</think>\nFine.\nScore: 4", "Fine.\nScore: 4"),
        ("Score: 1 is too low</think>Score: 4", "Score: 4"),
        ("<think>no end Score: 1", ""),
        ("It says <think> here", "It says <think> here"),
        ("lone \ud800 surrogate", "lone ? surrogate"),
    ],
)
def test_reasoning_is_not_part_of_the_text(said: str, text: str) -> None:
    with FakeServer(reply=lambda body: said) as server:
        assert ask(server, chats(1))[0].text == text


def test_more_stop_texts_than_the_protocol_takes_are_all_cut() -> None:
    config = GenerateConfig(stop=("v", "w", "x", "y", "END"))
    with FakeServer(reply=lambda body: "one END two") as server:
        assert ask(server, chats(1), config)[0].text == "one"
        assert server.bodies[0]["stop"] == ["v", "w", "x", "y"]


def test_what_is_under_way_at_an_interruption_is_kept(tmp_path: Path) -> None:
    def record(answer: Answer) -> Candidate:
        if answer.index == 4:
            raise KeyboardInterrupt
        done = answer.completion
        return Candidate(
            prompt_id="p", response_id=str(answer.index), draw=0, text=done.text,
            finish_reason=done.finish_reason, tokens=5, call=answer.key,
        )  # fmt: skip

    file = RecordFile(tmp_path / "candidates.jsonl", Candidate)
    requests = chats(300)
    with FakeServer(seconds=0.1) as server:
        with CallCache(tmp_path / "c") as cache, pytest.raises(KeyboardInterrupt):
            engine = OpenAIEngine("m", base_url=server.url, max_concurrency=8)
            collect(file, Caller(engine, cache), requests, CONFIG, record)
        paid = len(server.bodies)
        assert 8 <= paid <= 40 and sum(server.answered.values()) == paid
        with CallCache(tmp_path / "c") as cache:
            caller = Caller(OpenAIEngine("m", base_url=server.url, max_concurrency=64), cache)
            assert len(cache.get_many(caller.keys(requests, CONFIG))) == paid
            fine = lambda a: record(Answer(a.index + 1000, *_rest(a)))  # noqa: E731
            collect(file, caller, requests, CONFIG, fine)
        assert len(server.bodies) == 300 and set(server.answered.values()) == {1}
    assert len(file.read()) == 300


def _rest(answer: Answer) -> tuple:
    return answer.place, answer.key, answer.completion, answer.cached


def test_models_endpoints_temperatures_and_draws_never_share_an_answer(tmp_path: Path) -> None:
    reply = lambda body: f"{body['model']} {body['temperature']} {body['seed']}"  # noqa: E731
    calls = 0
    with (
        FakeServer(models=("a", "b"), reply=reply) as one,
        FakeServer(models=("a", "b"), reply=reply) as two,
        CallCache(tmp_path / "c") as cache,
    ):
        said = set()
        for server in (one, two):
            for model in ("a", "b"):
                for temperature in (0.1, 0.9):
                    caller = Caller(OpenAIEngine(model, base_url=server.url), cache)
                    requests = [Request(chats(1)[0].prompt, draw) for draw in (0, 1)]
                    config = GenerateConfig(temperature=temperature)
                    for group in caller.run(requests, config):
                        said |= {(server.url, a.completion.text) for a in group}
                        calls += len(group)
        assert calls == len(said) == 16 == len(one.bodies) + len(two.bodies)


def test_a_folder_of_weights_is_named_by_its_weights(tiny_llama: Path) -> None:
    engine = OpenAIEngine(str(tiny_llama), base_url="http://127.0.0.1:1/v1")
    assert str(tiny_llama) not in engine.identity
    assert engine._terms.model == str(tiny_llama.resolve())


@pytest.mark.parametrize(
    "url", ["ftp://x/v1", "127.0.0.1:8000", "http://me:word@h/v1", "http://h/v1?key=1", ""]
)
def test_an_address_that_cannot_be_meant(url: str) -> None:
    with pytest.raises(UsageError, match="base_url"):
        OpenAIEngine("m", base_url=url)


def test_limits_let_through_what_they_say() -> None:
    async def spend(limit: float, calls: int, units: float) -> float:
        gate, begin = PerMinute(limit), time.monotonic()
        await asyncio.gather(*(gate.take(units) for _ in range(calls)))
        return time.monotonic() - begin

    # 600 a minute = 10 a second; the first second's are free.
    assert 0.4 < asyncio.run(spend(600, 16, 1)) < 1.5
    assert asyncio.run(spend(600, 5, 1)) < 0.3
    assert 0.4 < asyncio.run(spend(6000, 16, 10)) < 1.5


def test_calls_a_minute_are_bounded() -> None:
    with FakeServer() as server:
        begin = time.monotonic()
        ask(server, chats(25), requests_per_minute=600)
        assert time.monotonic() - begin > 1.3


def test_a_budget_of_calls_is_kept_and_a_later_run_makes_the_rest(tmp_path: Path) -> None:
    requests = chats(250)
    with FakeServer() as server:
        with CallCache(tmp_path / "c") as cache:
            bounded = Caller(OpenAIEngine("m", base_url=server.url), cache, max_calls=100)
            with pytest.raises(BudgetReached, match="100 calls are made and 150 more calls"):
                list(bounded.run(requests, CONFIG))
            assert len(server.bodies) == 100 == cache.count()
            with pytest.raises(BudgetReached):
                list(bounded.run(requests, CONFIG))
            assert len(server.bodies) == 100
        with CallCache(tmp_path / "c") as cache:
            caller = Caller(OpenAIEngine("m", base_url=server.url), cache)
            assert sum(len(group) for group in caller.run(requests, CONFIG)) == 250
        assert len(server.bodies) == 250 and set(server.answered.values()) == {1}


def test_failed_calls_count_towards_the_budget(tmp_path: Path) -> None:
    with FakeServer(fault=lambda b, a: "400") as server, CallCache(tmp_path / "c") as cache:
        bounded = Caller(OpenAIEngine("m", base_url=server.url), cache, max_calls=5)
        with pytest.raises(BudgetReached):
            list(bounded.run(chats(9), CONFIG))
        assert len(server.bodies) == 5


def test_a_budget_breaks_no_planned_batch(cache: CallCache) -> None:
    engine = FakeEngine(batch_size=3)
    with pytest.raises(BudgetReached):
        list(Caller(engine, cache, max_calls=7).run(chats(9), CONFIG))
    assert [len(batch) for batch in engine.batches] == [3, 3]


def test_settings_of_one_server_alone_are_sent_and_tell_calls_apart() -> None:
    with FakeServer() as server:
        ask(server, chats(1), extra_body={"top_k": 5})
        assert server.bodies[0]["top_k"] == 5
        plain, other = (
            OpenAIEngine("m", base_url=server.url, extra_body=e) for e in (None, {"top_k": 5})
        )
    assert plain.identity != other.identity and "top_k" not in other.identity


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens", "n", "model", "stream"])
def test_what_the_engine_says_itself_is_no_extra_setting(name: str) -> None:
    with pytest.raises(UsageError, match=f"extra_body holds {name}, which the engine says itself"):
        OpenAIEngine("m", extra_body={"top_k": 5, name: 5000})


def draws(prompts: int, each: int) -> list[Request]:
    return [
        Request((Message(role="user", content=f"q{p}"),), d)
        for p in range(prompts)
        for d in range(each)
    ]


def test_draws_of_a_prompt_in_one_request(cache: CallCache) -> None:
    said = lambda body: f"{last_text(body)} draw {body['choice']}"  # noqa: E731
    with FakeServer(reply=said) as server:
        engine = OpenAIEngine("m", base_url=server.url, draws_per_request=3)
        caller = Caller(engine, cache, price=Price(1.0, 1.0, "x"))
        found = [a for group in caller.run(draws(4, 5), CONFIG) for a in group]
    assert sorted(body.get("n", 1) for body in server.bodies) == [2] * 4 + [3] * 4
    texts = {a.index: a.completion.text for a in found}
    assert [texts[i] for i in range(5)] == [f"q0 draw {d}" for d in (0, 1, 2, 0, 1)]
    (spent,) = cache.spent()
    assert (spent.calls, spent.prompt_tokens, spent.completion_tokens) == (20, 8 * 7, 20 * 5)
    assert spent.cost == pytest.approx((8 * 7 + 20 * 5) / 1e6)


def test_draws_that_are_copies_are_asked_for_one_by_one() -> None:
    said = lambda body: f"{last_text(body)} {body['seed']}"  # noqa: E731
    with FakeServer(reply=said) as server:
        engine = OpenAIEngine("m", base_url=server.url, draws_per_request=4, max_concurrency=2)
        flight = engine.start(draws(9, 4), range(36), CONFIG)
        found = dict(pair for group in flight for pair in group)
        flight.stop()
    assert len({c.text for c in found.values()}) == 36
    assert len(flight.notes) == 1 and "same text" in flight.notes[0]
    asked = [body.get("n", 1) for body in server.bodies]
    assert 3 <= asked.count(4) <= 7


@pytest.mark.parametrize("ill", [{"draws": False}, {"refuses": ("n",)}], ids=["ignores", "refuses"])
def test_a_server_that_gives_one_draw_a_request(ill, tmp_path: Path) -> None:
    notes: list[str] = []
    with FakeServer(**ill) as server, CallCache(tmp_path / "c") as cache:
        engine = OpenAIEngine("m", base_url=server.url, draws_per_request=4, max_concurrency=2)
        caller = Caller(engine, cache, on_note=notes.append)
        found = [a for group in caller.run(draws(6, 4), CONFIG) for a in group]
        assert sorted(a.index for a in found) == list(range(24))
        assert all(a.completion.finish_reason == "stop" for a in found)
    asked = [body.get("n", 1) for body in server.bodies]
    assert 1 <= asked.count(4) <= 4 and len(asked) <= 24 + 4  # found out once, by those under way
    assert len(notes) == 1 and "draw" in notes[0]
