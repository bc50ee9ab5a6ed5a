"""The protocol that measures the loss of accuracy by codecs, noise, rooms, clipping and short clips."""

from __future__ import annotations

from collections.abc import Callable

from stream_emo.evaluation.audio_only import ravdess_folds
from stream_emo.evaluation.conditions import conditions
from stream_emo.evaluation.metrics import MetricValue, Rows, unweighted_accuracy
from stream_emo.evaluation.predictions import Predictions
from stream_emo.evaluation.result import Result
from stream_emo.progress import track
from stream_emo.training.datasets import Data


def robustness(source: Data) -> Result:
    """Evaluate RAVDESS as in `ravdess_6fold`, in each acoustic condition; audio only.

    Per condition: the UA, and the UA lost against the clean clips (on the same draws of speakers).
    """
    folds = ravdess_folds(source)
    clean = folds.predictions(folds.windows)
    metrics: dict[str, MetricValue] = {}
    for condition in track(conditions(source.folder), source.progress, "acoustic conditions"):
        degraded = folds.predictions(folds.encoded(condition))
        metrics[f"{condition.name} ua"] = degraded.measure(unweighted_accuracy)
        metrics[f"{condition.name} loss"] = clean.bootstrap(_ua_lost(clean, degraded))
    return Result.of(
        "robustness",
        clean,
        metrics,
        [
            "common metrics: the clean clips; loss: UA lost against them",
            "signal-to-noise ratios are of mean powers over the whole clip, its silence included",
            "noises and rooms are others than those that augmentation draws from",
        ],
    )


def _ua_lost(clean: Predictions, degraded: Predictions) -> Callable[[Rows], float]:
    before, after = clean.statistic(unweighted_accuracy), degraded.statistic(unweighted_accuracy)
    return lambda rows: before(rows) - after(rows)
