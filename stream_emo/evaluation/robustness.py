"""How much a bad line, a noise, a room or a short look costs."""

from __future__ import annotations

from stream_emo.evaluation.conditions import conditions
from stream_emo.evaluation.metrics import Figure, unweighted_accuracy
from stream_emo.evaluation.result import Result
from stream_emo.evaluation.voices import ravdess_folds
from stream_emo.training.datasets import Data


def robustness(source: Data) -> Result:
    """RAVDESS as in `ravdess_6fold`, each clip heard in another condition; voice alone.

    Per condition: UA, and the UA lost against the clean clips (on the same draws of speakers).
    """
    folds = ravdess_folds(source)
    clean = folds.predictions(folds.windows)
    clean_ua = clean.statistic(unweighted_accuracy)
    figures: dict[str, Figure] = {}
    for condition in conditions(source.folder):
        disturbed = folds.predictions(folds.heard(condition))
        ua = disturbed.statistic(unweighted_accuracy)
        figures[f"{condition.name} ua"] = disturbed.figure(unweighted_accuracy)
        figures[f"{condition.name} loss"] = clean.bootstrap(lambda rows, ua=ua: clean_ua(rows) - ua(rows))  # type: ignore[misc]
    return Result.of(
        "robustness",
        clean,
        figures,
        [
            "common figures: the clean clips; loss: UA lost against them",
            "signal-to-noise ratios are of mean powers over the whole clip, its silence included",
            "noises and rooms are others than those augmentation draws from",
        ],
    )
