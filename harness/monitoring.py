"""Derives the monitors of one iteration from its records. Calls no model and writes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from harness.anchored import (
    EvaluationFolder,
    anchored_change,
    by_category,
    headline,
    judge_figures,
    null,
    output_growth,
)
from harness.config import RunConfig
from harness.lineage import champion_before
from harness.stages.pairs import choose
from judges.adaptive import even_draws
from judges.judging import unscored
from judges.pointwise import Key, Score, cluster_of, mean_scores, prompt_text
from judges.self_scores import (
    bars,
    change,
    pair_figures,
    self_score_figures,
    text_figures,
)
from judges.spec import JudgeSpec
from results.diversity import Phrase, distinct, most_grown, most_shared, phrases, sentences
from results.lines import read_jsonl
from results.monitors import MONITORS, Monitors
from results.pooled import Pooled, pooled_metrics, prompt_ratio
from results.records import Candidate, Judgment, Metric, Pair, Prompt, Value

FIRST = "iteration 2 is the first with candidates"
_CHANGES = {
    "self_score_change": "self_score minus that of the iteration before, on other prompts",
    "anchored_change_before": "the model that M_k begins with minus the one that this began with: "
    "the same step as self_score_change",
    "grown_phrase": "share of candidates with the phrase that grew most, minus that of the "
    "iteration before",
}
ADAPTIVE = "judge.adaptive: of single judgments the first ones count, which every candidate got"
UNFILTERED = ("error", "surplus")  # reasons to drop a prompt that say nothing about it
RECORDS = ("prompts.jsonl", "candidates.jsonl", "judgments.jsonl", "pairs.jsonl")


@dataclass(frozen=True)
class Step:
    """The records of one iteration up to its pairs."""

    prompts: list[Prompt]
    candidates: list[Candidate]
    judgments: list[Judgment]
    pairs: list[Pair]
    spec: JudgeSpec
    adaptive: bool

    @classmethod
    def read(cls, folder: Path, spec: JudgeSpec, adaptive: bool) -> Step:
        """Reads the four record files of ``folder``."""
        prompts, candidates, judgments, pairs = (folder / name for name in RECORDS)
        return cls(
            read_jsonl(prompts, Prompt),
            read_jsonl(candidates, Candidate),
            read_jsonl(judgments, Judgment),
            read_jsonl(pairs, Pair),
            spec,
            adaptive,
        )

    @cached_property
    def single(self) -> list[Judgment]:
        """The single judgments, equally many of every candidate: adaptive draws beyond the first
        ones go to those near the top and the bottom.
        """
        draws = self.spec.draws
        even = even_draws(draws, self.spec.min_scored) if self.adaptive else draws
        return [judgment for judgment in self.judgments if judgment.draw < even]

    @cached_property
    def scores(self) -> dict[Key, Score]:
        """The mean score of every judged candidate."""
        return mean_scores(self.judgments, self.spec)

    @cached_property
    def texts(self) -> list[str]:
        """Of all candidates, ended by themselves or not."""
        return [candidate.text for candidate in self.candidates]

    @cached_property
    def asked(self) -> dict[str, str]:
        """The kept prompts as texts, by id."""
        return {p.id: prompt_text(p.prompt) for p in self.prompts if p.status == "kept"}

    @cached_property
    def clusters(self) -> dict[str, str]:
        """What is resampled, by prompt id."""
        return {p.id: cluster_of(p.prompt) for p in self.prompts}

    @cached_property
    def figures(self) -> list[Pooled]:
        """Scores, pairs and texts; the first is the self-score."""
        return [
            *self_score_figures(self.scores, self.single, self.clusters, self.spec.scale[1]),
            *pair_figures(self.pairs, list(self.asked), self.clusters),
            *text_figures(self.candidates, self.clusters),
        ]

    def carriers(
        self, name: str, phrase: Phrase | None, units: Callable[[str], Iterable[str]]
    ) -> Pooled:
        """The share of candidates that carry ``phrase``."""
        sums: dict[str, list[int]] = {}
        for candidate in self.candidates if phrase is not None else ():
            carried = phrase is not None and phrase.text in set(units(candidate.text))
            sums.setdefault(candidate.prompt_id, []).append(carried)
        values = [
            Value(prompt_id=p, metric=name, num=sum(s), den=len(s), cluster=self.clusters[p])
            for p, s in sums.items()
        ]
        n, of = (0 if phrase is None else len(self.candidates)), len(self.candidates)
        what = "share of candidates with the one that most of them carry"
        return prompt_ratio(name, values, n, of, what, "no candidate is long enough", share=True)


def ready(folder: Path) -> bool:
    """Whether the iteration in ``folder`` has all records that monitors need."""
    return all((folder / name).is_file() for name in RECORDS)


def measure(folder: Path, config: RunConfig, spec: JudgeSpec, k: int) -> Monitors:
    """Derives the monitors of iteration ``k`` of the run in ``folder``.

    Its prompts, candidates, judgments and pairs are there; what needs an evaluation that is not
    is null with the reason. The iteration before is the one that it begins with: where one in
    between was held, the champion's.
    """
    parent = champion_before(folder, k)
    grandparent = champion_before(folder, parent)
    now, last = (EvaluationFolder.read(folder / f"iter_{i}" / "evaluation") for i in (k, parent))
    adaptive = config.judge.adaptive is not None
    ours = Step.read(folder / f"iter_{k}", spec, adaptive)
    theirs = Step.read(folder / f"iter_{parent}", spec, adaptive) if parent > 1 else None
    anchor = headline(now if now.evaluated else last, config.gate.rules)
    _, outcomes = choose(config, ours.prompts, ours.candidates, ours.scores)
    figures = [*ours.figures, _dropped(ours)]
    metrics: dict[str, Metric] = {}
    found: dict[str, Phrase | None] = {}
    for name, units in (("shared_phrase", phrases), ("shared_sentence", sentences)):
        found[name] = most_shared(ours.texts, units)
        figures.append(ours.carriers(name, found[name], units))
    if theirs is None:
        found["grown_phrase"] = None
        for name in ("grown_phrase", "self_score_change", "anchored_change_before"):
            metrics[name] = null(name, _CHANGES[name], FIRST)
    else:
        phrase = found["grown_phrase"] = most_grown(ours.texts, theirs.texts, phrases)
        after, before = (step.carriers("", phrase, phrases) for step in (ours, theirs))
        figures += [
            change("grown_phrase", after, before, _CHANGES["grown_phrase"]),
            change("self_score_change", ours.figures[0], theirs.figures[0],
                   _CHANGES["self_score_change"]),
        ]  # fmt: skip
        earlier = EvaluationFolder.read(folder / f"iter_{grandparent}" / "evaluation")
        name = "anchored_change_before"
        metrics[name] = anchored_change(name, anchor, last, earlier, config.seed)
    judge = judge_figures(now, last, spec, config.judge.model)
    if isinstance(judge, str):
        for name in ("judge_tau", "judge_inflation"):
            metrics[name] = null(name, "against the judge before", judge)
    else:
        figures += judge
    metrics |= pooled_metrics(figures, config.seed)
    for name, texts, n in (("distinct_1", ours.texts, 1), ("distinct_2", ours.texts, 2),
                           ("prompt_distinct_2", ours.asked.values(), 2)):  # fmt: skip
        metrics[name] = distinct(name, texts, n)
    metrics["anchored_change"] = anchored_change("anchored_change", anchor, now, last, config.seed)
    found["output_phrase"], metrics["output_phrase"] = output_growth(now, last, config.seed)
    return Monitors(
        model=f"M{k}", k=k, benchmark=now.evaluated.benchmark if now.evaluated else None,
        anchor=anchor, scale=spec.scale,
        metrics={name: metrics[name] for name in MONITORS},
        by_candidate=bars((s.mean for s in ours.scores.values() if s.mean is not None), spec.scale),
        by_draw=bars((j.score for j in ours.single if j.score is not None), spec.scale),
        unscored=unscored(ours.single), pairs=outcomes,
        prompts=dict(sorted(Counter(p.reason or p.status for p in ours.prompts).items())),
        phrases=found, category_metric=anchor,
        categories=pooled_metrics(by_category(now, anchor), config.seed),
        parents=(parent, grandparent), notes=[ADAPTIVE] if adaptive else [],
    )  # fmt: skip


def _dropped(step: Step) -> Pooled:
    """The share of written prompts that a filter dropped; no filter says ``UNFILTERED``."""
    values = [
        Value(prompt_id=p.id, metric="prompts_dropped", num=p.status == "dropped", cluster=p.id)
        for p in step.prompts
        if p.reason not in UNFILTERED
    ]
    n, of = len(values), len(step.prompts)
    what = "share of prompts that a filter dropped, failed calls and surplus left out"
    return prompt_ratio("prompts_dropped", values, n, of, what, share=True)
