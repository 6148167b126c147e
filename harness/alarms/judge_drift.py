"""Judge drift: it agrees less with people, its scores pile up, or it always says the same."""

from __future__ import annotations

from harness.alarms.finding import Finding, above, below, share_by_prompt
from harness.alarms.seen import Seen
from harness.monitoring import Step
from harness.run import run_spec
from judges.self_scores import bars
from results.figures import heading
from results.lines import read_jsonl
from results.records import Judgment, Metric, Prompt
from results.stats import paired_difference

AGREEMENT = ("pairwise_accuracy", "accuracy", "human_agreement")  # the first that has values


def judge_agreement(seen: Seen) -> Finding:
    """M_k's judge against M1's, which was found fit, on the same human-ranked answers."""
    first, most = seen.evaluation(1), seen.settings.judge_agreement
    name = next((n for n in AGREEMENT if seen.now.of(n) and first.of(n)), None)
    if name is None or seen.now.evaluated is None or first.evaluated is None:
        why = "no evaluation of both has human rankings"
        return below(_null("judge_agreement", why), -most, "agreement with people")
    if seen.now.evaluated.data != first.evaluated.data:
        return below(_null("judge_agreement", "evaluated on different data"), -most, name)
    lost = paired_difference(
        "judge_agreement", seen.now.of(name), first.of(name), f"{name}, later minus M1's judge",
        seen.config.seed,
    )  # fmt: skip
    what = heading(name).removesuffix(" %")
    return below(lost, -most, f"{what} with people, judge of M{seen.k} minus judge of M1")


def score_pile_up(seen: Seen) -> Finding:
    """The histogram collapses at the top of the scale."""
    what = "candidates at the top of the scale"
    return above(seen.metric("share_at_top"), seen.settings.score_pile_up, what)


def same_score(seen: Seen) -> Finding:
    """Whatever it is shown, it says one and the same."""
    histogram = seen.monitors.by_draw
    fullest = max(range(len(histogram)), key=lambda i: histogram[i].n)
    spec = run_spec(seen.config)
    prompts = read_jsonl(seen.place / "prompts.jsonl", Prompt)
    judged = read_jsonl(seen.place / "judgments.jsonl", Judgment)
    step = Step(prompts, [], judged, [], spec, seen.config.judge.adaptive is not None)
    scored = [(step.clusters[j.prompt_id], j.score) for j in step.single if j.score is not None]
    within = {x: bars([x], spec.scale)[fullest].n == 1 for x in {score for _, score in scored}}
    share = share_by_prompt(
        "same_score", ((prompt, within[score]) for prompt, score in scored),
        "share of judgments in the fullest bar", "no judgment is scored", seen.config.seed,
    )  # fmt: skip
    span = f"{histogram[fullest].low:g} to {histogram[fullest].high:g}"
    return above(share, seen.settings.same_score, f"judgments with a score of {span}")


def _null(name: str, reason: str) -> Metric:
    return Metric(name=name, value=None, n=0, of=0, convention="", reason=reason)
