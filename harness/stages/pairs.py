"""Preference pairs: the highest self-score against the lowest, prompt by prompt."""

from __future__ import annotations

from collections.abc import Sequence

from harness.compute import batch_of
from harness.config import RunConfig
from harness.lineage import champion_before
from harness.run import Run, StopRun
from harness.stages.prompts import most_prompts
from harness.stages.self_instruct import wanted
from judges.pointwise import Key, Score, mean_scores, shuffle_within_prompt
from judges.selection import select_pairs
from results.errors import UsageError
from results.records import Candidate, Judgment, Pair, Prompt
from results.store import RecordFile


def pairs(run: Run, k: int, prompts: Sequence[Prompt], candidates: Sequence[Candidate],
          judgments: Sequence[Judgment]) -> list[Pair]:  # fmt: skip
    """The pairs of iteration ``k``; every prompt that gives none is counted with its reason.

    Raises:
        StopRun: fewer than ``pairs.min_pairs``.
    """
    file = RecordFile(run.iteration(k) / "pairs.jsonl", Pair)
    if file.done:
        return _enough(run, k, file.read())
    run.display.start(f"M{k}", "pairs")
    kept = [p for p in prompts if p.status == "kept"]
    found, counts = choose(run.config, kept, candidates, mean_scores(judgments, run.spec))
    file.replace(found)
    listed = ", ".join(f"{n} {reason}" for reason, n in counts.items() if n and reason != "kept")
    run.display.finish(
        f"M{k}",
        "pairs",
        f"{len(found)} from {len(kept)} prompts" + (f": {listed}" if listed else ""),
    )
    return _enough(run, k, found)


def choose(config: RunConfig, prompts: Sequence[Prompt], candidates: Sequence[Candidate],
           scores: dict[Key, Score]) -> tuple[list[Pair], dict[str, int]]:  # fmt: skip
    """The pairs that ``config`` takes by these mean scores, and how many prompts ended how."""
    if config.judge.shuffle:
        scores = shuffle_within_prompt(scores, config.seed)
    return select_pairs(prompts, candidates, scores, config.pairs.min_margin)


def least_pairs(run: Run) -> int:
    """How many pairs a step of the run needs."""
    return least_of(run.config)


def least_of(config: RunConfig) -> int:
    """How many pairs a step needs: ``pairs.min_pairs``, else one batch where the trainer has one.

    Some trainers drop a batch that is not full, and a step on a handful of pairs is none.
    """
    least = config.pairs.min_pairs
    return batch_of(config.dpo.settings) if least is None else least


def check_counts(run: Run) -> None:
    """Refuses a run whose prompts could never give enough pairs, at most one each.

    Raises:
        UsageError: names both settings.
    """
    least = least_pairs(run)
    for k in range(2, run.config.iterations + 1):
        count = most_prompts(run.config.prompts, k)
        if count < least:
            bound = (
                "one batch (dpo.settings.batch_size)"
                if run.config.pairs.min_pairs is None
                else "pairs.min_pairs"
            )
            where, mend = _prompts_of(run, k, count)
            raise UsageError(
                f"{where} {count} prompts, which give {count} pairs at most; {bound} needs "
                f"{least}; {mend}"
            )


def _prompts_of(run: Run, k: int, count: int) -> tuple[str, str]:
    """Where the ``count`` prompts of iteration ``k`` come from, and how there can be more."""
    config = run.config.prompts
    if count == wanted(config, k):
        return f"prompts.count: M{k} gets", "raise prompts.count or set pairs.min_pairs"
    where = f"prompts.path {config.path}: M{k} gets what is left of it,"
    before = run.iteration(champion_before(run.folder, k))
    if (before / "checkpoint").exists():  # its file and settings may not change any more
        return where, f"choose a new --out with start={before} and a file of new prompts"
    return where, "add to the file, or lower prompts.count or iterations"


def _enough(run: Run, k: int, found: list[Pair]) -> list[Pair]:
    least = least_pairs(run)
    if len(found) < least:
        message = (
            f"M{k} is not trained: {len(found)} preference pairs, pairs.min_pairs needs {least}"
        )
        raise StopRun(k, "pairs", len(found), least, message)
    return found
