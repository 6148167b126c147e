"""A run of the quick start whose models are fakes, for tests of its stages."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import harness.run
from backends.engines.engine import Request
from benchmarks.registry import open_benchmark
from harness.config import RunConfig
from harness.display import Display
from harness.recipe import load_recipe
from harness.run import Run
from judges.spec import load_spec
from tests.fakes import FakeEngine, Reply, prompt_of

SMALL = ["evaluation.options={items: 10, rankings: 2}"]


class FakeRun:
    """A run on fake engines that answer by ``reply``, its folder, and what it said."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, reply: Reply,
                 settings: Sequence[str]) -> None:  # fmt: skip
        self.folder, self.reply = folder, reply
        self.engines: list[FakeEngine] = []
        self.said = io.StringIO()
        patch.setattr(harness.run, "open_engine", self._open)
        self.config: RunConfig = load_recipe("quickstart", [*SMALL, *settings]).config
        self.run = self.opened()

    def _open(self, name: str, model: str, options: object) -> FakeEngine:
        model = model.removeprefix(f"{self.folder}/")  # the same in every folder
        self.engines.append(FakeEngine(model, 5, lambda r, s: self.reply(r, s)))
        return self.engines[-1]

    def opened(self) -> Run:
        """The run, opened (again) in its folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        evaluation = self.config.evaluation
        return Run(
            self.config, self.folder, Display(Console(file=self.said, width=300)),
            load_spec(self.config.judge.spec),
            open_benchmark(evaluation.benchmark, evaluation.options), None, Path("m0"),
        )  # type: ignore[arg-type]  # fmt: skip

    @property
    def calls(self) -> list[Request]:
        """Every call that was computed, in order."""
        return [call for engine in self.engines for call in engine.calls]

    @property
    def asked(self) -> list[str]:
        """The same as texts."""
        return [prompt_of(call) for call in self.calls]

    def rows(self, k: int = 2) -> list[dict[str, Any]]:
        """The prompts of iteration ``k`` as they are stored."""
        text = (self.folder / f"iter_{k}" / "prompts.jsonl").read_text()
        return [json.loads(line) for line in text.splitlines()]

    def files(self) -> dict[str, bytes]:
        """All files of all iterations."""
        found = sorted(self.folder.glob("iter_*/*"))
        return {p.relative_to(self.folder).as_posix(): p.read_bytes() for p in found}


def fake_runs(
    folder: Path, patch: pytest.MonkeyPatch, reply: Reply, settings: Sequence[str]
) -> Iterator[Callable[..., FakeRun]]:
    """For a fixture: makes runs with ``settings`` and more of a test's own, and closes them."""
    patch.setattr(os, "fsync", lambda fd: None)  # durability is tested with the store
    made: list[FakeRun] = []

    def make(*overrides: str, name: str = "run") -> FakeRun:
        made.append(FakeRun(folder / name, patch, reply, [*settings, *overrides]))
        return made[-1]

    yield make
    for one in made:
        one.run.close()
