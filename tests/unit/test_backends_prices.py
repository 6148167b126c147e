"""Prices: whose they are, what a call costs, and the bound that a budget sets on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from backends.engines.caller import BudgetReached, Caller
from backends.engines.dialect import shares
from backends.engines.engine import Completion, GenerateConfig, Request, Usage
from backends.engines.openai_chat import OPENAI, OpenAIEngine
from backends.prices import Price, PriceFile
from backends.tokens import as_messages
from results.cache import CallCache
from results.errors import UsageError
from results.records import Message
from tests.fake_server import FakeServer
from tests.fakes import FakeEngine

HERE = {"base_url": OPENAI}


@pytest.mark.parametrize(
    ("model", "known"),
    [("gpt-4o", True), ("gpt-4o-2024-08-06", True), ("gpt-4-0613", True), ("gpt-4o-audio", False),
     ("gpt-99", False), ("", False), ("gpt-4o-2024-12-24", False), ("gpt-3.5-turbo-0301", False)],
)  # fmt: skip
def test_a_model_has_the_price_of_its_name_or_none(model: str, known: bool) -> None:
    price = PriceFile.read(None).price("openai", model, HERE)
    assert (price is not None) == known
    if price:
        assert price.completion >= price.prompt > 0 and "2026" in price.source


def test_a_dated_name_may_have_a_price_of_its_own() -> None:
    prices = PriceFile.read(None)
    old, new, mini = (
        prices.price("openai", f"gpt-4o{name}", HERE)
        for name in ("-2024-05-13", "-2024-08-06", "-mini-2024-07-18")
    )
    assert old and (old.prompt, old.completion) == (5, 15)
    assert new and (new.prompt, new.completion) == (2.5, 10)
    assert mini and (mini.prompt, mini.completion) == (0.15, 0.6)  # all dates cost the same


def test_another_server_has_other_prices(tmp_path: Path) -> None:
    shipped = PriceFile.read(None)
    assert shipped.price("openai", "gpt-4o", {"base_url": "http://127.0.0.1:8000/v1"}) is None
    assert shipped.price("openai", "gpt-4o", {"base_url": f"{OPENAI},http://x/v1"}) is None
    assert shipped.price("outside", "gpt-4o", {}) is None
    assert shipped.price("hf", "/some/folder", {}) == Price(0.0, 0.0, "this machine")
    path = tmp_path / "prices.yaml"
    path.write_text(
        "checked: 2026-11-01\nservers: {http://x/v1: {m: [1, 2]}, http://y/v1: {m: [2, 1]}}"
    )
    own = PriceFile.read(path)
    assert own.price("openai", "gpt-4o", HERE) is None
    dearest = own.price("openai", "m", {"base_url": "http://x/v1/, http://y/v1"})
    assert dearest == Price(2, 2, "prices of 2026-11-01")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("servers: {u: {m: [1, -2]}}", r"prices\.yaml: servers\.u\.m\.1: .*greater than or equal"),
        ("servers: {u: {m: 3}}", r"prices\.yaml: servers\.u\.m: .*expected checked"),
        ("prices: {}", r"prices\.yaml: "),
        ("- 1", r"prices\.yaml: not YAML with prices; expected checked"),
        ("{", r"prices\.yaml: not YAML with prices"),
    ],
)
def test_a_wrong_file_of_prices(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "prices.yaml").write_text(text)
    with pytest.raises(UsageError, match=message) as caught:
        PriceFile.read(tmp_path / "prices.yaml")
    assert "\n" not in str(caught.value)
    with pytest.raises(UsageError, match="No such file"):
        PriceFile.read(tmp_path / "none.yaml")


def test_what_a_call_can_cost_at_most() -> None:
    price = Price(2.0, 8.0, "x")
    assert price.of(Usage(500_000, 250_000)) == 3.0
    request = Request((Message(role="system", content="ab"), Message(role="user", content="é")))
    assert price.at_most(request, GenerateConfig(max_tokens=100)) == pytest.approx(
        (2 * (2 + 16 + 2 + 16) + 8 * 100) / 1e6
    )


def test_a_budget_of_dollars_is_never_passed(tmp_path: Path) -> None:
    config = GenerateConfig(max_tokens=50)
    price = Price(1000.0, 2000.0, "x")  # an answer of the server: 7 and 5 tokens, $0.017
    requests = [Request(as_messages(f"q{i}")) for i in range(60)]
    with FakeServer() as server, CallCache(tmp_path / "c") as cache:
        engine = OpenAIEngine("m", base_url=server.url)
        caller = Caller(engine, cache, price=price, max_cost=0.5)
        with pytest.raises(BudgetReached, match=r"budget\.max_cost: 0\.\d+ dollars are spent"):
            list(caller.run(requests, config))
        made = cache.count()
        # Up to where one more call, at most $0.119 each, might have passed it.
        assert 0.5 - 0.119 <= cache.cost() <= 0.5
        assert cache.cost() == pytest.approx(made * 0.017)
        assert caller.tally.cost == pytest.approx(cache.cost())
        assert len(server.bodies) == made
        rest = Caller(engine, cache, price=price)
        assert len([a for group in rest.run(requests, config) for a in group]) == 60
        assert len(server.bodies) == 60
        (spent,) = cache.spent()
        assert (spent.model, spent.calls) == (engine.identity, 60)
        assert (spent.prompt_tokens, spent.completion_tokens) == (420, 300)
        assert spent.cost == pytest.approx(60 * 0.017)


def test_a_server_that_counts_no_tokens_is_not_free(cache: CallCache) -> None:
    engine = FakeEngine(reply=lambda request, seed: Completion("a", "stop", Usage(0, 0)))
    price, request = Price(1.0, 1.0, "x"), Request(as_messages("q"))
    list(Caller(engine, cache, price=price).run([request], GenerateConfig()))
    assert cache.cost() == price.at_most(request, GenerateConfig()) > 0


@pytest.mark.parametrize(
    ("said", "read", "written"),
    [({"prompt_tokens": 7}, 7, 50), ({"completion_tokens": 9}, 4 + 16, 9), (None, 4 + 16, 50),
     ({"prompt_tokens": 7, "completion_tokens": "120"}, 7, 50)],
)  # fmt: skip
def test_a_half_that_is_not_counted_is_the_most_it_can_be(
    cache: CallCache, said: dict[str, Any] | None, read: int, written: int
) -> None:
    (usage,) = shares(said, 1)
    engine = FakeEngine(reply=lambda request, seed: Completion("a", "stop", usage))
    caller = Caller(engine, cache, price=Price(1e3, 1e6, "x"))
    list(caller.run([Request("q" * 4)], GenerateConfig(max_tokens=50)))
    assert cache.cost() == pytest.approx(read / 1e3 + written)


def test_draws_that_share_a_few_tokens_cost_no_more_than_those(cache: CallCache) -> None:
    each = shares({"prompt_tokens": 7, "completion_tokens": 2}, 8)
    engine = FakeEngine(reply=lambda r, seed: Completion("a", "stop", each[r.draw]))
    caller = Caller(engine, cache, price=Price(1e3, 1e6, "x"))
    list(caller.run([Request("q", draw) for draw in range(8)], GenerateConfig()))
    assert cache.cost() == pytest.approx(7 / 1e3 + 2)


def test_an_unknown_price_is_no_zero(tmp_path: Path, cache: CallCache) -> None:
    known, unknown = FakeEngine("known"), FakeEngine("unknown")
    requests = [Request(as_messages("q"))]
    list(Caller(known, cache, price=Price(1.0, 1.0, "x")).run(requests, GenerateConfig()))
    list(Caller(unknown, cache).run(requests, GenerateConfig()))
    assert [part.cost is None for part in cache.spent()] == [False, True]
    said = Completion("a", "stop", Usage(1, 1))
    assert Price(0.0, 0.0, "x").of(said.usage) == 0.0
