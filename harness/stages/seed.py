"""Seed data: answered instructions (IFT) and judged answers (EFT), written once a run."""

from __future__ import annotations

from benchmarks.registry import SeedData, load_seed_data
from harness.run import Run
from judges.pointwise import prompt_text
from results.errors import UsageError
from results.records import Example
from results.store import RecordFile


def read_seed(run: Run) -> SeedData:
    """The run's seed data, from its records or from the source; nothing is written."""
    ift, eft = _files(run)
    if ift.done and eft.done:
        return SeedData(ift.read(), eft.read())
    return fresh_seed(run)


def fresh_seed(run: Run) -> SeedData:
    """The seed data as the source gives it.

    Raises:
        UsageError: there is no IFT, or an IFT prompt is held out for evaluation.
    """
    source = run.config.data.source
    data = load_seed_data(source, run.config.data.options, run.config.seed)
    if not data.ift:
        raise UsageError(f"data.source {source}: no IFT example came out; SFT needs some")
    leaks = [e.id for e in data.ift if run.benchmark.held_out(prompt_text(e.prompt))]
    if leaks:
        raise UsageError(
            f"data.source {source}: {len(leaks)} IFT prompts are held out for evaluation (the "
            f"first is {leaks[0]}); remove them or use other evaluation data"
        )
    return data


def keep_seed(run: Run, data: SeedData) -> None:
    """Writes the seed data into the run folder, once."""
    ift, eft = _files(run)
    if ift.done and eft.done:
        return
    run.display.start("seed", "seed")
    eft.replace(data.eft)
    ift.replace(data.ift)
    run.display.finish("seed", "seed", f"{len(data.ift)} IFT, {len(data.eft)} EFT")


def _files(run: Run) -> tuple[RecordFile[Example], RecordFile[Example]]:
    folder = run.folder / "seed"
    return RecordFile(folder / "ift.jsonl", Example), RecordFile(folder / "eft.jsonl", Example)
