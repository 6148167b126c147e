"""Many small L1-regularised logistic regressions at once, with soft targets.

liblinear solves one at a time and needs every soft target as two rows; here a thousand bootstrap
rounds or all folds of a cross-validation are one batch. Proximal Newton with a line search: Lee,
Sun and Saunders, Proximal Newton-type methods for minimizing composite functions (SIAM J. Optim.
2014). It ends at the optimum, where liblinear stops at a tolerance of 1e-4.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

STEPS, SWEEPS, HALVINGS = 100, 200, 40
ENOUGH = 1e-9  # the longest step of a coefficient at which a problem counts as solved


def fit(x: Array, target: Array, weight: Array, c: Array, start: Array | None = None) -> Array:
    """Minimises ``|w|_1 + c * sum_i weight_i * CE(target_i, sigmoid(x_i w))`` for every problem.

    Args:
        x: (problems or 1, rows, features); no intercept is added.
        target: (rows,), probabilities in [0, 1].
        weight: (problems, rows), >= 0.
        c: (problems,), > 0, the inverse strength of the regularisation.
        start: (features,), where to begin; null = 0.

    Returns:
        (problems, features).
    """
    problems, features = len(weight), x.shape[2]
    scaled = weight * c[:, None]
    w = np.zeros((problems, features)) if start is None else np.tile(start, (problems, 1))

    def objective(at: Array) -> Array:
        return np.asarray((scaled * losses(x, target, at)).sum(1) + np.abs(at).sum(1))

    now = objective(w)
    for _ in range(STEPS):
        shares = sigmoid(_products(x, w))
        gradient = _sums(x, scaled * (shares - target))
        curved = (scaled * shares * (1 - shares))[:, None, :] * x.transpose(0, 2, 1)
        hessian = curved @ x + 1e-12 * np.eye(features)
        step = _quadratic(hessian, gradient, w) - w
        if np.abs(step).max() < ENOUGH:
            break
        promised = (gradient * step).sum(1) + np.abs(w + step).sum(1) - np.abs(w).sum(1)
        w, now = _search(objective, w, now, step, promised)
    return w


def losses(x: Array, target: Array, w: Array) -> Array:
    """Cross-entropy (problems, rows), in nats, of ``sigmoid(x w)`` against ``target``."""
    z = _products(x, w)
    # log(1 + exp(z)), three times as fast as numpy's logaddexp and as exact in what is summed.
    return np.asarray(np.maximum(z, 0) + np.log(1 + np.exp(-np.abs(z))) - target * z)


def sigmoid(z: Array) -> Array:
    """1 / (1 + exp(-z)); 0 where exp overflows."""
    with np.errstate(over="ignore"):
        return np.asarray(1 / (1 + np.exp(-z)))


def _products(x: Array, w: Array) -> Array:
    return (x @ w[:, :, None])[:, :, 0]


def _sums(x: Array, values: Array) -> Array:
    """(problems, features): ``values`` (problems, rows) summed over the rows of ``x``."""
    return (values[:, None, :] @ x)[:, 0, :]


def _quadratic(hessian: Array, gradient: Array, w: Array) -> Array:
    """Where the second-order model of the loss, plus ``|u|_1``, is least: coordinate descent."""
    u = w.copy()
    for _ in range(SWEEPS):
        before = u.copy()
        for j in range(w.shape[1]):
            slope = gradient[:, j] + (hessian[:, j] * (u - w)).sum(1)
            curve = hessian[:, j, j]
            wished = curve * u[:, j] - slope
            u[:, j] = np.sign(wished) * np.maximum(np.abs(wished) - 1, 0) / curve
        if np.abs(u - before).max() < ENOUGH / 10:
            break
    return u


def _search(objective: Callable[[Array], Array], w: Array, now: Array, step: Array,
            promised: Array) -> tuple[Array, Array]:  # fmt: skip
    """``w`` plus as much of ``step`` as lowers the objective enough (Armijo), by halving; and the
    objective there.
    """
    share = np.ones(len(w))
    for _ in range(HALVINGS):
        there = w + share[:, None] * step
        found = objective(there)
        # A bit of slack: at the optimum the objective no longer changes in its last digits.
        over = found > now + 1e-4 * share * promised + 1e-12 * now
        if not over.any():
            return there, found
        share[over] /= 2
    share[over] = 0.0
    there = w + share[:, None] * step
    return there, objective(there)
