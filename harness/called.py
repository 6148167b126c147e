"""A model that a command outside of a run calls: named on the command line, opened, priced."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from backends.engines.caller import Caller
from backends.engines.engine import Engine
from backends.prices import Price, PriceFile
from backends.registry import ENGINES, open_engine
from harness.calling import check_price, open_caller
from harness.config import Budget
from harness.display import Display
from harness.folder import note_spent
from results.cache import CallCache
from results.errors import UsageError
from results.plugins import complete_options

MODEL = re.compile(r"[A-Za-z][A-Za-z0-9_-]*:(?!//).+", re.S)  # engine:name
# Options of an engine that change no answer: they may differ when work is gone on with.
PACE = ("api_key_env", "max_concurrency", "timeout_s", "max_retries", "down_timeout_s",
        "requests_per_minute", "tokens_per_minute", "batch")  # fmt: skip


@dataclass(frozen=True)
class Called:
    """A model by its ``engine:name``; its engine is opened and holds no weights yet. ``price`` is
    null where nobody knows it.
    """

    name: str
    engine: Engine
    options: dict[str, Any]
    price: Price | None


def open_called(
    word: str,
    name: str,
    options: dict[str, Any],
    budget: Budget,
    others: Sequence[Called] = (),
) -> Called:
    """Opens the model ``name``, which ``word`` of the command line gives; one of ``others`` that is
    the same with the same options is taken instead, so that no weights are loaded twice.

    Raises:
        UsageError: it is not ``engine:name``, an option is unknown, or ``budget.max_cost`` bounds
            a model whose price nobody knows.
    """
    engine, colon, model = name.partition(":")
    if not colon or not model:
        raise UsageError(f"{word} {name!r}: expected engine:name, such as hf:PATH_OR_ID")
    full = complete_options("engine", engine, ENGINES.load(engine), options, given=("model",))
    for other in others:
        if (other.name, other.options) == (name, full):
            return other
    prices = PriceFile.read(Path(p) if (p := budget.prices) else None)
    check_price(budget, prices, engine, model, full)
    return Called(name, open_engine(engine, model, full), full, prices.price(engine, model, full))


def without_pace(options: dict[str, Any]) -> dict[str, Any]:
    """The options of an engine that change answers."""
    return {key: value for key, value in options.items() if key not in PACE}


@contextmanager
def callers(
    folder: Path, models: Sequence[Called], budget: Budget, display: Display
) -> Iterator[list[Caller]]:
    """The models behind the cache of ``folder``, in their order; at the end their weights are freed
    and what they took is noted in the folder's manifest.
    """
    with CallCache(folder / "calls.sqlite", records=folder, notice=display.note) as cache:
        try:
            yield [open_caller(m.engine, cache, display, budget, m.price) for m in models]
        finally:
            note_spent(folder, [asdict(part) for part in cache.spent()])
            for model in models:
                model.engine.close()
