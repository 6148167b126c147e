"""Reward hacking: the self-score rises and the anchored figure does not.

Healthy runs raise their self-score too, so that alone says nothing. And a figure measured on few
prompts is never surely up: the alarm asks that a gain is surely missed, not that none was seen.
"""

from __future__ import annotations

from harness.alarms.finding import Finding, written
from harness.alarms.seen import Seen
from harness.run import run_spec
from judges.pointwise import mean_scores
from results.diversity import Phrase, phrases
from results.figures import Kind, heading, kind_of
from results.lines import read_jsonl
from results.records import Candidate, Judgment, Metric, Value
from results.stats import ratio_metric
from results.text import excerpt


def hacked_step(seen: Seen) -> Finding:
    """The step before: M_parent's self-score against its own parent's, beside the anchored figure
    of both.

    It is known before M_k is trained.
    """
    rise, gain = seen.metric("self_score_change"), seen.metric("anchored_change_before")
    up = rise.low is not None and rise.low > seen.settings.self_score_rise
    models = seen.parent, seen.grandparent
    said = f"self-score of M{models[0]} minus that of M{models[1]}: {written(rise, 'score')}"
    return _missed(seen, gain, up and rise.value is not None, said, models)


def rewarded_phrase(seen: Seen) -> Finding:
    """The step just taken: the held-out outputs hold more of a phrase that the judge favours.

    M_k has no candidates yet whose self-scores could be compared with those of M_parent. But what
    its training pairs reward is known: where the phrase that grew most in its outputs is one that
    raised the score of candidates to one prompt, its self-score is to rise.
    """
    growth, phrase = seen.metric("output_phrase"), seen.monitors.phrases["output_phrase"]
    gain, least = seen.metric("anchored_change"), seen.settings.grown_phrase
    grown = growth.low is not None and growth.low > least
    said = f"no phrase grew by {100 * least:g} % of the held-out outputs"
    paid = False
    # Records are read only where the answer hangs on them.
    if grown and phrase is not None and gain.high is not None:
        premium = _premium(seen, phrase)
        paid = premium.low is not None and premium.low > 0
        said = (
            f"{excerpt(phrase.text)!r} is in {written(growth, 'share')} more of the held-out "
            f"outputs, and candidates with it score {written(premium, 'score')} higher than others "
            "of their prompt"
        )
    return _missed(seen, gain, paid, said, (seen.k, seen.parent))


def _missed(seen: Seen, gain: Metric, up: bool, said: str, models: tuple[int, int]) -> Finding:
    """Fires where the self-score is ``up`` and the anchored figure surely misses its gain from the
    second of ``models`` to the first.
    """
    least, at = seen.settings.reward_hacking, seen.monitors.anchor
    kind: Kind = kind_of(at) if at else "plain"
    bound = f"{100 * least:g} %" if kind == "share" else f"{least:g}"
    what = heading(at).removesuffix(" %") if at else "anchored figure"
    fired = up and gain.high is not None and gain.high < least
    end = f", surely under a gain of {bound}" if fired else ""
    text = f"{said}; {what} of M{models[0]} minus that of M{models[1]}: {written(gain, kind)}{end}"
    return Finding(fired, gain, least, text)


def _premium(seen: Seen, phrase: Phrase) -> Metric:
    """How much higher candidates with the phrase score than those of their prompt without it."""
    candidates = read_jsonl(seen.place / "candidates.jsonl", Candidate)
    judged = read_jsonl(seen.place / "judgments.jsonl", Judgment)
    scores = mean_scores(judged, run_spec(seen.config))
    sides: dict[str, tuple[list[float], list[float]]] = {}
    for candidate in candidates:
        score = scores.get((candidate.prompt_id, candidate.response_id))
        if score is not None and score.mean is not None:
            carried = phrase.text in set(phrases(candidate.text))
            sides.setdefault(candidate.prompt_id, ([], []))[carried].append(score.mean)
    values = [
        Value(prompt_id=prompt, metric="premium", cluster=prompt,
              num=sum(having) / len(having) - sum(lacking) / len(lacking))
        for prompt, (lacking, having) in sides.items() if lacking and having
    ]  # fmt: skip
    what = "mean score with the phrase minus without it, over prompts that have both"
    return ratio_metric("premium", values, len(sides), what, seen.config.seed)
