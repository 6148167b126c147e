"""Seed data: answered instructions (IFT) and judged answers (EFT), written once a run."""

from __future__ import annotations

from benchmarks.registry import SeedData, load_seed_data
from harness.run import Run
from judges.pointwise import prompt_text
from results.errors import UsageError
from results.records import Example
from results.store import RecordFile


def seed(run: Run) -> SeedData:
    """The run's seed data. An IFT prompt that the benchmark holds out is an error, not a leak."""
    ift = RecordFile(run.folder / "seed" / "ift.jsonl", Example)
    eft = RecordFile(run.folder / "seed" / "eft.jsonl", Example)
    if ift.done and eft.done:
        return SeedData(ift.read(), eft.read())
    run.display.start("seed", "seed")
    data = load_seed_data(run.config.data.source, run.config.data.options, run.config.seed)
    if not data.ift:
        raise UsageError(
            f"data.source {run.config.data.source}: no IFT example came out; SFT needs some"
        )
    leaks = [e.id for e in data.ift if run.benchmark.held_out(prompt_text(e.prompt))]
    if leaks:
        raise UsageError(
            f"data.source {run.config.data.source}: {len(leaks)} IFT prompts are held out for "
            f"evaluation (the first is {leaks[0]}); remove them or use other evaluation data"
        )
    eft.replace(data.eft)
    ift.replace(data.ift)
    run.display.finish("seed", "seed", f"{len(data.ift)} IFT, {len(data.eft)} EFT")
    return data
