"""What the benchmark says about an iteration: its headline figure, by category, and its drift."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.gate_config import Rule
from judges.pointwise import mean_scores
from judges.predecessor import predecessor_figures
from judges.spec import JudgeSpec
from results.diversity import Phrase, most_grown, phrases
from results.figures import kind_of
from results.files import read_model
from results.lines import read_json_lines, read_jsonl
from results.pooled import Pooled, prompt_ratio
from results.records import Evaluated, Judgment, Metric, Value
from results.stats import paired_difference

WIN_RATE = "win_rate"


@dataclass(frozen=True)
class EvaluationFolder:
    """What lies in the evaluation folder of one model, as far as it is there."""

    evaluated: Evaluated | None = None
    values: list[Value] = field(default_factory=list)
    judgments: list[Judgment] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> EvaluationFolder:
        """Reads ``folder``; an evaluation that is not complete counts as none."""
        if not (folder / "metrics.json").is_file():
            return cls()
        judged, outputs = folder / "judgments.jsonl", folder / "outputs.jsonl"
        texts = read_json_lines(outputs) if outputs.is_file() else ()
        return cls(
            read_model(folder / "metrics.json", Evaluated),
            read_jsonl(folder / "values.jsonl", Value),
            read_jsonl(judged, Judgment) if judged.is_file() else [],
            {
                obj["prompt_id"]: obj["text"]
                for _, obj in texts
                if isinstance(obj.get("prompt_id"), str) and isinstance(obj.get("text"), str)
            },
        )

    def of(self, metric: str | None) -> list[Value]:
        """The values of one metric."""
        return [value for value in self.values if value.metric == metric]


def headline(now: EvaluationFolder, rules: Sequence[Rule]) -> str | None:
    """The figure that stands for the benchmark, of those with values: the win rate, else what the
    gate wants to rise, else what it wants high, else any. None that the gate bounds from above: a
    rise of it is no gain. Null where the model judged itself.
    """
    if now.evaluated is None or now.evaluated.judge_is_judged:
        return None
    rising = [rule.metric for rule in rules if rule.rule == "improves"]
    high = [rule.metric for rule in rules if rule.rule in ("no_regression", "min")]
    bounded = {rule.metric for rule in rules if rule.rule == "max"}
    known = {value.metric for value in now.values} - bounded
    order = [WIN_RATE, *rising, *high, *now.evaluated.metrics]
    return next((name for name in order if name in known), None)


def anchored_change(
    name: str, metric: str | None, now: EvaluationFolder, before: EvaluationFolder, seed: int
) -> Metric:
    """The headline figure's paired difference between two models; null with the reason."""
    convention = f"{metric or 'headline figure'} of the benchmark, later minus earlier model"
    if metric is None:
        judged = now.evaluated is not None and now.evaluated.judge_is_judged
        reason = "the model judges its own answers" if judged else "there is no evaluation"
        return null(name, convention, reason)
    if (problem := _apart(now, before)) is not None:
        return null(name, convention, problem)
    return paired_difference(name, now.of(metric), before.of(metric), convention, seed)


def by_category(now: EvaluationFolder, metric: str | None) -> list[Pooled]:
    """The headline figure of one model by category of prompt, in the order of the names."""
    groups: dict[str, list[Value]] = {}
    for value in now.of(metric):
        if value.category is not None:
            groups.setdefault(value.category, []).append(value)
    # A benchmark from outside may call a difference what we call a share.
    share = metric is not None and kind_of(metric) == "share"
    share &= all(0 <= v.num <= v.den for found in groups.values() for v in found)
    return [
        prompt_ratio(category, found, len(found), len(found), f"{metric} on {category} prompts",
                     share=share)
        for category, found in sorted(groups.items())
    ]  # fmt: skip


def judge_figures(
    now: EvaluationFolder, before: EvaluationFolder, spec: JudgeSpec, model: str
) -> list[Pooled] | str:
    """judge_tau and judge_inflation of M_k's judge against that of the model it began with, or
    why there are none.

    Args:
        now: M_k's evaluation.
        before: that of the model which M_k began with.
        spec: of the judge.
        model: ``judge.model``.
    """
    if model != "self":
        return f"the judge is {model}, the same in both iterations"
    if (problem := _apart(now, before)) is not None:
        return problem
    # Judgments of a model's own outputs are of other texts than those of the one before.
    ours, theirs = (
        mean_scores([j for j in side.judgments if j.prompt_id not in side.outputs], spec)
        for side in (now, before)
    )
    if not ours or not theirs:
        return "the benchmark has no judgments of fixed responses"
    return predecessor_figures(ours, theirs, _clusters(now, (prompt for prompt, _ in ours)))


def _clusters(now: EvaluationFolder, prompts: Iterable[str]) -> dict[str, str]:
    """What is resampled, by prompt id: equal texts together, under the id of the first of them. A
    prompt without any value stands for itself.
    """
    first: dict[str, str] = {}
    named = {v.prompt_id: first.setdefault(v.cluster, v.prompt_id) for v in now.values}
    return {prompt: named.get(prompt, prompt) for prompt in prompts}


def output_growth(
    now: EvaluationFolder, before: EvaluationFolder, seed: int
) -> tuple[Phrase | None, Metric]:
    """The phrase whose share of the held-out outputs grew most since the model before, and by how
    much.
    """
    name, convention = "output_phrase", (
        "share of held-out outputs with the phrase that grew most, minus that of the model before"
    )  # fmt: skip
    if (problem := _apart(now, before)) is not None:
        return None, null(name, convention, problem)
    shared = sorted(now.outputs.keys() & before.outputs.keys())
    if not shared:
        return None, null(name, convention, "the benchmark keeps no outputs")
    texts = [[side.outputs[key] for key in shared] for side in (now, before)]
    phrase = most_grown(texts[0], texts[1], phrases)
    if phrase is None:
        return None, null(name, convention, "no phrase has grown")
    clusters = {value.prompt_id: value.cluster for value in now.values}
    sides = [
        [Value(prompt_id=key, metric=name, num=phrase.text in set(phrases(text)),
               cluster=clusters.get(key, key)) for key, text in zip(shared, side, strict=True)]
        for side in texts
    ]  # fmt: skip
    return phrase, paired_difference(name, sides[0], sides[1], convention, seed)


def null(name: str, convention: str, reason: str) -> Metric:
    """A metric without a value."""
    return Metric(name=name, value=None, n=0, of=0, convention=convention, reason=reason)


def _apart(now: EvaluationFolder, before: EvaluationFolder) -> str | None:
    """Why two evaluations do not compare, null when they do."""
    if now.evaluated is None or before.evaluated is None:
        return "one of the two models has no evaluation"
    if now.evaluated.data != before.evaluated.data:
        return "the two models were evaluated on different data"
    return None
