"""Prices of prompts from predictors that were fixed beforehand: a logistic regression on the go.

A predictor says what each prompt's value may be: an earlier model's values, the mean of other
models', a cheap judge's. How much it is worth for this candidate is learnt from the values drawn so
far (its slope, with a prior that trusts it three quarters), so a useless one is soon left alone and
one that is upside down is turned. Nothing here can make a test wrong: whatever the prices are,
their mean over the prompts left is made the fair one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
CLIP = 0.02  # predictions are pulled in from 0 and 1 so far: no predictor is certain
TRUST, DOUBT = 0.75, 0.5  # mean and standard deviation of the slopes' sum and of each, before
NEWTON, CLOSE = 30, 1e-6  # steps at most, and the gap that ends them; what is left is made up for
WIDE = 3.0  # standard deviation of the intercept before


class Forecast:
    """The predictors of B evaluations: (B, N, K) values in 0..1, in the order of drawing."""

    def __init__(self, predictors: Array) -> None:
        near = np.clip(predictors, CLIP, 1 - CLIP)
        count, size, columns = near.shape
        ones = np.ones((count, size, 1))
        self._features = np.concatenate([ones, np.log(near / (1 - near))], axis=2)
        self._prior = np.array([0.0, *[TRUST / columns] * columns])
        self._certain = np.array([WIDE**-2, *[DOUBT**-2] * columns])
        self._slopes = np.tile(self._prior, (count, 1))
        self._shift: Array | None = None
        self._values = np.zeros((count, size))
        self._drawn = 0

    def prices(self, fair: Array) -> Array:
        """(B, prompts left): the forecasts, all shifted on the logit scale to the mean ``fair``."""
        left = self._features[:, self._drawn :, 1:]
        logits = np.einsum("bnk,bk->bn", left, self._slopes[:, 1:])
        shift = np.log(fair / (1 - fair)) if self._shift is None else self._shift
        for _ in range(NEWTON):  # from where the last draw ended, so mostly two or three
            shares = _sigmoid(logits + shift[:, None])
            gap = shares.mean(axis=1) - fair
            if np.abs(gap).max(initial=0.0) < CLOSE:
                break
            slope = np.maximum((shares * (1 - shares)).mean(axis=1), 1e-6)
            shift = shift - np.clip(gap / slope, -1, 1)
        self._shift = shift
        shares = _sigmoid(logits + shift[:, None])
        # The mean must be right to the last digit.
        return np.asarray(shares + (fair - shares.mean(axis=1))[:, None])

    def learn(self, values: Array) -> None:
        """Takes the value that was drawn; one step of Newton towards the penalised fit."""
        self._values[:, self._drawn] = values
        self._drawn += 1
        seen = self._features[:, : self._drawn]
        shares = _sigmoid(np.einsum("bnk,bk->bn", seen, self._slopes))
        errors = self._values[:, : self._drawn] - shares
        slope = np.einsum("bn,bnk->bk", errors, seen) - (self._slopes - self._prior) * self._certain
        curve = np.einsum("bn,bnk,bnl->bkl", shares * (1 - shares), seen, seen)
        curve += np.diag(self._certain)
        step = np.linalg.solve(curve, slope[:, :, None])[:, :, 0]
        self._slopes = self._slopes + step / np.maximum(1, np.abs(step).max(axis=1))[:, None]

    def expected(self) -> Array:
        """(B, prompts left): what the fit expects of the values that were not drawn."""
        left = self._features[:, self._drawn :]
        return _sigmoid(np.einsum("bnk,bk->bn", left, self._slopes))

    def keep(self, which: NDArray[np.bool_]) -> None:
        """Goes on with some of the evaluations only."""
        self._features, self._slopes = self._features[which], self._slopes[which]
        self._values = self._values[which]
        if self._shift is not None:
            self._shift = self._shift[which]


def _sigmoid(logits: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -60, 60))))
