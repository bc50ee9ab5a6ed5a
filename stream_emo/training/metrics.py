"""Figures from confusion matrices, with intervals that know that clips of one speaker are alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Confusion = NDArray[np.float64]
"""[truth, prediction] counts."""
Metric = Callable[[Confusion], float]

_RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value and its 95 % bootstrap interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.1%} [{self.low:.1%}, {self.high:.1%}]"


def unweighted_accuracy(matrix: Confusion) -> float:
    """Mean recall of the classes that occur (macro recall, UA)."""
    there = matrix.sum(1) > 0
    return float((np.diag(matrix)[there] / matrix.sum(1)[there]).mean())


def accuracy(matrix: Confusion) -> float:
    """Share that is right (weighted accuracy, WA)."""
    return float(np.trace(matrix) / matrix.sum())


def macro_f1(matrix: Confusion) -> float:
    """Mean F1 of the classes that occur."""
    return float(_f1(matrix)[matrix.sum(1) > 0].mean())


def weighted_f1(matrix: Confusion) -> float:
    """Mean F1, each class weighted by how often it occurs."""
    return float(np.average(_f1(matrix), weights=matrix.sum(1)))


def figure(
    metric: Metric,
    truth: NDArray[np.int64],
    prediction: NDArray[np.int64],
    groups: Sequence[str],
    classes: int,
) -> Figure:
    """`metric` over all, and its interval when whole groups (speakers, dialogues) are drawn again."""
    names, member = np.unique(np.array(groups), return_inverse=True)
    matrices = np.zeros((len(names), classes, classes))
    np.add.at(matrices, (member, truth, prediction), 1)
    generator = np.random.default_rng(0)
    draws = generator.integers(len(names), size=(_RESAMPLES, len(names)))
    values = [metric(matrices[draw].sum(0)) for draw in draws]
    low, high = np.percentile(values, [2.5, 97.5])
    return Figure(metric(matrices.sum(0)), float(low), float(high))


def _f1(matrix: Confusion) -> NDArray[np.float64]:
    return np.asarray(2 * np.diag(matrix) / np.maximum(matrix.sum(0) + matrix.sum(1), 1))
