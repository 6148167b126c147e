"""Seed data: answered instructions (IFT) and judged answers (EFT), written once a run."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.human_data.split import bare_text
from benchmarks.registry import SeedData, load_seed_data
from harness.evaluation_texts import contamination, not_compared
from harness.run import Run
from judges.pointwise import prompt_text
from results.errors import UsageError
from results.records import Contaminated, Example
from results.store import RecordFile
from results.text import excerpt


def read_seed(run: Run) -> SeedData:
    """The run's seed data, from its records or from the source; nothing is written."""
    ift, eft = _files(run)
    if ift.done and eft.done:
        return SeedData(ift.read(), eft.read())
    return fresh_seed(run)


def fresh_seed(run: Run) -> SeedData:
    """The seed data as the source gives it, without the IFT that ``prompts.decontaminate`` drops.

    Raises:
        UsageError: there is no IFT, or none is left, or an IFT prompt is held out for evaluation.
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
    return _decontaminated(run, data)


def _decontaminated(run: Run, data: SeedData) -> SeedData:
    index = contamination(run)
    if index is None:
        return data
    clean, hits = [], []
    for example in data.ift:
        if (hit := index.hit(bare_text(example.prompt))) is None:
            clean.append(example)
        else:
            hits.append(Contaminated(id=example.id, prompt=example.prompt, detail=hit))
    if not clean:
        raise UsageError(
            f"prompts.decontaminate: all {len(hits)} IFT prompts of data.source "
            f"{run.config.data.source} share words with evaluation texts (the first with "
            f"{excerpt(hits[0].detail)}); use other evaluation data or set it to null"
        )
    return replace(data, ift=clean, contaminated=hits)


def keep_seed(run: Run, data: SeedData) -> None:
    """Writes the seed data into the run folder, once."""
    ift, eft = _files(run)
    if ift.done and eft.done:
        return
    run.display.start("seed", "seed")
    if data.contaminated:
        hits = RecordFile(run.folder / "seed" / "contaminated.jsonl", Contaminated)
        hits.replace(data.contaminated)
    eft.replace(data.eft)
    ift.replace(data.ift)
    said = f"{len(data.ift)} IFT, {len(data.eft)} EFT"
    if run.config.prompts.decontaminate is not None:
        said += f", {len(data.contaminated)} IFT contaminated and left out"
    run.display.finish("seed", "seed", said)
    if (line := not_compared(run)) is not None:
        run.display.note(line)


def _files(run: Run) -> tuple[RecordFile[Example], RecordFile[Example]]:
    folder = run.folder / "seed"
    return RecordFile(folder / "ift.jsonl", Example), RecordFile(folder / "eft.jsonl", Example)
