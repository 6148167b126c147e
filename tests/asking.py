"""The openai engine asked by hand: requests, and a short way to their answers."""

from __future__ import annotations

from backends.engines.engine import GenerateConfig, Request
from backends.engines.openai_chat import OpenAIEngine
from results.records import Message
from tests.fake_server import FakeServer

KEY = "sk-secret-0123456789"


CONFIG = GenerateConfig(max_tokens=50)


def no_waiting(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr("backends.engines.server_calls.FIRST_WAIT_S", 0.01)


def chats(n: int) -> list[Request]:
    return [Request((Message(role="user", content=f"q{i}"),)) for i in range(n)]


def ask(server: FakeServer, requests, config=CONFIG, model="m", **options):
    engine = OpenAIEngine(model, base_url=server.url, **options)
    return engine.generate(requests, list(range(len(requests))), config)
