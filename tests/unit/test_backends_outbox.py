"""An interruption at whatever step: no answer that a server gave is lost or there twice."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from backends.engines.caller import Caller
from backends.engines.engine import Completion, GenerateConfig, Request, Usage
from backends.engines.openai_chat import OpenAIEngine
from backends.engines.outbox import Outbox
from backends.engines.server_calls import ServerCalls
from results.cache import CallCache
from tests.fake_server import FakeServer


def interrupted(at: int, where: set[Any], event: str, do: Callable[[], None]) -> bool:
    """Does it with an interruption at step ``at`` of the functions ``where``; whether it came."""
    left = at

    def step(frame: Any, kind: str, arg: Any) -> Any:
        nonlocal left
        if frame.f_code not in where:
            return None
        frame.f_trace_opcodes = event == "opcode"
        left -= kind == event
        if left == 0 and kind == event:
            left = -1
            sys.settrace(None)
            raise KeyboardInterrupt
        return step

    before = sys.gettrace()
    sys.settrace(step)
    try:
        do()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False


def test_an_answer_lies_in_two_places_before_it_leaves_the_first() -> None:
    answers = {i: Completion(f"a{i}", "stop", Usage(1, 1)) for i in range(3)}
    came, at = True, 0
    while came:
        box, at = Outbox(), at + 1
        for found in answers.items():
            box.put(found)
        came = interrupted(at, {Outbox.look.__code__}, "opcode", lambda box=box: box.look())
        assert box.look() is None
        assert box.held == answers
    assert at > 30


@pytest.mark.parametrize("at", [2, 6, 9, 11, 12, 13, 15, 19, 31])
def test_what_was_answered_is_stored(at: int, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-0123456789")
    where = {ServerCalls.__iter__.__code__, Caller._finished.__code__, Outbox.look.__code__}
    with FakeServer(seconds=0.01) as server, CallCache(tmp_path / "c") as cache:
        caller = Caller(OpenAIEngine("m", base_url=server.url, max_concurrency=2), cache)
        requests = [Request(f"q{i}") for i in range(6)]

        def run() -> None:
            with closing(caller.run(requests, GenerateConfig(max_tokens=5))) as groups:
                for _ in groups:
                    pass

        came = interrupted(at, where, "line", run)
        assert came or at > 40
        assert cache.count() == server.answered.total()


def test_an_interruption_says_what_it_waits_for_and_a_second_one_keeps_what_came(
    tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-0123456789")
    told: list[str] = []
    join = threading.Thread.join

    def joins(thread: threading.Thread, timeout: float | None = None) -> None:
        if thread.name != "srlm calls":
            return join(thread, timeout)
        time.sleep(0.6)  # meanwhile those that are under way come
        raise KeyboardInterrupt

    with FakeServer(seconds=0.3) as server, CallCache(tmp_path / "c") as cache:
        engine = OpenAIEngine("m", base_url=server.url, max_concurrency=3)
        caller = Caller(engine, cache, on_note=told.append)
        groups = caller.run([Request(f"q{i}") for i in range(9)], GenerateConfig(max_tokens=5))
        next(groups)
        monkeypatch.setattr(threading.Thread, "join", joins)
        groups.close()
        monkeypatch.undo()
        assert cache.count() == server.answered.total() >= 2
    assert len(told) == 1 and "calls under way are waited for" in told[0]
