"""Several endpoints, and servers that are away: who gets the calls, and what ends a run."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from backends.engines.openai_chat import OpenAIEngine
from results.errors import SrlmError
from tests.asking import CONFIG, ask, chats, no_waiting
from tests.fake_server import FakeServer, last_text


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    no_waiting(monkeypatch)


def test_endpoints_share_the_calls_and_one_may_die() -> None:
    with FakeServer(seconds=0.02) as one, FakeServer(seconds=0.02) as two:
        urls = f"{one.url}, {two.url}/"
        engine = OpenAIEngine("m", base_url=urls, max_concurrency=4)
        assert all(c.finish_reason == "stop" for c in engine.generate(chats(80), range(80), CONFIG))
        assert min(len(one.bodies), len(two.bodies)) >= 25
    with FakeServer() as alive:
        urls = f"{one.url},{alive.url}"
        engine = OpenAIEngine("m", base_url=urls, max_concurrency=4)
        assert all(c.finish_reason == "stop" for c in engine.generate(chats(40), range(40), CONFIG))
        assert len(alive.bodies) == 40


@pytest.mark.parametrize("fault", ["502", "429", "500", "page", "429 30", "503 7200"])
def test_an_endpoint_that_refuses_is_left_alone_while_another_answers(fault: str) -> None:
    def always(body, attempt: int) -> str:
        return fault

    with FakeServer(fault=always) as ill, FakeServer(seconds=0.05) as well:
        engine = OpenAIEngine("m", base_url=f"{ill.url},{well.url}", max_concurrency=4)
        begin = time.monotonic()
        found = engine.generate(chats(100), range(100), CONFIG)
        assert all(c.finish_reason == "stop" for c in found)
        assert len(ill.bodies) <= 16 and len(well.bodies) == 100
        assert time.monotonic() - begin < 5  # 1.25 s of work


@pytest.mark.parametrize("ill", ["404", "401", "402", "429 9999"])
def test_an_endpoint_that_takes_no_call_is_left_out_and_said(ill: str) -> None:
    with FakeServer(fault=lambda b, a: ill) as bad, FakeServer(seconds=0.02) as well:
        urls = f"{bad.url},{well.url}"
        flight = OpenAIEngine("m", base_url=urls, max_concurrency=3).start(
            chats(40), range(40), CONFIG
        )
        found = dict(pair for group in flight for pair in group)
        flight.stop()
        assert [c.finish_reason for c in found.values()] == ["stop"] * 40
        assert len(bad.bodies) <= 3
    if not ill.startswith("429"):  # that one rests
        assert any(bad.url in line and "other endpoints" in line for line in flight.notes)
    with (
        FakeServer(fault=lambda b, a: ill) as one,
        FakeServer(fault=lambda b, a: ill) as two,
        pytest.raises(SrlmError, match=ill[:3]),
    ):
        OpenAIEngine("m", base_url=f"{one.url},{two.url}").generate(chats(9), range(9), CONFIG)


def test_an_endpoint_that_answers_as_another_model_fails_no_call_that_another_answers() -> None:
    with FakeServer(fault=lambda b, a: "other_model") as ill, FakeServer(seconds=0.1) as well:
        engine = OpenAIEngine("m", base_url=f"{ill.url},{well.url}", max_concurrency=3,
                              max_retries=3)  # fmt: skip
        found = engine.generate(chats(40), range(40), CONFIG)
    assert [c.finish_reason for c in found] == ["stop"] * 40


def test_a_key_that_one_of_two_refuses_is_said_before_the_first_call(monkeypatch) -> None:
    with FakeServer(key="another-key") as shut, FakeServer() as open_:
        engine = OpenAIEngine("m", base_url=f"{shut.url},{open_.url}")
        (line,) = engine.look()
        assert shut.url in line and "refuses the key" in line and "other endpoints" in line
        assert all(c.finish_reason == "stop" for c in engine.generate(chats(9), range(9), CONFIG))
        assert shut.bodies == []


def test_an_endpoint_without_connection_is_not_said_to_end_the_run(tmp_path: Path) -> None:
    with FakeServer() as gone:
        pass
    with FakeServer() as alive:
        for urls, said in (
            (gone.url, "it is tried for 0.3 s"),
            (f"{gone.url},{alive.url}", "other endpoints"),
        ):
            flight = OpenAIEngine("m", base_url=urls, down_timeout_s=0.3).start(
                chats(3), range(3), CONFIG
            )
            with suppress(SrlmError):
                list(flight)
            flight.stop()
            assert any("no connection" in line and said in line for line in flight.notes)


def test_weights_that_a_server_does_not_load_are_said_to_be_asked_by_folder(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    with FakeServer() as server, pytest.raises(SrlmError, match="transformers serve") as found:
        ask(server, chats(1), model=str(tmp_path))
    assert str(tmp_path) in str(found.value)
    with FakeServer(lists=False) as server, pytest.raises(SrlmError) as found:
        ask(server, chats(1), model="other")
    assert "transformers" not in str(found.value)


def test_a_very_long_order_to_wait_is_short_to_read() -> None:
    with (
        FakeServer(fault=lambda b, a: "429 1e300") as server,
        pytest.raises(SrlmError, match=r"asks to wait 1e\+300 s"),
    ):
        ask(server, chats(1))


def test_an_endpoint_that_recovers_gets_calls_again() -> None:
    ill: list[bool] = []

    def first_six(body, attempt: int) -> str | None:
        ill.append(len(ill) < 6)
        return "502" if ill[-1] else None

    with FakeServer(fault=first_six, seconds=0.05) as one, FakeServer(seconds=0.05) as two:
        engine = OpenAIEngine("m", base_url=f"{one.url},{two.url}", max_concurrency=4)
        found = engine.generate(chats(200), range(200), CONFIG)
        assert all(c.finish_reason == "stop" for c in found)
        assert one.answered.total() >= 10


def test_away_counts_where_nobody_answers() -> None:
    with FakeServer(fault=lambda b, a: "502") as one, FakeServer(fault=lambda b, a: "503") as two:
        engine = OpenAIEngine("m", base_url=f"{one.url},{two.url}", max_retries=3)
        found = engine.generate(chats(3), range(3), CONFIG)
        assert all(c.finish_reason == "error" for c in found)
        assert len(one.bodies) + len(two.bodies) == 12


def test_nobody_comes_back_at_the_same_moment() -> None:
    again: list[float] = []

    def fault(body, attempt: int) -> str | None:
        if attempt:
            again.append(time.monotonic())
        return None if attempt else "429 1"

    with FakeServer(fault=fault) as server:
        ask(server, chats(33), max_concurrency=33)
    others = sorted(again)[1:]  # the first call went ahead
    assert others[-1] - others[0] > 0.15


def test_a_server_that_comes_back_is_waited_for() -> None:
    first = FakeServer(seconds=0.05, reply=last_text)
    with first:
        engine = OpenAIEngine("m", base_url=first.url, max_concurrency=4)
        flight = engine.start(chats(60), range(60), CONFIG)
        groups = iter(flight)
        found = list(next(groups))
    timer = threading.Timer(1.0, lambda: second.__enter__())
    second = FakeServer(port=first.port, reply=last_text)
    timer.start()
    try:
        found += [pair for group in groups for pair in group]
    finally:
        timer.join()
        second.__exit__()
        flight.stop()
    assert sorted(i for i, _ in found) == list(range(60))
    assert all(c.text == f"q{i}" for i, c in found)


def test_a_server_that_stays_away_ends_the_run() -> None:
    with FakeServer() as server:
        pass
    with pytest.raises(SrlmError, match=r"no connection for 0\.3 s .*start the server"):
        ask(server, chats(3), down_timeout_s=0.3)
