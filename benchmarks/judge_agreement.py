"""How far a judge agrees with people: it scores human-ranked responses that it has never seen."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from backends.engines.caller import Caller
from benchmarks.benchmark import Evaluation
from benchmarks.human_data import read_human_data
from benchmarks.human_data.split import bare_text, split_prompts
from judges.agreement import CONVENTIONS, judge_metrics
from judges.judging import Judge, judge_responses, ranked_responses, unscored
from judges.pointwise import cluster_of, mean_scores
from judges.rankings import RankedPrompt
from results.errors import UsageError
from results.records import Judgment, Value
from results.stats import ratio_metric
from results.store import RecordFile
from results.weights import text_hash

JUDGE_METRICS = (*CONVENTIONS, "unscored_rate")


def measure_agreement(judge: Judge, rankings: list[RankedPrompt], file: RecordFile[Judgment],
                      seed: int) -> Evaluation:  # fmt: skip
    """The judge metrics of ``judge`` on ``rankings``; its judgments are kept in ``file``."""
    judgments = judge_responses(judge, ranked_responses(rankings), file, seed)
    scores = {key: score.mean for key, score in mean_scores(judgments, judge.spec).items()}
    metrics, values = judge_metrics(rankings, scores, judge.spec.scale, seed=seed)
    rates = _unscored_values(rankings, judgments)
    metrics["unscored_rate"] = ratio_metric(
        "unscored_rate", rates, len(rates), "share of judge calls without a score", seed
    )
    return Evaluation(
        n=len(rankings),
        judge=judge.spec.name,
        metrics=metrics,
        values=[*values, *rates],
        unscored=unscored(judgments),
        data=text_hash([[r.model_dump() for r in rankings], judge.spec.model_dump()]),
    )


def _unscored_values(rankings: list[RankedPrompt], judgments: list[Judgment]) -> list[Value]:
    cluster = {ranked.id: cluster_of(ranked.prompt) for ranked in rankings}
    calls: Counter[str] = Counter(j.prompt_id for j in judgments)
    failed: Counter[str] = Counter(j.prompt_id for j in judgments if j.status == "unscored")
    return [
        Value(prompt_id=i, metric="unscored_rate", num=failed[i], den=calls[i], cluster=cluster[i])
        for i in calls
    ]


class JudgeAgreement:
    """As a benchmark: rankings from any ranked data that ``read_human_data`` reads.

    Args:
        rankings: the file (JSON Lines or Open Assistant trees, .gz accepted, ...) or hub id.
        held_out_share: share of its prompts, by a hash of their text, that is measured on; the
            rest may be trained on (``oasst`` seed data keeps to that rest). 1 = all.
        limit: prompts at most.
    """

    name = "judge_agreement"

    def __init__(
        self, rankings: str, held_out_share: float = 1.0, limit: int | None = None
    ) -> None:
        data = read_human_data(rankings)
        if data.kind != "ranked":
            raise UsageError(
                f"{rankings}: found pairwise labels ({data.format}), expected ranked responses"
            )
        _, ranked = split_prompts(data.ranked, held_out_share)
        if not ranked:
            raise UsageError(f"{rankings}: no ranked prompt falls into the held-out share")
        self.rankings = ranked[:limit]
        self._texts = {bare_text(r.prompt) for r in self.rankings}

    def held_out(self, text: str) -> bool:
        """Whether ``text`` is a prompt of the held-out rankings, in whatever spacing."""
        return bare_text(text) in self._texts

    def smaller(self, n: int) -> JudgeAgreement:
        """The first ``n`` prompts of those measured on; all of them stay held out."""
        fewer = copy.copy(self)
        fewer.rankings = self.rankings[:n]
        return fewer

    def prompt_texts(self) -> Iterator[tuple[str, str]]:
        """The prompts of the held-out rankings; messages read as their contents."""
        return ((r.id, bare_text(r.prompt)) for r in self.rankings)

    def metrics(self, baseline: bool) -> Sequence[str]:
        """The judge metrics and the unscored rate."""
        return JUDGE_METRICS

    def evaluate(self, model: Caller, judge: Judge | None, baseline: Path | None, folder: Path,
                 seed: int) -> Evaluation:  # fmt: skip
        """Measures the judge, whose figures these are: another one than the model is named.

        Raises:
            UsageError: there is no judge.
        """
        if judge is None:
            raise UsageError("judge_agreement: found no judge, and every figure is its; name one")
        file = RecordFile(folder / "judgments.jsonl", Judgment)
        found = measure_agreement(judge, self.rankings, file, seed)
        if judge.is_judged:
            return found
        return replace(found, judge=f"{judge.spec.name} on {judge.name}")
