"""Many small L1-regularised logistic regressions at once, with soft targets.

liblinear solves one at a time and needs every soft target as two rows; here a thousand bootstrap
rounds or all folds of a cross-validation are one batch. Proximal Newton with a line search: Lee,
Sun and Saunders, Proximal Newton-type methods for minimizing composite functions (SIAM J. Optim.
2014). It ends at the optimum, where liblinear stops at a tolerance of 1e-4.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

STEPS, SWEEPS, HALVINGS = 100, 200, 40
# The longest step of a coefficient after which a problem counts as solved: Newton's steps shrink as
# their squares, so what is left is some 1e-12.
ENOUGH = 1e-6


@dataclass(frozen=True)
class Features:
    """The rows of all problems; no intercept is added.

    Args:
        own: (problems or 1, rows), the first feature, which may differ from problem to problem.
        shared: (rows, k), the others.
    """

    own: Array
    shared: Array

    def of(self, kept: NDArray[np.bool_]) -> Features:
        """Those of some problems alone."""
        return self if len(self.own) == 1 else Features(self.own[kept], self.shared)

    def products(self, w: Array) -> Array:
        """(problems, rows) from coefficients (problems, 1 + k)."""
        return np.asarray(w[:, :1] * self.own + w[:, 1:] @ self.shared.T)

    def sums(self, values: Array) -> Array:
        """(problems, 1 + k): ``values`` (problems, rows) times each feature, summed over rows."""
        return np.column_stack([(values * self.own).sum(1), values @ self.shared])

    def squares(self, values: Array) -> Array:
        """(problems, 1 + k, 1 + k): the same with the product of each two features."""
        k = self.shared.shape[1]
        ours = values * self.own
        found = np.empty((len(values), 1 + k, 1 + k))
        found[:, 0, 0] = (ours * self.own).sum(1)
        found[:, 0, 1:] = found[:, 1:, 0] = ours @ self.shared
        both = (self.shared[:, :, None] * self.shared[:, None, :]).reshape(-1, k * k)
        found[:, 1:, 1:] = (values @ both).reshape(-1, k, k)
        return found


def fit(features: Features, target: Array, weight: Array, c: Array,
        start: Array | None = None, enough: float = ENOUGH) -> Array:  # fmt: skip
    """Minimises ``|w|_1 + c * sum_i weight_i * CE(target_i, sigmoid(x_i w))`` for every problem.

    Args:
        features: of all problems, x.
        target: (rows,), probabilities in [0, 1].
        weight: (problems, rows), >= 0.
        c: (problems,), > 0, the inverse strength of the regularisation.
        start: (problems or 1, 1 + k), where to begin; null = 0.
        enough: the longest step of a coefficient after which a problem counts as solved.

    Returns:
        (problems, 1 + k).
    """
    size = 1 + features.shared.shape[1]
    w = np.zeros((len(weight), size))
    w = w if start is None else w + start
    going = np.arange(len(weight))  # those that are not solved yet; the others wait for nobody
    scaled = weight * c[:, None]
    now, shares = _objective(features, target, scaled, w)
    for _ in range(STEPS):
        there = w[going]
        gradient = features.sums(scaled * (shares - target))
        hessian = features.squares(scaled * shares * (1 - shares)) + 1e-12 * np.eye(size)
        step = _quadratic(hessian, gradient, there) - there
        promised = (gradient * step).sum(1) + np.abs(there + step).sum(1) - np.abs(there).sum(1)
        objective = partial(_objective, features, target, scaled)
        w[going], now, shares = _search(objective, there, now, step, promised)
        left = np.abs(step).max(1) >= enough
        if not left.any():
            break
        if not left.all():
            going, now, shares, scaled = going[left], now[left], shares[left], scaled[left]
            features = features.of(left)
    return w


def _objective(features: Features, target: Array, scaled: Array, at: Array) -> tuple[Array, Array]:
    """What is minimised, (problems,), and the shares (problems, rows) at ``at``."""
    lost, shares = cross_entropy(features.products(at), target)
    return (scaled * lost).sum(1) + np.abs(at).sum(1), shares


def cross_entropy(z: Array, target: Array) -> tuple[Array, Array]:
    """Cross-entropy in nats of sigmoid(z) against ``target``, and sigmoid(z): one exp for both."""
    small = np.abs(z)
    np.negative(small, out=small)
    np.exp(small, out=small)
    small += 1
    larger = 1 / small  # the share of the likelier side
    lost = np.log(small, out=small)
    lost += np.maximum(z, 0)
    lost -= target * z
    return lost, np.where(z > 0, larger, 1 - larger)


def sigmoid(z: Array) -> Array:
    """1 / (1 + exp(-z)); 0 where exp overflows."""
    with np.errstate(over="ignore"):
        return np.asarray(1 / (1 + np.exp(-z)))


def _quadratic(hessian: Array, gradient: Array, w: Array) -> Array:
    """Where the second-order model of the loss, plus ``|u|_1``, is least.

    Coordinate descent finds the signs within a few sweeps, but ends slowly where two features are
    alike; with the signs known the rest is a linear system.
    """
    u = w.copy()
    for _ in range(SWEEPS):
        before = u.copy()
        for j in range(w.shape[1]):
            slope = gradient[:, j] + (hessian[:, j] * (u - w)).sum(1)
            curve = hessian[:, j, j]
            wished = curve * u[:, j] - slope
            u[:, j] = np.sign(wished) * np.maximum(np.abs(wished) - 1, 0) / curve
        if np.array_equal(np.sign(u), np.sign(before)):
            solved = _with_signs(hessian, gradient, w, np.sign(u))
            if solved is not None:
                return solved
        if np.abs(u - before).max() < 1e-10:
            break
    return u


def _with_signs(hessian: Array, gradient: Array, w: Array, signs: Array) -> Array | None:
    """The least point if its coefficients have these signs; null where they have not."""
    free = signs != 0
    both = free[:, :, None] & free[:, None, :]
    right = (hessian @ w[:, :, None])[:, :, 0] - gradient - signs
    system = np.where(both, hessian, np.eye(w.shape[1]))
    u = np.linalg.solve(system, np.where(free, right, 0)[:, :, None])[:, :, 0]
    slope = gradient + (hessian @ (u - w)[:, :, None])[:, :, 0]
    held = np.where(free, np.sign(u) == signs, np.abs(slope) <= 1)
    return u if held.all() else None


def _search(objective: Callable[[Array], tuple[Array, Array]], w: Array, now: Array, step: Array,
            promised: Array) -> tuple[Array, Array, Array]:  # fmt: skip
    """``w`` plus as much of ``step`` as lowers the objective enough (Armijo), by halving; and the
    objective and the shares there.
    """
    share = np.ones(len(w))
    for _ in range(HALVINGS):
        there = w + share[:, None] * step
        found, shares = objective(there)
        # A bit of slack: at the optimum the objective no longer changes in its last digits.
        over = found > now + 1e-4 * share * promised + 1e-12 * now
        if not over.any():
            return there, found, shares
        share[over] /= 2
    share[over] = 0.0
    there = w + share[:, None] * step
    return there, *objective(there)
