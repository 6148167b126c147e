"""Callers as every command opens them: with its display, its clock and its budget."""

from __future__ import annotations

from typing import Any

from backends.engines.caller import Caller, Tally
from backends.engines.engine import Engine
from backends.prices import Price, PriceFile
from harness.config import Budget
from harness.display import Display
from results.cache import CallCache
from results.errors import UsageError
from results.text import dollars


def open_caller(
    engine: Engine, cache: CallCache, display: Display, budget: Budget, price: Price | None
) -> Caller:
    """``engine`` behind ``cache``; progress goes to ``display``, and ``budget`` bounds it."""

    def show(tally: Tally, of: int) -> None:
        rate = tally.tokens / tally.seconds if tally.seconds else 0
        facts = (
            f"cached {tally.cached} retried {tally.retried} failed {tally.failed} "
            f"unscored {tally.unscored} "
            f"{rate:.0f} tokens/s"
        ) + (f" {dollars(tally.cost)}" if tally.cost else "")
        display.progress(tally.done, of, facts)

    def spend(model_seconds: float, startup_seconds: float) -> None:
        display.clock.model += model_seconds
        display.clock.startup += startup_seconds

    return Caller(
        engine, cache, show, spend, display.note, budget.max_calls, price, budget.max_cost
    )


def check_price(
    budget: Budget, prices: PriceFile, name: str, model: str, options: dict[str, Any]
) -> None:
    """Raises UsageError when ``budget.max_cost`` bounds a model whose price nobody knows."""
    if budget.max_cost is not None and prices.price(name, model, options) is None:
        server = f" at {url}" if (url := options.get("base_url")) else ""
        raise UsageError(
            f"budget.max_cost: no price is known for {name}:{model}{server}; name a file with it "
            "in budget.prices, or set budget.max_calls instead"
        )
