"""Seed data: answered instructions (IFT), and judged answers (EFT) or what they are made from.

Written once a run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from benchmarks.human_data.split import bare_text
from benchmarks.registry import SeedData, load_seed_data
from harness.evaluation_texts import contamination, not_compared
from harness.run import Run
from judges.agreeing_sets import orders_something
from judges.rankings import RankedPrompt
from results.errors import UsageError
from results.records import Contaminated, Conversation, Example
from results.store import RecordFile
from results.text import excerpt


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
    ranked prompts (those that order something, with their ranked answers) only for ``judged``;
    without the prompts that ``prompts.decontaminate`` drops.

    Raises:
        UsageError: there is no IFT, or none is left, no ranked prompt where EFT is to be judged
            from them, or a prompt is held out for evaluation.
    """
    source, kind = run.config.data.source, run.config.data.eft
    data = load_seed_data(source, run.config.data.options, run.config.seed)
    if not data.ift:
        raise UsageError(f"data.source {source}: no IFT example came out; SFT needs some")
    ranked = _pool(data.ranked) if kind == "judged" else []
    if kind == "judged" and not ranked:
        raise UsageError(
            f"data.source {source}: found {len(data.ranked)} ranked training prompts, none with "
            "two answers or more that people rank apart, which data.eft=judged is made from; give "
            "such ones (for micro_world and jsonl by data.options.ranked), or data.eft=bootstrap, "
            "which needs none"
        )
    eft = data.eft if kind == "source" else []
    found = SeedData(data.ift, eft, ranked, data.notes)
    for what, items in _parts(found):
        _refuse_leaks(run, what, items)
    return _decontaminated(run, found)


def _parts(data: SeedData) -> list[tuple[str, Sequence[Example | RankedPrompt]]]:
    return [("IFT", data.ift), ("EFT", data.eft), ("ranked", data.ranked)]


def _asked(item: Example | RankedPrompt) -> str | Conversation | None:
    """The instruction of ``item``. The prompt of an EFT example is the judge's, rubric and all:
    there it is null where the source does not say it.
    """
    if isinstance(item, RankedPrompt) or item.kind == "ift":
        return item.prompt
    said = item.meta.get("instruction")
    return said if isinstance(said, str) else None


def _decontaminated(run: Run, data: SeedData) -> SeedData:
    """Without the examples and ranked prompts whose instruction has an evaluation text in it."""
    index = contamination(run)
    if index is None:
        return data
    hits: list[Contaminated] = []

    def clean(item: Example | RankedPrompt) -> bool:
        asked = _asked(item)
        hit = None if asked is None else index.hit(bare_text(asked))
        if asked is not None and hit is not None:
            hits.append(Contaminated(id=item.id, prompt=asked, detail=hit))
        return hit is None

    ift, eft = list(filter(clean, data.ift)), list(filter(clean, data.eft))
    found = replace(data, ift=ift, eft=eft, ranked=list(filter(clean, data.ranked)))
    for (kind, before), (_, after) in zip(_parts(data), _parts(found), strict=True):
        if before and not after:
            raise UsageError(
                f"prompts.decontaminate: all {len(before)} {kind} prompts of data.source "
                f"{run.config.data.source} share words with evaluation texts (the last with "
                f"{excerpt(hits[-1].detail)}); use other evaluation data or set it to null"
            )
    return replace(found, contaminated=hits)


def _pool(ranked: Sequence[RankedPrompt]) -> list[RankedPrompt]:
    return [
        prompt.model_copy(update={"responses": [r for r in prompt.responses if r.rank is not None]})
        for prompt in ranked
        if orders_something(prompt)
    ]


def _refuse_leaks(run: Run, kind: str, items: Sequence[Example | RankedPrompt]) -> None:
    asked = [(item.id, text) for item in items if (text := _asked(item)) is not None]
    leaks = [name for name, text in asked if run.held_out(bare_text(text))]
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
    if data.contaminated:
        hits = RecordFile(run.folder / "seed" / "contaminated.jsonl", Contaminated)
        hits.replace(data.contaminated)
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
    for note in [*data.notes, *filter(None, [not_compared(run)])]:
        run.display.note(note)
    said = f"{len(data.ift)} IFT, {said}"
    if run.config.prompts.decontaminate is not None:
        said += f", {len(data.contaminated)} contaminated and left out"
    run.display.finish("seed", "seed", said)


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
