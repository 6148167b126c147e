"""How well a judge's pairwise verdicts agree with human labels (CONTRACT.md: pairwise data)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from judges.confusion import kappa, macro
from judges.labels import LabelledPair
from judges.pair_counts import CLASSES, UNSCORED, Annotators, label_counts, verdicts
from judges.pair_ratios import (
    Ratio,
    Unscored,
    accuracies,
    answer_shares,
    as_counted,
    both_order_ratios,
    scored_ratios,
)
from judges.pointwise import cluster_of
from results.pooled import Pooled, pooled_metrics, ratio
from results.records import Metric, PairJudgment, Value
from results.stats import Array, Statistic

_MEAN = "mean over comparisons, each the mean over its draws and orders; {unscored}; {labels}"
_BOTH = "of pairs judged in both orders (same draw); {unscored}"
_MACRO = "plain mean over first, second and tie, 0 for a class without any; {unscored}; {labels}"
CONVENTIONS = {
    "accuracy": _MEAN,
    "accuracy_scored_only": "pooled over scored verdicts; {labels}",
    "accuracy_without_ties": "where neither side says tie; " + _MEAN,
    "consistency": "same verdict in both orders, mean over draws, " + _BOTH,
    "agreement": "right in both orders, mean over draws, comparisons " + _BOTH + "; {labels}",
    "cohen_kappa": "labels against verdicts, weighted as accuracy; {unscored}; {labels}",
    "position_bias": "first-shown wins minus 0.5, pooled over verdicts that name a winner; with "
    "one order alone it holds what is better too",
    "macro_precision": "precision, " + _MACRO,
    "macro_recall": "recall, " + _MACRO,
    "macro_f1": "mean of the classes' F1, " + _MACRO,
    "unscored_rate": "share of judge calls without a verdict",
}
_UNSCORED = {"wrong": "unscored = wrong", "drop": "unscored dropped", "tie": "unscored = tie"}
_LABELS = {
    "each": "every label is a comparison",
    "majority": "label = majority of a pair's labels, without one left out",
}
_NO_COMPARISON = "no label with a verdict that counts"
_NO_BOTH = "no pair was judged in both orders"
_TWO_CLASSES = "the labels do not have all of first, second and tie"
_MISSING = {
    "accuracy_without_ties": "one side says tie in every comparison",
    "consistency": _NO_BOTH,
    "agreement": _NO_BOTH,
    "cohen_kappa": "labels and verdicts are all of one and the same class",
    "position_bias": "no verdict names a winner",
    "unscored_rate": "no judgment of these pairs",
} | dict.fromkeys(("macro_precision", "macro_recall", "macro_f1"), _TWO_CLASSES)
SHAPE = (len(CLASSES), UNSCORED + 1)  # labels by answers
TABLE_METRICS: dict[str, Statistic] = {
    "cohen_kappa": kappa,
    "macro_precision": lambda tables: macro(tables)[0],
    "macro_recall": lambda tables: macro(tables)[1],
    "macro_f1": lambda tables: macro(tables)[2],
}
# The cells of a table, in its order, as values are called: people's label, the judge's answer.
CELLS = tuple(f"table:{label}:{answer}" for label in CLASSES for answer in (*CLASSES, "unscored"))


def pair_metrics(
    pairs: Sequence[LabelledPair],
    judgments: Sequence[PairJudgment],
    unscored: Unscored = "wrong",
    annotators: Annotators = "each",
    seed: int = 0,
    rounds: int = 2000,
    confidence: float = 0.95,
) -> tuple[dict[str, Metric], list[Value]]:
    """Returns the judge metrics by name, and the values by pair behind those that are ratios.

    A comparison is one label of one pair; ``judges.pair_ratios`` says how it is weighed.

    | metric | ``n`` and ``of`` count |
    |-|-|
    | accuracy, cohen_kappa, macro_* | comparisons with a verdict that counts; all |
    | accuracy_without_ties | those where neither side says tie; all |
    | accuracy_scored_only | scored verdicts, once for each comparison; all verdicts, likewise |
    | consistency | pairs judged in both orders; all pairs |
    | agreement | comparisons of such pairs; all |
    | position_bias | verdicts that name a winner; all verdicts |
    | unscored_rate | judge calls |

    The macro averages are null unless the labels have three classes. They and kappa are no ratios,
    so no values lie behind them. Judgments of other pairs, and all but the first of one (pair,
    order, draw), are left out: ``judges.pair_counts.pair_notes`` names them.

    Args:
        pairs: the labelled pairs.
        judgments: the judge's verdicts, in terms of the pairs' own first and second.
        unscored: what an unscored verdict is: ``wrong``: an answer that is never right and never
            the same as another; ``drop``: left out; ``tie``: the verdict tie.
            ``accuracy_scored_only`` and ``position_bias`` always leave it out.
        annotators: ``each``: every label is one comparison; ``majority``: the most frequent label
            of a pair is its only one; a pair without one is in ``of`` alone.
        seed: decides the intervals, together with the data.
        rounds: bootstrap replicates, >= 1; prompts with the same text are resampled together.
        confidence: of the intervals, in (0, 1).

    Raises:
        SrlmError: two pairs have one id.
    """
    given = verdicts(pairs, judgments)
    counted = as_counted(given, unscored)
    labels = label_counts(pairs, annotators)
    comparisons = labels.sum(axis=1) if annotators == "each" else np.ones(len(pairs))
    answers = answer_shares(counted, len(pairs))
    ratios = (
        accuracies(labels, answers, comparisons)
        | scored_ratios(given, labels, comparisons)
        | both_order_ratios(counted, labels, comparisons)
    )
    clusters = [cluster_of(pair.prompt) for pair in pairs]
    order = np.array(sorted(range(len(pairs)), key=lambda i: (clusters[i], pairs[i].id)), np.intp)
    _, codes = np.unique(np.array(clusters, dtype=np.str_), return_inverse=True)
    tables = (labels[:, :, None] * answers[:, None, :]).reshape(len(pairs), SHAPE[0] * SHAPE[1])
    used = ratios["accuracy"]
    three = bool(tables.sum(axis=0).reshape(SHAPE).sum(axis=1).all())

    figures = []
    for name, convention in CONVENTIONS.items():
        part = ratios.get(name, used)
        rows = order[part.den[order] > 0]
        pair_cells = tables if name in TABLE_METRICS else np.stack([part.num, part.den], axis=1)
        figures.append(
            Pooled(
                name=name,
                cells=pair_cells[rows],
                cluster=codes[rows],
                n=part.n,
                of=part.of,
                convention=convention.format(
                    unscored=_UNSCORED[unscored], labels=_LABELS[annotators]
                ),
                missing=_MISSING.get(name, _NO_COMPARISON) if used.n else _NO_COMPARISON,
                statistic=table_statistic(name, three) if name in TABLE_METRICS else ratio,
                undefined=_MISSING.get(name, _NO_COMPARISON),
            )
        )
    cells = {name: Ratio(tables[:, at], np.ones(len(pairs)), 0, 0) for at, name in enumerate(CELLS)}
    values = _values(pairs, clusters, ratios) + _values(pairs, clusters, cells, filled=True)
    return pooled_metrics(figures, seed, rounds, confidence), values


def table_statistic(name: str, three: bool) -> Statistic:
    """What one of ``TABLE_METRICS`` is of sums of flat tables, (r, width) to (r,).

    ``three``: whether the labels have all three classes, without which the macros are undefined.
    """
    if not name.startswith("macro_"):
        return lambda sums: TABLE_METRICS[name](sums.reshape(len(sums), *SHAPE))

    def macro_of(sums: Array) -> Array:
        tables = sums.reshape(len(sums), *SHAPE)
        # A replicate without one of the classes would count it as 0, though nothing was wrong.
        whole = three & tables.sum(axis=-1).all(axis=-1)
        return np.where(whole, TABLE_METRICS[name](tables), np.nan)

    return macro_of


def _values(
    pairs: Sequence[LabelledPair],
    clusters: Sequence[str],
    ratios: Mapping[str, Ratio],
    filled: bool = False,
) -> list[Value]:
    """The prompts' parts; of ``filled`` ones those that are not 0."""
    found = []
    for name, part in ratios.items():
        rows: list[int] = np.flatnonzero(part.num if filled else part.den).tolist()
        nums, dens = part.num.tolist(), part.den.tolist()
        found += [
            Value(
                prompt_id=pairs[row].id,
                metric=name,
                num=nums[row],
                den=dens[row],
                cluster=clusters[row],
            )
            for row in rows
        ]
    return found
