"""An evaluation gone through with models that answer nothing, to see what it will ask."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from backends.engines.caller import Caller
from backends.engines.engine import Completion, GenerateConfig, Request, Usage
from benchmarks.benchmark import Benchmark
from judges.judging import Judge
from judges.spec import JudgeSpec
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

    def lm_eval_model(self) -> None:
        """Nothing is run."""

    def close(self) -> None:
        """Nothing is held."""


def asked_in_silence(ask: Callable[[Caller, Path], object]) -> Silent:
    """What ``ask`` asks of a model, keeping its records in the folder that it is given."""
    silent = Silent()
    with (
        tempfile.TemporaryDirectory(prefix="srlm-plan-") as name,
        CallCache(Path(name) / "calls.sqlite") as cache,
    ):
        ask(Caller(silent, cache), Path(name))
    return silent


@dataclass(frozen=True)
class Rehearsal:
    """What one evaluation asks of the model and of the judge, the decoding of the last call of
    each, and the hash of all that.
    """

    model: list[Request]
    model_config: GenerateConfig
    judge: list[Request]
    judge_config: GenerateConfig
    data: str


def rehearse(
    benchmark: Benchmark, spec: JudgeSpec | None, baseline: Path | None, seed: int
) -> Rehearsal:
    """Goes through an evaluation with a judge of ``spec``, or with none.

    Raises:
        SrlmError: what the evaluation would raise before any answer is there.
    """
    policy, judge = Silent(), Silent()
    with tempfile.TemporaryDirectory(prefix="srlm-plan-") as name:
        folder = Path(name)
        with CallCache(folder / "calls.sqlite") as cache:
            judging = None if spec is None else Judge(spec, Caller(judge, cache), "judge", False)
            found = benchmark.evaluate(
                Caller(policy, cache), judging, baseline, folder / "evaluation", seed
            )
    return Rehearsal(policy.asked, policy.config, judge.asked, judge.config, found.data)
