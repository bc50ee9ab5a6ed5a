"""The protocol that compares accuracy between genders and age groups."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from stream_emo.evaluation.audio_only import Folds, nemo_folds, ravdess_folds
from stream_emo.evaluation.metrics import MetricValue, Rows, unweighted_accuracy
from stream_emo.evaluation.predictions import Predictions
from stream_emo.evaluation.result import Result
from stream_emo.training.datasets import Data

_YEARS = 5  # Of one age group.


def fairness(source: Data) -> Result:
    """Measure UA by gender and by age, of the out-of-fold predictions of `ravdess_6fold` and `nemo_loso`.

    `gap`: UA of women minus that of men, on the same draws of speakers; also with the speaker baseline.
    """
    metrics: dict[str, MetricValue] = {}
    tested = 0
    for name, folds in (("ravdess", ravdess_folds(source)), ("nemo", nemo_folds(source))):
        metrics |= by_group(name, folds)
        tested += len(folds.clips)
    return Result(
        "fairness",
        tested,
        metrics=metrics,
        notes=("audio only; each group has few speakers: mind the intervals", "RAVDESS gives no ages"),
    )


def by_group(name: str, folds: Folds) -> dict[str, MetricValue]:
    """Return the UA of each gender and age group, and the gap between women and men, by names for people."""
    predictions = folds.predictions(folds.windows)
    metrics = {}
    genders = np.array([clip.gender or "" for clip in folds.clips])
    ages = np.array([_age_group(clip.age) for clip in folds.clips])
    for groups in (genders, ages):
        for group in (group for group in np.unique(groups).tolist() if group):
            metrics[f"{name} ua {group}"] = predictions.only(groups == group).measure(unweighted_accuracy)
    for suffix, found in (("", predictions), (" with baseline", folds.with_baseline())):
        metrics[f"{name} gap{suffix}"] = found.bootstrap(_gap(found, genders))
    return metrics


def _gap(predictions: Predictions, genders: NDArray[np.str_]) -> Callable[[Rows], float]:
    ua = predictions.statistic(unweighted_accuracy)

    def gap(rows: Rows) -> float:
        women, men = (rows[genders[rows] == gender] for gender in ("female", "male"))
        return ua(women) - ua(men) if len(women) and len(men) else float("nan")

    return gap


def _age_group(age: int | None) -> str:
    if age is None:
        return ""
    first = age // _YEARS * _YEARS
    return f"aged {first}-{first + _YEARS - 1}"
