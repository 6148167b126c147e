"""The length-controlled win rate: a logistic model of the preferences in which the difference in
length can be set to zero.

Dubois, Galambosi, Liang and Hashimoto, Length-Controlled AlpacaEval (arXiv 2404.04475), with the
details of alpaca-eval 0.6.6. The features of a prompt i are tanh(d_i / s), its difficulty gamma_i
and 1, where d_i is how many characters the baseline's answer is longer and s the sample standard
deviation of d. A verbose and a concise answer of the baseline itself, which people should not tell
apart from it, hold the first two coefficients: 2 x 805 rows of weight 0.1 without the 1. The
coefficients minimise |w|_1 + C * sum of weighted cross-entropies; C is chosen among ten by five
folds. The figure is the mean over prompts of sigmoid(psi * gamma_i + theta).

alpaca-eval looks difficulties up by row number and downloads its files while it computes; here they
are given, by prompt, and a thousand bootstrap rounds are refitted in seconds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.alpaca_eval2.logistic import Features, cross_entropy, fit, sigmoid
from results.stats import Ends, interval

Array = NDArray[np.float64]

GRID = np.logspace(-4, 4, 10)  # of C
FOLDS = 5
GAMED_WEIGHT = 0.1  # 0.2, shared by the verbose and the concise answers
# The last step of a fit that is only to choose C: Newton's steps shrink as their squares, so that
# the losses of the folds are right to some 1e-9.
NEAR = 1e-3
BATCH = 50  # bootstrap rounds at a time: their features are 6 MB


@dataclass(frozen=True)
class Gamed:
    """The verbose and concise answers of the baseline, judged against it.

    Args:
        place: (rows,), the prompt of each row, 0 to 804.
        length: (rows,), d / s as upstream's file gives it.
        preference: (rows,), that the gamed answer is better, 0 to 1.
        difficulty: (805,), of every prompt.
    """

    place: NDArray[np.intp]
    length: Array
    preference: Array
    difficulty: Array


@dataclass(frozen=True)
class Judged:
    """A model's answers as the fit needs them, all (prompts,).

    Args:
        place: row of ``Gamed.difficulty`` that is this prompt's.
        longer: characters by which the baseline's answer is longer.
        preference: that the model's answer is better, 0 to 1; NaN where it is unscored.
    """

    place: NDArray[np.intp]
    longer: Array
    preference: Array


@dataclass(frozen=True)
class LengthControlled:
    """``coefficients``: of tanh(d / s), gamma and 1. ``by_prompt``: the model's preference for each
    prompt at equal length; ``win_rate`` is its mean. ``c`` is the one that was used.
    """

    win_rate: float
    coefficients: Array
    by_prompt: Array
    c: float


def controlled(judged: Judged, gamed: Gamed, c: float | None = None) -> LengthControlled:
    """Fits the model and sets the difference in length to zero.

    Args:
        judged: the model's answers; those that are unscored leave the fit and stay in the mean.
        gamed: the baseline's own.
        c: null = chosen by cross-validation.
    """
    x, target, weight = _rows(judged, gamed)
    grid = GRID if c is None else np.array([c])
    fitted = fit(x, target, np.repeat(weight[None], len(grid), axis=0), grid, enough=NEAR)
    best = choose(x, target, weight, fitted) if c is None else 0
    chosen = grid[best : best + 1]
    w, c = fit(x, target, weight[None], chosen, fitted[best])[0], float(chosen[0])
    by_prompt = predicted(w, gamed.difficulty[judged.place])
    return LengthControlled(float(by_prompt.mean()), w, by_prompt, c)


def predicted(coefficients: Array, difficulty: Array) -> Array:
    """The preference (prompts,) for the model at equal lengths: sigmoid(psi * gamma + theta)."""
    return sigmoid(coefficients[1] * difficulty + coefficients[2])


def choose(x: Features, target: Array, weight: Array, fitted: Array) -> int:
    """The place in ``GRID`` of the C with the least mean weighted loss over folds left out.

    The folds are those of scikit-learn's GroupKFold over rows, as alpaca-eval makes them: from the
    last row on, in turn. So the choice depends on the order of the rows, and with it, at the third
    digit, the figure. ``fitted`` (10, 3), on all rows for each C, is near what a fold gives.
    """
    rows = len(target)
    fold = np.arange(rows)[::-1] % FOLDS
    left_out = fold == np.arange(FOLDS)[:, None]
    kept = np.repeat(np.where(left_out, 0.0, weight), len(GRID), axis=0)
    begun = np.tile(fitted, (FOLDS, 1))
    w = fit(x, target, kept, np.tile(GRID, FOLDS), begun, enough=NEAR)
    lost, _ = cross_entropy(x.products(w), target)
    lost = lost.reshape(FOLDS, len(GRID), rows) * weight
    means = (lost * left_out[:, None]).sum(2) / left_out.sum(1)[:, None]
    return int(means.mean(0).argmin())


def bootstrap(judged: Judged, gamed: Gamed, found: LengthControlled, seed: int,
              rounds: int = 1000) -> Ends:  # fmt: skip
    """The 95 % interval of the win rate: prompts are resampled with all their rows, and the model
    is fitted anew in every round, with C held.
    """
    scored = np.isfinite(judged.preference)
    x, target, _ = _rows(judged, gamed)
    where = {place: row for row, place in enumerate(judged.place.tolist())}
    # The gamed answers of prompts that the model has no answer to stay once in every round.
    owner = np.array([where.get(place, -1) for place in gamed.place.tolist()], dtype=np.intp)
    difficulty = gamed.difficulty[judged.place]

    def refitted(counts: Array) -> Array:
        parts = [one_batch(counts[at : at + BATCH]) for at in range(0, len(counts), BATCH)]
        return np.concatenate(parts)

    def one_batch(counts: Array) -> Array:
        spread = _spread(judged.longer, counts)
        lengths = np.repeat(x.own, len(counts), axis=0)
        lengths[:, len(gamed.place) :] = np.tanh(judged.longer[scored] / spread[:, None])
        theirs = GAMED_WEIGHT * np.where(owner < 0, 1.0, counts[:, owner])
        weight = np.concatenate([theirs, counts[:, scored]], axis=1)
        c = np.full(len(counts), found.c)
        w = fit(Features(lengths, x.shared), target, weight, c, found.coefficients)
        shares = sigmoid(w[:, 1:2] * difficulty + w[:, 2:3])
        return np.asarray((counts * shares).sum(1) / counts.sum(1))

    return interval(np.eye(len(judged.place)), refitted, found.win_rate, seed, rounds)


def _rows(judged: Judged, gamed: Gamed) -> tuple[Features, Array, Array]:
    """Features, targets and weights (rows,): the gamed answers, then the model's scored ones."""
    scored = np.isfinite(judged.preference)
    lengths = np.tanh(judged.longer / judged.longer.std(ddof=1))[scored]
    own = np.concatenate([np.tanh(gamed.length), lengths])
    place = np.concatenate([gamed.place, judged.place[scored]])
    one = np.concatenate([np.zeros(len(gamed.place)), np.ones(len(lengths))])
    target = np.concatenate([gamed.preference, judged.preference[scored]])
    weight = np.where(one > 0, 1.0, GAMED_WEIGHT)
    features = Features(own[None], np.column_stack([gamed.difficulty[place], one]))
    return features, target, weight


def _spread(values: Array, counts: Array) -> Array:
    """(rounds,): sample standard deviations of ``values`` taken ``counts`` (rounds, values) times.

    A round in which all are alike has none; 1 then, as every difference from it is none too.
    """
    n = counts.sum(1)
    mean = counts @ values / n
    squares = (counts * (values - mean[:, None]) ** 2).sum(1)
    spread = np.sqrt(squares / (n - 1))
    return np.where(spread > 0, spread, 1.0)
