"""Calibration: probabilities that mean what they say."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_LOWEST, _HIGHEST = 0.2, 10.0
_STEPS = 60
_GOLDEN = (5**0.5 - 1) / 2


def fit_temperature(logits: NDArray[np.float64], targets: NDArray[np.float64]) -> tuple[float, float]:
    """The temperature that makes `softmax(logits / temperature)` likeliest to give `targets`, and the
    cross-entropy it leaves.

    `logits`, `targets`: float [n, classes]; targets are distributions. Guo et al. (2017), "On Calibration
    of Modern Neural Networks". The loss has one minimum in the logarithm of the temperature; golden-section
    search finds it between 0.2 and 10.
    """
    low, high = np.log(_LOWEST), np.log(_HIGHEST)
    for _ in range(_STEPS):
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        if cross_entropy(logits / np.exp(left), targets) < cross_entropy(logits / np.exp(right), targets):
            high = right
        else:
            low = left
    temperature = float(np.exp((low + high) / 2))
    return temperature, cross_entropy(logits / temperature, targets)


def cross_entropy(logits: NDArray[np.float64], targets: NDArray[np.float64]) -> float:
    """Mean over rows, in nats, of `softmax(logits)` [n, classes] against distributions."""
    shifted = logits - logits.max(1, keepdims=True)
    return float(-(targets * (shifted - np.log(np.exp(shifted).sum(1, keepdims=True)))).sum(1).mean())
