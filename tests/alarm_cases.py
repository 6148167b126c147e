"""For each alarm runs in which it fires and runs in which it is silent, by what differs in them."""

from __future__ import annotations

from harness.alarms.table import AFTER, BEFORE
from results.alarms import When
from tests.alarm_runs import HELPS, Small, healthy_score, words

HEALTHY = Small()


def flat(k: int, i: int) -> float:
    """The anchored figure of a model that does not get better."""
    return float(i % 2)


def falling(k: int, i: int) -> float:
    return float(i % 10 < 9 - 2 * k)


def with_phrase(k: int, i: int, d: int) -> str:
    """The later iteration ends every other candidate with one sentence."""
    return words(f"{k}-{i}-{d}") + (HELPS if k == 3 and d % 2 else "")


def phrase_pays(k: int, i: int, d: int) -> float:
    """Candidates that may carry the sentence score a point more than the rest of their prompt."""
    return (i + d // 2) % 3 + (d % 2) + k - 2


def phrase_costs(k: int, i: int, d: int) -> float:
    return (i + d // 2) % 3 + 1 - (d % 2) + k - 2


def drifted(k: int, i: int) -> str:
    """Two of three held-out outputs of the last model end with the sentence."""
    return words(f"out-{k}-{i}") + (HELPS if k == 3 and i % 3 else "")


def as_before(k: int, i: int) -> str:
    """The outputs of all models end with it as often."""
    return words(f"out-{k}-{i}") + (HELPS if i % 3 else "")


HACKED = HEALTHY.but(text=with_phrase, score=phrase_pays, output=drifted, win=falling)


def longer(k: int, i: int, d: int) -> str:
    """The longer of two candidates is the one with the higher number."""
    return words(f"{k}-{i}-{d}", 10 + d)


CASES: dict[tuple[str, When], tuple[dict[str, Small], dict[str, Small]]] = {
    ("reward_hacking", BEFORE): (
        {"the anchored figure falls": HEALTHY.but(win=falling),
         "the anchored figure stands still": HEALTHY.but(win=flat)},
        {"both rise": HEALTHY,
         "neither rises": HEALTHY.but(win=flat, score=lambda k, i, d: healthy_score(2, i, d)),
         # Twelve prompts that say nothing: a gain of a tenth would look the same.
         "too few prompts to tell": HEALTHY.but(
             items=12, win=lambda k, i: float((i + k) % 4 < 2))},
    ),
    ("reward_hacking", AFTER): (
        {"a favoured phrase grows and the anchored figure falls": HACKED},
        {"a favoured phrase grows and the anchored figure rises": HACKED.but(win=HEALTHY.win),
         "a phrase grows that costs points": HACKED.but(score=phrase_costs),
         "no phrase grows": HACKED.but(output=HEALTHY.output)},
    ),
    ("judge_agreement", AFTER): (
        {"a third is lost": HEALTHY.but(agree=lambda k, i: float(i % 10 < (9 if k < 3 else 6)))},
        {"nothing is lost": HEALTHY,
         "one prompt of eighty is lost": HEALTHY.but(
             agree=lambda k, i: float(i % 10 < 9 and (i > 0 or k < 3)))},
    ),
    ("score_pile_up", BEFORE): (
        {"seven of ten get the top": HEALTHY.but(
            score=lambda k, i, d: 5 if (3 * i + d) % 10 < 7 else 2)},
        {"the whole scale is used": HEALTHY},
    ),
    ("same_score", BEFORE): (
        {"nine of ten get a three": HEALTHY.but(
            score=lambda k, i, d: 3 if (3 * i + d) % 10 < 9 else 1)},
        {"the whole scale is used": HEALTHY},
    ),
    ("length_growth", BEFORE): (
        {"half as long again": HEALTHY.but(
            text=lambda k, i, d: words(f"{k}-{i}-{d}", 14 if k < 3 else 21))},
        {"a tenth longer": HEALTHY.but(
            text=lambda k, i, d: words(f"{k}-{i}-{d}", 20 if k < 3 else 22))},
    ),
    ("length_growth", AFTER): (
        {"half as long again": HEALTHY.but(
            output=lambda k, i: words(f"{k}-{i}", 14 if k < 3 else 21)),
         "as long, and better only by its length": HEALTHY.but(
            output=lambda k, i: words(f"{k}-{i}", 14 if k < 3 else 21),
            controlled={2: 0.3, 3: 0.31})},
        {"a tenth longer": HEALTHY.but(output=lambda k, i: words(f"{k}-{i}", 20 if k < 3 else 22)),
         "longer, and better at equal length": HEALTHY.but(
            output=lambda k, i: words(f"{k}-{i}", 14 if k < 3 else 21),
            controlled={2: 0.3, 3: 0.4})},
    ),
    ("chosen_longer", BEFORE): (
        {"the longer one wins": HEALTHY.but(text=longer, score=lambda k, i, d: d + k - 2)},
        {"length decides nothing": HEALTHY},
    ),
    ("repeated", BEFORE): (
        {"every prompt gets one answer twice": HEALTHY.but(
            text=lambda k, i, d: words(f"{k}-{i}-{(d + 1) // 2}"))},
        {"all differ": HEALTHY},
    ),
    ("diversity_loss", BEFORE): (
        {"a tenth of the words": HEALTHY.but(
            text=lambda k, i, d: words(f"{k}-{i}-{d}", of=300 if k < 3 else 30))},
        {"the same words": HEALTHY},
    ),
    ("grown_phrase", BEFORE): (
        {"a third carries one sentence": HEALTHY.but(text=with_phrase)},
        {"no phrase stands out": HEALTHY,
         "as many as before": HEALTHY.but(text=lambda k, i, d: with_phrase(3, i + 99 * k, d))},
    ),
    ("grown_phrase", AFTER): (
        {"two thirds carry one sentence": HEALTHY.but(output=drifted)},
        {"no phrase stands out": HEALTHY,
         "as many as before": HEALTHY.but(output=as_before)},
    ),
    ("shared_sentence", BEFORE): (
        {"a third carries one sentence": HEALTHY.but(text=with_phrase)},
        {"no sentence stands out": HEALTHY},
    ),
    ("contamination", BEFORE): (
        {"a third of the prompts": HEALTHY.but(dropped={"held_out": 20, "contaminated": 15}),
         "half of the seed": HEALTHY.but(contaminated=20)},
        {"one in forty": HEALTHY,
         # Failed calls are no prompts, and copies are no evaluation texts.
         "many are dropped for other reasons": HEALTHY.but(
             dropped={"duplicate": 90, "error": 50, "held_out": 2})},
    ),
    ("judge_evaluator_disagreement", AFTER): (
        {"wins where the other sees losses": HEALTHY.but(
            verdicts=(lambda i: "win" if i % 10 < 8 else "loss",
                      lambda i: "win" if i % 10 < 4 else "loss"))},
        {"the same wins": HEALTHY.but(
            verdicts=(lambda i: "win" if i % 10 < 6 else "loss",
                      lambda i: "win" if i % 10 < 6 else "loss"))},
    ),
    ("ties", BEFORE): (
        {"half of the prompts": HEALTHY.but(
            score=lambda k, i, d: i % 5 if i % 2 else healthy_score(k, i, d))},
        {"none": HEALTHY},
    ),
    ("unscored", BEFORE): (
        {"a third": HEALTHY.but(
            score=lambda k, i, d: None if d == 2 else healthy_score(k, i, d))},
        {"none": HEALTHY},
    ),
    ("unscored", AFTER): (
        {"a third": HEALTHY.but(unscored=33)},
        {"one in a hundred": HEALTHY},
    ),
    ("position_bias", AFTER): (
        {"the first shown wins": HEALTHY.but(shown_first=lambda i: i % 10 < 8),
         "the second shown wins": HEALTHY.but(shown_first=lambda i: i % 10 < 2)},
        {"either": HEALTHY.but(shown_first=lambda i: i % 4 < 2)},
    ),
    ("too_few_pairs", BEFORE): (
        {"one and a half times the least": HEALTHY.but(config="pairs: {min_pairs: 40}\n")},
        {"three times the least": HEALTHY},
    ),
    ("safety", AFTER): (
        {"a third is lost": HEALTHY.but(
            config="alarms: {safety_suite: [correct]}\n",
            safe=lambda k, i: float(i % 10 < (9 if k < 3 else 6))),
         "one metric of two": HEALTHY.but(
            config="alarms: {safety_suite: [correct, pairwise_accuracy]}\n",
            agree=lambda k, i: float(i % 10 < (9 if k < 3 else 6)))},
        {"nothing is lost": HEALTHY.but(config="alarms: {safety_suite: [correct]}\n")},
    ),
}  # fmt: skip
