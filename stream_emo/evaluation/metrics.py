"""Figures in the field's standard terms, with intervals that know that clips of one speaker are alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Confusion = NDArray[np.float64]
"""[truth, prediction] counts; a column beyond the classes counts what was no class at all."""
Metric = Callable[[Confusion], float]
Rows = NDArray[np.int64]
"""Which items; one that was drawn twice is there twice."""
Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

_RESAMPLES = 1000
_BINS = 15  # Of the calibration error, as in Guo et al.


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value and its 95 % bootstrap interval; NaN is what cannot be said."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def confusion(truth: NDArray[np.int64], prediction: NDArray[np.int64], classes: int) -> Confusion:
    """float64 [classes, classes + 1]; the last column counts predictions of -1: nothing was said."""
    column = np.where(prediction < 0, classes, prediction)
    counts = np.bincount(truth * (classes + 1) + column, minlength=classes * (classes + 1))
    return counts.reshape(classes, classes + 1).astype(np.float64)


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


def multilabel_f1(truth: Flags, said: Flags) -> float:
    """Macro F1 where an item [n, classes] may have several labels; a class never seen nor said counts 0."""
    both = (truth & said).sum(0)
    return float(np.mean(2 * both / np.maximum(truth.sum(0) + said.sum(0), 1)))


def expected_calibration_error(confidence: Array, right: Flags) -> float:
    """ECE: |accuracy - mean confidence| over 15 bins of equal width on the top probability, weighted by size.

    Guo et al. (2017), "On Calibration of Modern Neural Networks". NaN without items.
    """
    if len(confidence) == 0:
        return float("nan")
    edge = np.clip(np.ceil(confidence * _BINS).astype(np.int64) - 1, 0, _BINS - 1)
    gaps = np.bincount(edge, weights=right - confidence, minlength=_BINS)
    return float(np.abs(gaps).sum() / len(confidence))


def risk_coverage(confidence: Array, right: Flags) -> tuple[Array, Array]:
    """Coverages 1/n, 2/n, ... 1 and the error rate among that many of the surest.

    El-Yaniv and Wiener (2010), "On the Foundations of Noise-free Selective Classification".
    """
    order = np.argsort(-confidence, kind="stable")
    counts = np.arange(1, len(order) + 1)
    return counts / len(order), 1 - np.cumsum(right[order]) / counts


def accuracy_at(coverage: float, confidence: Array, right: Flags) -> float:
    """Share that is right among the surest `coverage` of the items."""
    covered, risk = risk_coverage(confidence, right)
    return float(1 - risk[int(np.searchsorted(covered, coverage - 1e-9))])


def pearson(x: Array, y: Array) -> float:
    """Correlation; NaN where one of the two never changes."""
    x, y = x - x.mean(), y - y.mean()
    norm = np.sqrt(np.square(x).sum() * np.square(y).sum())
    return float((x * y).sum() / norm) if norm > 0 else float("nan")


def bootstrap(statistic: Callable[[Rows], float], groups: Sequence[str]) -> Figure:
    """`statistic` of all rows, and its 95 % percentile interval when whole groups (speakers, comments) are
    drawn again with replacement (Efron and Tibshirani 1993).

    One group has no interval. A draw for which the statistic is NaN is left out.
    """
    names, member = np.unique(np.array(groups), return_inverse=True)
    rows = np.arange(len(member))
    value = statistic(rows)
    if len(names) < 2:
        return Figure(value, float("nan"), float("nan"))
    generator = np.random.default_rng(0)
    draws = generator.integers(len(names), size=(_RESAMPLES, len(names)))
    values = np.array(
        [statistic(np.repeat(rows, np.bincount(draw, minlength=len(names))[member])) for draw in draws]
    )
    values = values[~np.isnan(values)]
    if len(values) == 0:
        return Figure(value, float("nan"), float("nan"))
    low, high = np.percentile(values, [2.5, 97.5])
    return Figure(value, float(low), float(high))


def _f1(matrix: Confusion) -> Array:
    said = matrix.sum(0)[: len(matrix)]
    return np.asarray(2 * np.diag(matrix) / np.maximum(said + matrix.sum(1), 1))
