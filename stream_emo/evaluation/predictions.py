"""What was said of each item of a test set, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_emo.evaluation.metrics import (
    Array,
    Confusion,
    Figure,
    Flags,
    Metric,
    Rows,
    accuracy_at,
    bootstrap,
    confusion,
    expected_calibration_error,
)


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """`n` items. Arrays of another length are a mistake of the caller."""

    labels: tuple[str, ...]
    """All that may be said."""
    truth: NDArray[np.int64]
    """[n]: index among `labels`."""
    probabilities: Array
    """[n, labels]; NaN where nothing was heard, which counts as an error."""
    groups: NDArray[np.str_]
    """[n]: what is drawn again for the interval: the speaker, or the item itself."""

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def heard(self) -> Flags:
        return np.asarray(~np.isnan(self.probabilities[:, 0]))

    @property
    def said(self) -> NDArray[np.int64]:
        """[n]: the likeliest label; -1 where nothing was heard."""
        return np.where(self.heard, np.nan_to_num(self.probabilities).argmax(1), -1)

    @property
    def confidence(self) -> Array:
        """[n]: of the likeliest label; 0 where nothing was heard."""
        return np.asarray(np.nan_to_num(self.probabilities).max(1))

    @property
    def matrix(self) -> Confusion:
        return confusion(self.truth, self.said, len(self.labels))

    def only(self, chosen: Flags) -> Predictions:
        return Predictions(self.labels, self.truth[chosen], self.probabilities[chosen], self.groups[chosen])

    def figure(self, metric: Metric) -> Figure:
        return self.bootstrap(self.statistic(metric))

    def statistic(self, metric: Metric) -> Callable[[Rows], float]:
        """`metric` of some rows; for differences on the same draws."""
        truth, said, classes = self.truth, self.said, len(self.labels)
        return lambda rows: metric(confusion(truth[rows], said[rows], classes))

    def bootstrap(self, statistic: Callable[[Rows], float]) -> Figure:
        return bootstrap(statistic, self.groups.tolist())

    def ece(self) -> Figure:
        """Expected calibration error of what was heard."""
        confidence, right, heard = self.confidence, self.said == self.truth, self.heard

        def of(rows: Rows) -> float:
            rows = rows[heard[rows]]
            return expected_calibration_error(confidence[rows], right[rows])

        return self.bootstrap(of)

    def coverage(self, abstain_below: float) -> Figure:
        """Share of items of which the program does not abstain."""
        given = self.confidence >= abstain_below
        return self.bootstrap(lambda rows: float(given[rows].mean()))

    def selective_gain(self, coverage: float) -> Figure:
        """Accuracy among the surest `coverage` of the items minus accuracy among all."""
        confidence, right = self.confidence, self.said == self.truth
        return self.bootstrap(
            lambda rows: accuracy_at(coverage, confidence[rows], right[rows]) - float(right[rows].mean())
        )


def together(parts: Sequence[Predictions]) -> Predictions:
    """Several test sets over the same labels as one."""
    return Predictions(
        parts[0].labels,
        np.concatenate([part.truth for part in parts]),
        np.concatenate([part.probabilities for part in parts]),
        np.concatenate([part.groups for part in parts]),
    )


def softmax(logits: Array, temperature: float = 1.0) -> Array:
    """Probabilities [n, labels]."""
    raised = np.exp((logits - logits.max(1, keepdims=True)) / temperature)
    return np.asarray(raised / raised.sum(1, keepdims=True))
