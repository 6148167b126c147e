"""Self-instruction: a model writes new instructions in rounds until enough of them are kept."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.config import Prompts
from harness.prompt_filters.chain import Dropped, Filters
from harness.run import Run
from harness.stages.few_shot import decoding, few_shot, read_answer
from results.records import Prompt
from results.store import RecordFile

SPARE = 1.25  # prompts written for each one wanted: some are dropped


def wanted(config: Prompts, k: int) -> int:
    """How many prompts iteration ``k`` (2 = the first DPO step) is to have."""
    return config.count[min(k - 2, len(config.count) - 1)]


def self_instruct(run: Run, k: int, seeds: Sequence[str], earlier: Sequence[str],
                  filters: Filters, file: RecordFile[Prompt]) -> None:  # fmt: skip
    """Writes until ``filters`` miss none, or what is missing was written ``prompts.rounds`` times.
    When nothing was kept the first time, more would fare no better.

    Args:
        run: the run.
        k: the iteration.
        seeds: the seed instructions.
        earlier: what earlier iterations kept; shown beside what this one has kept so far.
        filters: new.
        file: for the records, those of an interrupted start in it: they stay, with what was kept.
    """
    config = run.config.prompts
    there, written = file.read(), 0
    for _ in range(config.rounds):
        left = math.ceil(filters.missing * SPARE)
        while left > 0 and filters.missing > 0:
            size = min(left, math.ceil(filters.missing * SPARE), config.per_round or left)
            shown = [*earlier, *filters.kept]
            _round(run, k, range(written, written + size), seeds, shown, filters, file, there)
            written, left = written + size, left - size
        if not filters.kept:
            break
    file.finalise()


def _round(run: Run, k: int, draws: range, seeds: Sequence[str], shown: Sequence[str],
           filters: Filters, file: RecordFile[Prompt], there: list[Prompt]) -> None:  # fmt: skip
    """One round. Of a record that is there already the decision stands: a call that failed then
    may succeed now, and what was shown later was chosen without it.
    """
    for record in there[draws.start : draws.stop]:
        if record.status == "kept":
            filters.take(record.id, str(record.prompt))
    if len(there) >= draws.stop:
        return
    config, seed = run.config.prompts, run.config.seed
    requests = [few_shot(config, seeds, shown, f"{seed}:{k}:{draw}") for draw in draws]
    batches = run.writer(k).run(requests, decoding(config, seed))
    answers = sorted((a for batch in batches for a in batch), key=lambda a: a.index)
    new = []
    for answer in answers[max(0, len(there) - draws.start) :]:
        done, name = answer.completion, f"m{k}-{draws.start + answer.index}"
        text, reason = read_answer(config, done)
        dropped = Dropped(reason) if reason else filters.offer(name, text)
        new.append(
            Prompt(
                id=name,
                prompt=text,
                source="self_instruct",
                status="dropped" if dropped else "kept",
                reason=dropped.reason if dropped else None,
                detail=dropped.detail if dropped else None,
                call=answer.key,
                text=done.text,
                finish_reason=done.finish_reason,
                tokens=done.usage.completion_tokens,
            )
        )
    file.append(new)
