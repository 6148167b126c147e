"""Statistics of confusion counts: agreement beyond chance, and the macro averages by class.

All of them are vectorised over any leading dimensions, so that a bootstrap asks for all replicates
at once. A table is (classes, answers): a row is what people say; the first ``classes`` columns are
the judge's answers in the same order, and columns beyond them are answers that are never right.
"""

from __future__ import annotations

import numpy as np

from results.stats import Array, divide


def kappa(tables: Array) -> Array:
    """Returns Cohen's kappa, (observed - chance) / (1 - chance), at most 1.

    Source: Cohen 1960, A coefficient of agreement for nominal scales.

    Args:
        tables: (..., classes, answers) counts, whole or weighted, >= 0.

    Returns:
        (...); NaN where it is undefined: an empty table, or both sides always say one and the same.
    """
    classes = tables.shape[-2]
    total = tables.sum(axis=(-2, -1))
    right = np.trace(tables[..., :classes], axis1=-2, axis2=-1)
    rows, columns = tables.sum(axis=-1), tables[..., :classes].sum(axis=-2)
    chance = (rows * columns).sum(axis=-1)  # times the total twice
    beyond = total * total - chance
    # Weights such as 1/3 leave noise where it should be 0; the least that n counts can leave
    # otherwise is about 1/n of the whole.
    beyond = np.where(beyond > 1e-10 * total * total, beyond, 0.0)
    return divide(total * right - chance, beyond)


def macro(tables: Array) -> tuple[Array, Array, Array]:
    """Returns precision, recall and F1, each the plain mean over the classes.

    As scikit-learn's ``precision_recall_fscore_support(average="macro", labels=all classes,
    zero_division=0)``: the F1 is the mean of the classes' F1, and a class without an answer (or
    without a label) counts 0.

    Args:
        tables: (..., classes, answers) counts.

    Returns:
        Three arrays (...) in 0..1; NaN for an empty table.
    """
    classes = tables.shape[-2]
    right = np.diagonal(tables[..., :classes], axis1=-2, axis2=-1)
    labels, answers = tables.sum(axis=-1), tables[..., :classes].sum(axis=-2)
    empty = tables.sum(axis=(-2, -1)) == 0

    def mean(part: Array, whole: Array) -> Array:
        shares = np.nan_to_num(divide(part, whole)).mean(axis=-1)
        return np.where(empty, np.nan, shares)

    return mean(right, answers), mean(right, labels), mean(2 * right, labels + answers)
