"""Predictions on a test set, and the metrics that follow from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_emo.evaluation.metrics import (
    Array,
    Confusion,
    Flags,
    Metric,
    MetricValue,
    Rows,
    accuracy_at,
    auc,
    bootstrap,
    confusion,
    expected_calibration_error,
)

_TINY = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """Predictions of the `n` items of a test set; the caller ensures that lengths agree."""

    labels: tuple[str, ...]
    """All labels that may be predicted."""
    truth: NDArray[np.int64]
    """[n]: index of the true label among `labels`."""
    probabilities: Array
    """[n, labels]: each row a distribution, or NaN where no speech was found, which counts as an error."""
    groups: NDArray[np.str_]
    """[n]: the unit of resampling for intervals: the speaker, or the item itself."""

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def scored(self) -> Flags:
        """Whether there is a prediction, that is, whether speech was found: bool [n]."""
        return np.asarray(~np.isnan(self.probabilities[:, 0]))

    @property
    def predicted(self) -> NDArray[np.int64]:
        """Index [n] of the most probable label; -1 where there is no prediction."""
        return np.where(self.scored, np.nan_to_num(self.probabilities).argmax(1), -1)

    @property
    def confidence(self) -> Array:
        """Probability [n] of the most probable label; 0 where there is no prediction."""
        return np.asarray(np.nan_to_num(self.probabilities).max(1))

    @property
    def matrix(self) -> Confusion:
        """The confusion matrix [labels, labels + 1]."""
        return confusion(self.truth, self.predicted, len(self.labels))

    def only(self, chosen: Flags) -> Predictions:
        """Return the items for which `chosen` [n] is true."""
        return Predictions(self.labels, self.truth[chosen], self.probabilities[chosen], self.groups[chosen])

    def measure(self, metric: Metric) -> MetricValue:
        """Return the metric over all items, with its interval."""
        return self.bootstrap(self.statistic(metric))

    def statistic(self, metric: Metric) -> Callable[[Rows], float]:
        """Return `metric` as a function of rows; for differences on the same draws."""
        truth, predicted, classes = self.truth, self.predicted, len(self.labels)
        return lambda rows: metric(confusion(truth[rows], predicted[rows], classes))

    def bootstrap(self, statistic: Callable[[Rows], float]) -> MetricValue:
        """Return a statistic of rows over all items, with its interval."""
        return bootstrap(statistic, self.groups.tolist())

    def ece(self) -> MetricValue:
        """Return the expected calibration error over the items with a prediction."""
        confidence, correct, scored = self.confidence, self.predicted == self.truth, self.scored

        def of(rows: Rows) -> float:
            rows = rows[scored[rows]]
            return expected_calibration_error(confidence[rows], correct[rows])

        return self.bootstrap(of)

    def auc(self, positive: Sequence[str], negative: Sequence[str]) -> MetricValue:
        """Return the AUC of the labels `positive` against `negative`, by the sum of their probabilities.

        Items with another label do not count.
        """
        columns = [self.labels.index(name) for name in positive]
        others = [self.labels.index(name) for name in negative]
        high, low = self.probabilities[:, columns].sum(1), self.probabilities[:, others].sum(1)
        scores = np.nan_to_num(np.log(high + _TINY) - np.log(low + _TINY))
        is_positive, counted = np.isin(self.truth, columns), np.isin(self.truth, [*columns, *others])

        def of(rows: Rows) -> float:
            rows = rows[counted[rows]]
            return auc(scores[rows], is_positive[rows])

        return self.bootstrap(of)

    def selective_gain(self, coverage: float) -> MetricValue:
        """Return the accuracy among the most confident `coverage` of the items minus that among all."""
        confidence, correct = self.confidence, self.predicted == self.truth
        return self.bootstrap(
            lambda rows: accuracy_at(coverage, confidence[rows], correct[rows]) - float(correct[rows].mean())
        )


def together(parts: Sequence[Predictions]) -> Predictions:
    """Return several test sets over the same labels as one."""
    return Predictions(
        parts[0].labels,
        np.concatenate([part.truth for part in parts]),
        np.concatenate([part.probabilities for part in parts]),
        np.concatenate([part.groups for part in parts]),
    )


def softmax(logits: Array, temperature: float = 1.0) -> Array:
    """Return the probabilities of `logits` [n, labels] divided by `temperature`."""
    raised = np.exp((logits - logits.max(1, keepdims=True)) / temperature)
    return np.asarray(raised / raised.sum(1, keepdims=True))
