"""Preference pairs: the highest self-score against the lowest, prompt by prompt."""

from __future__ import annotations

from collections.abc import Sequence

from harness.run import Run, StopRun
from judges.pointwise import mean_scores, shuffle_within_prompt
from judges.selection import select_pairs
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
    scores = mean_scores(judgments, run.spec)
    if run.config.judge.shuffle:
        scores = shuffle_within_prompt(scores, run.config.seed)
    kept = [p for p in prompts if p.status == "kept"]
    found, counts = select_pairs(kept, candidates, scores, run.config.pairs.min_margin)
    file.replace(found)
    listed = ", ".join(f"{n} {reason}" for reason, n in counts.items() if n and reason != "kept")
    run.display.finish(
        f"M{k}",
        "pairs",
        f"{len(found)} from {len(kept)} prompts" + (f": {listed}" if listed else ""),
    )
    return _enough(run, k, found)


def _enough(run: Run, k: int, found: list[Pair]) -> list[Pair]:
    least = run.config.pairs.min_pairs
    if len(found) < least:
        message = (
            f"M{k} is not trained: {len(found)} preference pairs, pairs.min_pairs needs {least}"
        )
        raise StopRun(k, "pairs", len(found), least, message)
    return found
