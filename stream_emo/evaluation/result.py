"""What a protocol found, as JSON and as a table for people."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from stream_emo.config import FusionConfig
from stream_emo.evaluation.metrics import Figure, accuracy, macro_f1, unweighted_accuracy
from stream_emo.evaluation.predictions import Predictions

_COMMON = {"ua": "UA", "wa": "WA", "macro_f1": "macro F1", "ece": "ECE", "coverage": "coverage"}


@dataclass(frozen=True, slots=True)
class Result:
    """The figures of one protocol. What it does not measure is None."""

    protocol: str
    n: int
    """Items: clips, sentences or pairs."""
    labels: tuple[str, ...] = ()
    """Those that occur in the test set, over which it is scored."""
    ua: Figure | None = None
    wa: Figure | None = None
    macro_f1: Figure | None = None
    ece: Figure | None = None
    coverage: Figure | None = None
    """Share of items of which the program does not abstain; the other figures count all items."""
    confusion: tuple[tuple[int, ...], ...] | None = None
    """[truth, prediction] counts over `labels`..."""
    other: tuple[int, ...] | None = None
    """...and, by truth, how often another label was said, or none; these are errors."""
    figures: Mapping[str, Figure] = field(default_factory=dict)
    """What the protocol measures besides, by name."""
    notes: tuple[str, ...] = ()
    """What one must know to read the figures."""

    @classmethod
    def of(
        cls,
        protocol: str,
        predictions: Predictions,
        figures: Mapping[str, Figure] | None = None,
        notes: Sequence[str] = (),
        abstain_below: float = FusionConfig().abstain_below,
    ) -> Result:
        """The common figures of a classification, over the labels that occur."""
        matrix = predictions.matrix
        occurring = np.flatnonzero(matrix.sum(1) > 0)
        square = matrix[np.ix_(occurring, occurring)]
        other = matrix[occurring].sum(1) - square.sum(1)
        labels = tuple(predictions.labels[column] for column in occurring)
        if len(labels) < len(predictions.labels):
            missing = ", ".join(name for name in predictions.labels if name not in labels)
            scope = (
                f"scored over {', '.join(labels)}; there is no {missing}, and saying so counts as an error"
            )
            notes = (scope, *notes)
        return cls(
            protocol,
            len(predictions),
            labels,
            ua=predictions.figure(unweighted_accuracy),
            wa=predictions.figure(accuracy),
            macro_f1=predictions.figure(macro_f1),
            ece=predictions.ece(),
            coverage=predictions.coverage(abstain_below),
            confusion=tuple(tuple(map(int, row)) for row in square),
            other=tuple(map(int, other)),
            figures=dict(figures or {}),
            notes=tuple(notes),
        )

    def json(self) -> dict[str, Any]:
        """What `stream-emo eval --json` prints; NaN becomes null."""
        return {
            "protocol": self.protocol,
            "n": self.n,
            "labels": list(self.labels),
            **{key: _json(getattr(self, key)) for key in _COMMON},
            "confusion": self.confusion,
            "other": self.other,
            "figures": {name: _json(value) for name, value in self.figures.items()},
            "notes": list(self.notes),
        }

    def table(self) -> str:
        common = {name: getattr(self, key) for key, name in _COMMON.items()}
        rows = {name: value for name, value in common.items() if value is not None} | dict(self.figures)
        width = max(map(len, rows), default=0)
        lines = [f"{self.protocol}, {self.n} items, 95 % intervals in brackets"]
        lines += [f"  {name:{width}}  {value}" for name, value in rows.items()]
        if self.confusion is not None and self.other is not None:
            lines += ["", *_matrix(self.labels, self.confusion, self.other)]
        lines += ["", *(f"  {note}" for note in self.notes)] if self.notes else []
        return "\n".join(lines)


def _json(value: Figure | None) -> dict[str, Any] | None:
    if value is None:
        return None
    return {"value": _number(value.value), "ci95": [_number(value.low), _number(value.high)]}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)


def _matrix(labels: Sequence[str], confusion: Sequence[Sequence[int]], other: Sequence[int]) -> list[str]:
    """Truth in rows; the last column is what none of `labels` was said for."""
    width = max(map(len, (*labels, "other")))
    heading = " ".join(f"{name:>{width}}" for name in ("", *labels, "other"))
    counts = (
        " ".join([f"{label:>{width}}", *(f"{count:{width}d}" for count in (*row, rest))])
        for label, row, rest in zip(labels, confusion, other, strict=True)
    )
    return [f"  {heading}", *(f"  {line}" for line in counts)]
