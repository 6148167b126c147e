"""The benchmarks and seed-data sources there are. Outside packages add theirs by entry point."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.benchmark import Benchmark
from judges.rankings import RankedPrompt
from results.plugins import Table, check_options, construct
from results.records import Contaminated, Example

BENCHMARKS = Table(
    "benchmark",
    "srlm.benchmarks",
    {
        "micro_world": "benchmarks.micro_world.benchmark:MicroWorld",
        "judge_agreement": "benchmarks.judge_agreement:JudgeAgreement",
        "alpaca_eval2": "benchmarks.alpaca_eval2.benchmark:AlpacaEval2",
        "mt_bench": "benchmarks.mt_bench.benchmark:MtBench",
        "nlp": "benchmarks.nlp.benchmark:Nlp",
        "safety": "benchmarks.safety.benchmark:Safety",
    },
    {},
)
SOURCES = Table(
    "data source",
    "srlm.sources",
    {
        "micro_world": "benchmarks.micro_world.seed_data:seed_data",
        "guarded_world": "benchmarks.micro_world.guarded:seed_data",
        "oasst": "benchmarks.oasst:seed_data",
        "jsonl": "benchmarks.jsonl_data:seed_data",
    },
    {},
)


@dataclass(frozen=True)
class SeedData:
    """Human-written seed data: instructions with answers (IFT), judged answers (EFT).

    ``ranked``: training prompts with several answers that people ranked, from which EFT can be
    judged. ``notes``: what the user should know of it, one line each. ``contaminated``: the
    instructions that were left out because an evaluation text is in them.
    """

    ift: list[Example]
    eft: list[Example]
    ranked: list[RankedPrompt] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    contaminated: list[Contaminated] = field(default_factory=list)


def open_benchmark(name: str, options: Mapping[str, Any]) -> Benchmark:
    """The benchmark ``name`` with its own ``options``."""
    benchmark: Benchmark = construct("benchmark", name, BENCHMARKS.load(name), options)
    return benchmark


def load_seed_data(name: str, options: Mapping[str, Any], seed: int) -> SeedData:
    """Seed data from the source ``name``, drawn with ``seed``."""
    source: Callable[..., SeedData] = SOURCES.load(name)
    check_options("data source", name, source, options, given=("seed",))
    data: SeedData = construct("data source", name, source, {**options, "seed": seed})
    return data
