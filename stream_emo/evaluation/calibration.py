"""The protocol that measures calibration (ECE) and selective accuracy on held-out corpora."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stream_emo.evaluation.audio_only import TRANSFER, held_out_corpus
from stream_emo.evaluation.metrics import MetricValue, unweighted_accuracy
from stream_emo.evaluation.predictions import Predictions, together
from stream_emo.evaluation.result import Result
from stream_emo.evaluation.text_only import estimates_of
from stream_emo.events import EMOTIONS
from stream_emo.training.corpora import Clip
from stream_emo.training.datasets import Data
from stream_emo.training.features import encode_clips, final_windows
from stream_emo.training.held_out_corpora import HELD_OUT_CORPORA, TESTED
from stream_emo.training.labels import merged

_COVERAGE = 0.75


def calibration(source: Data) -> Result:
    """Calibration and selective accuracy as in `leave_one_corpus_out`, audio only.

    `ece`: expected calibration error; `gain_75`: accuracy among the most confident 75 % of the clips minus
    accuracy among all. TurEV, which was never trained on, by the packaged checkpoint as it is shipped.
    """
    metrics: dict[str, MetricValue] = {}
    for checkpoint, names in TESTED.items():
        for name in names:
            metrics |= _calibration(f"{checkpoint} {name}", held_out_corpus(source, name, checkpoint).alone)
    metrics |= _calibration("turev, shipped", _shipped(source, source.clips("turev")))
    return Result.of(
        "calibration",
        together([held_out_corpus(source, name).alone for name in HELD_OUT_CORPORA]),
        metrics,
        [
            "common metrics: `research`, each corpus by a network trained on the others; four labels",
            TRANSFER,
            "turev: single Turkish words, any of seven labels; intervals over its speakers are rough",
        ],
    )


def _shipped(source: Data, clips: Sequence[Clip]) -> Predictions:
    """Return the predictions of the packaged checkpoint from the audio at the end of each clip."""
    windows = final_windows(encode_clips(clips, source.audio_encoder, source.cache, progress=source.progress))
    estimates = estimates_of(source.fuser(), windows)
    return Predictions(
        EMOTIONS,
        np.array([EMOTIONS.index(merged(clip.label)) for clip in clips]),
        np.array([[*estimate.probabilities.values()] for estimate in estimates]),
        np.array([clip.speaker for clip in clips]),
    )


def _calibration(name: str, predictions: Predictions) -> dict[str, MetricValue]:
    return {
        f"{name} ua": predictions.measure(unweighted_accuracy),
        f"{name} ece": predictions.ece(),
        f"{name} gain_75": predictions.selective_gain(_COVERAGE),
    }
