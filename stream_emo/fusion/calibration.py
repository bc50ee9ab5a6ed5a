"""Temperature scaling: dividing logits by one number so that probabilities match frequencies.

Guo et al. (2017), "On Calibration of Modern Neural Networks".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_LOWEST, _HIGHEST = 0.2, 10.0
_STEPS = 60
_GOLDEN = (5**0.5 - 1) / 2


def fit_temperature(logits: NDArray[np.float64], targets: NDArray[np.float64]) -> tuple[float, float]:
    """Return the temperature with the least cross-entropy of `softmax(logits / temperature)`, and that.

    `logits`, `targets`: float [n, classes]; targets are distributions. The loss has one minimum in the
    logarithm of the temperature; golden-section search finds it between 0.2 and 10. (SciPy's
    `minimize_scalar` would do the same in as many lines.)
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
    """Return the mean cross-entropy in nats of `softmax(logits)` [n, classes] against distributions."""
    shifted = logits - logits.max(1, keepdims=True)
    return float(-(targets * (shifted - np.log(np.exp(shifted).sum(1, keepdims=True)))).sum(1).mean())
