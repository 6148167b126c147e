"""How well people agree with each other on pairs: the ceiling that a judge is measured against.

Source: Zheng et al. 2023 (arXiv 2306.05685), table 5: agreement between two randomly chosen people,
in setup S1 with ties as a third class and in setup S2 without the votes for a tie.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from judges.labels import Choice, Label, LabelledPair
from judges.pointwise import cluster_of
from results.records import Metric, Value
from results.stats import ratio_metric

_VOTES = "pooled over pairs of labels by two different annotators of one pair, each once; "
CONVENTIONS = {
    "human_agreement": _VOTES + "tie = third class",
    "human_agreement_without_ties": _VOTES + "labels that say tie left out",
}


def human_agreement(
    pairs: Sequence[LabelledPair], seed: int = 0, rounds: int = 2000, confidence: float = 0.95
) -> tuple[dict[str, Metric], list[Value]]:
    """Returns the share of two people's labels of one pair that agree, and the values by pair.

    ``n`` and ``of`` count pairs of labels. Labels without an annotator are by different people; two
    labels by the same annotator are not compared. ``seed``, ``rounds`` and ``confidence`` as in
    ``results.stats.ratio_metric``, resampled by prompt text.
    """
    metrics, values = {}, []
    of = sum(_alike(pair.labels)[1] for pair in pairs)
    for name, convention in CONVENTIONS.items():
        part = []
        n = 0
        for pair in pairs:
            tie_counts = name == "human_agreement"
            same, compared = _alike([x for x in pair.labels if tie_counts or x.label != "tie"])
            n += compared
            if compared:
                cluster = cluster_of(pair.prompt)
                part.append(
                    Value(prompt_id=pair.id, metric=name, num=same, den=compared, cluster=cluster)
                )
        missing = "no pair has labels by two different annotators that count"
        metric = ratio_metric(name, part, of, convention, seed, rounds, confidence, missing)
        # ratio_metric counts pairs; coverage is in pairs of labels.
        metrics[name] = metric.model_copy(update={"n": n})
        values += part
    return metrics, values


def _alike(labels: Iterable[Label]) -> tuple[int, int]:
    """Returns how many unordered pairs of labels by different people agree, and how many are."""
    choices: Counter[Choice] = Counter()
    people: Counter[str] = Counter()
    own: Counter[tuple[str, Choice]] = Counter()
    for given in labels:
        choices[given.label] += 1
        if given.annotator is not None:
            people[given.annotator] += 1
            own[given.annotator, given.label] += 1
    same = _twos(choices.values()) - _twos(own.values())
    return same, _twos([choices.total()]) - _twos(people.values())


def _twos(counts: Iterable[int]) -> int:
    """How many unordered pairs there are within groups of these sizes."""
    return sum(n * (n - 1) // 2 for n in counts)
