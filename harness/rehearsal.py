"""An evaluation gone through with models that answer nothing, to see what it will ask."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from backends.engines.caller import Caller
from backends.engines.engine import Completion, GenerateConfig, Request, Usage
from harness.run import Run
from judges.judging import Judge
from results.cache import CallCache


class Silent:
    """An engine that answers nothing and keeps what it was asked."""

    def __init__(self) -> None:
        self.identity = "plan:nothing is called"
        self.startup_seconds = 0.0
        self.asked: list[Request] = []
        self.config = GenerateConfig()

    def plan(self, requests: Sequence[Request]) -> list[list[int]]:
        """One batch of all."""
        return [list(range(len(requests)))] if requests else []

    def generate(
        self, requests: Sequence[Request], seeds: Sequence[int], config: GenerateConfig
    ) -> list[Completion]:
        """Empty answers."""
        self.asked += requests
        self.config = config
        return [Completion("", "stop", Usage(0, 0)) for _ in requests]

    def close(self) -> None:
        """Nothing is held."""


def rehearse(run: Run) -> list[tuple[str, list[Request], GenerateConfig]]:
    """What one evaluation asks of the policy and of the judge."""
    policy, judge = Silent(), Silent()
    with tempfile.TemporaryDirectory(prefix="srlm-plan-") as name:
        folder = Path(name)
        with CallCache(folder / "calls.sqlite") as cache:
            judging = Judge(run.spec, Caller(judge, cache), run.config.judge.model, False)
            asked = Caller(policy, cache)
            run.benchmark.evaluate(asked, judging, None, folder / "evaluation", run.config.seed)
    return [("policy", policy.asked, policy.config), ("judge", judge.asked, judge.config)]
