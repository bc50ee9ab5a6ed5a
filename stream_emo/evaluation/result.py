"""The result of an evaluation protocol, as JSON and as a table for people."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from stream_emo.evaluation.metrics import Flags, MetricValue, accuracy, macro_f1, unweighted_accuracy
from stream_emo.evaluation.predictions import Predictions

_COMMON = {"ua": "UA", "wa": "WA", "macro_f1": "macro F1", "ece": "ECE", "coverage": "coverage"}


@dataclass(frozen=True, slots=True)
class Result:
    """The metrics of one protocol; None is what it does not measure."""

    protocol: str
    """Name of the protocol, or of the manifest's file."""
    n: int
    """Number of items: clips, sentences or compositions."""
    labels: tuple[str, ...] = ()
    """The labels that occur in the test set, over which it is scored."""
    ua: MetricValue | None = None
    """Unweighted accuracy (macro recall)."""
    wa: MetricValue | None = None
    """Weighted accuracy: the share of correct items."""
    macro_f1: MetricValue | None = None
    """Mean F1 of the labels that occur."""
    ece: MetricValue | None = None
    """Expected calibration error."""
    coverage: MetricValue | None = None
    """Share of items that get a label; the other metrics count all items by their most probable label."""
    confusion: tuple[tuple[int, ...], ...] | None = None
    """Counts [truth, prediction] over `labels`."""
    other: tuple[int, ...] | None = None
    """Counts [truth] of predictions beyond `labels`, or of none; these are errors."""
    metrics: Mapping[str, MetricValue] = field(default_factory=dict)
    """Further metrics of the protocol, by name."""
    notes: tuple[str, ...] = ()
    """Notes on how to read the metrics."""

    @classmethod
    def of(
        cls,
        protocol: str,
        predictions: Predictions,
        metrics: Mapping[str, MetricValue] | None = None,
        notes: Sequence[str] = (),
        labelled: Flags | None = None,
    ) -> Result:
        """Return the common metrics of a classification over the labels that occur, and these `metrics`.

        `labelled` [n]: which items get a label; None: that is not measured.
        """
        matrix = predictions.matrix
        occurring = np.flatnonzero(matrix.sum(1) > 0)
        square = matrix[np.ix_(occurring, occurring)]
        other = matrix[occurring].sum(1) - square.sum(1)
        labels = tuple(predictions.labels[column] for column in occurring)
        if len(labels) < len(predictions.labels):
            missing = ", ".join(name for name in predictions.labels if name not in labels)
            scope = f"scored over {', '.join(labels)}; there is no {missing}, and predicting it is an error"
            notes = (scope, *notes)
        return cls(
            protocol,
            len(predictions),
            labels,
            ua=predictions.measure(unweighted_accuracy),
            wa=predictions.measure(accuracy),
            macro_f1=predictions.measure(macro_f1),
            ece=predictions.ece(),
            coverage=None
            if labelled is None
            else predictions.bootstrap(lambda rows: float(labelled[rows].mean())),
            confusion=tuple(tuple(map(int, row)) for row in square),
            other=tuple(map(int, other)),
            metrics=dict(metrics or {}),
            notes=tuple(notes),
        )

    def json(self) -> dict[str, Any]:
        """Return the JSON object of `stream-emo eval --json`; undefined values become null."""
        return {
            "protocol": self.protocol,
            "n": self.n,
            "labels": list(self.labels),
            **{key: _json(getattr(self, key)) for key in _COMMON},
            "confusion": self.confusion,
            "other": self.other,
            "metrics": {name: _json(value) for name, value in self.metrics.items()},
            "notes": list(self.notes),
        }

    def table(self) -> str:
        """Return the table of `stream-emo eval`."""
        common: dict[str, MetricValue | None] = {name: getattr(self, key) for key, name in _COMMON.items()}
        rows = {name: value for name, value in common.items() if value is not None} | dict(self.metrics)
        width = max(map(len, rows), default=0)
        lines = [f"{self.protocol}, n = {self.n}, {_about_intervals([*rows.values()])}"]
        lines += [f"  {name:{width}}  {value}" for name, value in rows.items()]
        if self.confusion is not None and self.other is not None:
            lines += ["", *_matrix(self.labels, self.confusion, self.other)]
        lines += ["", *(f"  {note}" for note in self.notes)] if self.notes else []
        return "\n".join(lines)


def _about_intervals(values: Sequence[MetricValue]) -> str:
    if all(math.isnan(value.low) for value in values):
        return "no intervals, which take at least two speakers"
    return "95 % intervals in brackets"


def _json(value: MetricValue | None) -> dict[str, Any] | None:
    if value is None:
        return None
    return {"value": _number(value.value), "ci95": [_number(value.low), _number(value.high)]}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)


def _matrix(labels: Sequence[str], confusion: Sequence[Sequence[int]], other: Sequence[int]) -> list[str]:
    """Return the lines of the confusion matrix: truth in rows, predictions beyond `labels` last."""
    width = max(map(len, (*labels, "other")))
    heading = " ".join(f"{name:>{width}}" for name in ("", *labels, "other"))
    counts = (
        " ".join([f"{label:>{width}}", *(f"{count:{width}d}" for count in (*row, rest))])
        for label, row, rest in zip(labels, confusion, other, strict=True)
    )
    return [f"  {heading}", *(f"  {line}" for line in counts)]
