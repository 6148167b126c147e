"""What several test files share: a tiny model and a cache."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from results.cache import CallCache

if TYPE_CHECKING:
    from tests.fake_server import FakeServer
    from tests.judging import Judging

TEXTS = [
    "List two red fruits. Here are two red fruits: apple and cherry.",
    "Count from 3 to 5. Sure: 3, 4, 5.\nScore: 5",
    "What does a cow eat? A cow eats grass. It lives on the farm.",
    "Say the word goat three times. Sure: goat, goat, goat.",
]


@pytest.fixture(scope="session", autouse=True)
def _own_memo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Hashes of the weights that tests make are not remembered in the user's home."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("memo")))
        yield


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a Llama with one layer, 96 positions and sharp random weights. Not to be
    written to.
    """
    from transformers.utils import logging

    from backends.fresh_model import fresh_llama, train_tokenizer

    logging.disable_progress_bar()
    folder = tmp_path_factory.mktemp("tiny") / "llama"
    tokenizer = train_tokenizer(TEXTS * 2, 300)
    model = fresh_llama(tokenizer, hidden=16, layers=1, heads=2, positions=96, seed=0)
    # Fresh weights are so small that every prompt gets nearly the same, flat distribution.
    for weights in model.parameters():
        weights.data.mul_(4 if weights.dim() > 1 else 1)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[CallCache]:
    with CallCache(tmp_path / "calls.sqlite") as opened:
        yield opened


@pytest.fixture(scope="module")
def judge_server() -> Iterator[FakeServer]:
    """One server for all tests of a file; ``judging`` makes it new for each."""
    from tests.fake_server import FakeServer

    with FakeServer() as server:
        yield server


@pytest.fixture
def judging(
    tmp_path: Path, judge_server: FakeServer, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Judging:  # fmt: skip
    """``srlm judge`` in a folder of its own, on a fair judge."""
    from tests.judging import KEY, Judging, fair

    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.fsync", lambda fd: None)  # durability is tested with the store
    judge_server.reply, judge_server.fault, judge_server.key = fair, lambda body, attempt: None, KEY
    judge_server.bodies.clear()
    judge_server.answered.clear()
    judge_server._seen.clear()
    return Judging(tmp_path, judge_server, capsys)
