"""Seed data: answered instructions (IFT), and judged answers (EFT) or what they are made from.

Written once a run.
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.human_data.split import HasPrompt, bare_text
from benchmarks.registry import SeedData, load_seed_data
from harness.run import Run
from judges.agreeing_sets import orders_something
from judges.rankings import RankedPrompt
from results.errors import UsageError
from results.records import Example
from results.store import RecordFile


def read_seed(run: Run) -> SeedData:
    """The run's seed data, from its records or from the source; nothing is written."""
    ift, eft, ranked = _files(run)
    if not _done(run):
        return fresh_seed(run)
    kind = run.config.data.eft
    return SeedData(
        ift.read(),
        eft.read() if kind == "source" else [],
        ranked.read() if kind == "judged" else [],
    )


def fresh_seed(run: Run) -> SeedData:
    """The seed data as the source gives it: its EFT only where ``data.eft`` is ``source``, its
    ranked prompts (those that order something, with their ranked answers) only for ``judged``.

    Raises:
        UsageError: there is no IFT, no ranked prompt where EFT is to be judged from them, or a
            prompt is held out for evaluation.
    """
    source, kind = run.config.data.source, run.config.data.eft
    data = load_seed_data(source, run.config.data.options, run.config.seed)
    if not data.ift:
        raise UsageError(f"data.source {source}: no IFT example came out; SFT needs some")
    ranked = _pool(data.ranked) if kind == "judged" else []
    if kind == "judged" and not ranked:
        raise UsageError(
            f"data.source {source}: no training prompt with several human-ranked answers came out, "
            "which data.eft=judged is made from; give some (for micro_world and jsonl by "
            "data.options.ranked), or data.eft=bootstrap, which needs none"
        )
    _refuse_leaks(run, "IFT", [(e.id, e) for e in data.ift])
    _refuse_leaks(run, "ranked", [(r.id, r) for r in ranked])
    return SeedData(data.ift, data.eft if kind == "source" else [], ranked, data.notes)


def _pool(ranked: Sequence[RankedPrompt]) -> list[RankedPrompt]:
    return [
        prompt.model_copy(update={"responses": [r for r in prompt.responses if r.rank is not None]})
        for prompt in ranked
        if orders_something(prompt)
    ]


def _refuse_leaks(run: Run, kind: str, prompts: Sequence[tuple[str, HasPrompt]]) -> None:
    leaks = [name for name, it in prompts if run.benchmark.held_out(bare_text(it.prompt))]
    if leaks:
        raise UsageError(
            f"data.source {run.config.data.source}: {len(leaks)} {kind} prompts are held out for "
            f"evaluation (the first is {leaks[0]}); remove them or use other evaluation data"
        )


def keep_seed(run: Run, data: SeedData) -> None:
    """Writes the seed data into the run folder, once."""
    if _done(run):
        return
    ift, eft, ranked = _files(run)
    kind = run.config.data.eft
    run.display.start("seed", "seed")
    if kind == "source":
        eft.replace(data.eft)
        said = f"{len(data.eft)} EFT"
    elif kind == "judged":
        ranked.replace(data.ranked)
        answers = sum(len(r.responses) for r in data.ranked)
        said = f"EFT from {answers} human-ranked answers to {len(data.ranked)} other prompts"
    else:
        said = "EFT from worsened answers"
    ift.replace(data.ift)
    for note in data.notes:
        run.display.note(note)
    run.display.finish("seed", "seed", f"{len(data.ift)} IFT, {said}")


def _done(run: Run) -> bool:
    """Whether what this run's seed data consists of is there. EFT that is made later is not it."""
    ift, eft, ranked = _files(run)
    also = {"source": eft.done, "judged": ranked.done, "bootstrap": True}
    return ift.done and also[run.config.data.eft]


def _files(
    run: Run,
) -> tuple[RecordFile[Example], RecordFile[Example], RecordFile[RankedPrompt]]:
    folder = run.folder / "seed"
    return (
        RecordFile(folder / "ift.jsonl", Example),
        RecordFile(folder / "eft.jsonl", Example),
        RecordFile(folder / "ranked.jsonl", RankedPrompt),
    )
