"""Protocols for text only: the packaged checkpoint on sentences that it was not trained on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stream_emo.evaluation.metrics import (
    Array,
    Flags,
    accuracy,
    bootstrap,
    macro_f1,
    multilabel_f1,
    pearson,
    unweighted_accuracy,
    weighted_f1,
)
from stream_emo.evaluation.predictions import Predictions
from stream_emo.evaluation.result import Result
from stream_emo.events import EMOTIONS
from stream_emo.fusion.batch import Window
from stream_emo.fusion.fuser import Fuser
from stream_emo.progress import NO_PROGRESS, Progress, track
from stream_emo.training.corpora import Sentence
from stream_emo.training.datasets import Data, written
from stream_emo.types import Estimate

_BATCH = 256
_THRESHOLDS = np.arange(0.05, 0.96, 0.01)
_INTERVALS = "intervals over sentences"


def meld_text(source: Data) -> Result:
    """Evaluate the MELD test set (Poria et al. 2019): 7 emotions, up to 8 utterances of context."""
    sentences = source.meld("test")
    truth = np.array([EMOTIONS.index(sentence.labels[0]) for sentence in sentences])
    predictions = _predictions(truth, probabilities(source, sentences))
    return Result.of(
        "meld-text", predictions, {"weighted_f1": predictions.measure(weighted_f1)}, [_INTERVALS]
    )


def goemotions_ekman(source: Data) -> Result:
    """Evaluate the GoEmotions test set grouped after Ekman, several labels each (Demszky et al. 2020).

    A label is predicted when its probability reaches a threshold, one for all labels, chosen on the dev
    split, or when it is the most probable. The comments with exactly one label are also scored by that alone.
    """
    dev = source.goemotions("dev")
    threshold = best_threshold(_flags(dev), probabilities(source, dev))
    sentences = source.goemotions("test")
    truth, likely = _flags(sentences), probabilities(source, sentences)
    predicted = predicted_labels(likely, threshold)
    single = truth.sum(1) == 1
    alone = _predictions(truth[single].argmax(1), likely[single])
    groups = [str(row) for row in range(len(sentences))]
    return Result(
        "goemotions-ekman",
        len(sentences),
        EMOTIONS,
        macro_f1=bootstrap(lambda rows: multilabel_f1(truth[rows], predicted[rows]), groups),
        metrics={
            "macro_f1, comments with one label": alone.measure(macro_f1),
            "ua, comments with one label": alone.measure(unweighted_accuracy),
            "wa, comments with one label": alone.measure(accuracy),
            "ece, comments with one label": alone.ece(),
        },
        notes=(
            f"several labels: predicted from a probability of {threshold:.2f} on (chosen on dev) or when "
            "most probable",
            _INTERVALS,
        ),
    )


def emobank(source: Data) -> Result:
    """Evaluate EmoBank test (Buechel and Hahn 2017): Pearson's r of predicted and rated valence, arousal."""
    sentences = source.emobank("test")
    affect = np.array([sentence.affect for sentence in sentences])
    estimates = _estimates(source, sentences)
    valence = np.array([estimate.valence for estimate in estimates])
    arousal = np.array([estimate.arousal for estimate in estimates])
    groups = [str(row) for row in range(len(sentences))]
    return Result(
        "emobank",
        len(sentences),
        metrics={
            "valence r": bootstrap(lambda rows: pearson(valence[rows], affect[rows, 0]), groups),
            "arousal r": bootstrap(lambda rows: pearson(arousal[rows], affect[rows, 1]), groups),
        },
        notes=(_INTERVALS,),
    )


def best_threshold(truth: Flags, likely: Array) -> float:
    """Return the threshold on probabilities [n, labels] with the best macro F1; the lowest of several."""
    scores = [multilabel_f1(truth, predicted_labels(likely, threshold)) for threshold in _THRESHOLDS]
    return float(_THRESHOLDS[int(np.argmax(scores))])


def predicted_labels(likely: Array, threshold: float) -> Flags:
    """Return which labels [n, labels] reach the threshold or are the most probable of their item."""
    return np.asarray((likely >= threshold) | (likely == likely.max(1, keepdims=True)))


def probabilities(source: Data, sentences: Sequence[Sentence]) -> Array:
    """Return the probabilities [n, emotions] that the packaged checkpoint gives each sentence."""
    return np.array([[*estimate.probabilities.values()] for estimate in _estimates(source, sentences)])


def estimates_of(fuser: Fuser, windows: Sequence[Window], progress: Progress = NO_PROGRESS) -> list[Estimate]:
    """Return the estimate for each window, computed in batches, so that not all are padded to the longest."""
    return [
        estimate
        for first in track(range(0, len(windows), _BATCH), progress, "scoring")
        for estimate in fuser.estimate(windows[first : first + _BATCH])
    ]


def _estimates(source: Data, sentences: Sequence[Sentence]) -> list[Estimate]:
    return estimates_of(source.fuser(), written(source.text_corpus(sentences)), source.progress)


def _predictions(truth: NDArray[np.int64], likely: Array) -> Predictions:
    return Predictions(EMOTIONS, truth, likely, np.arange(len(truth)).astype(np.str_))


def _flags(sentences: Sequence[Sentence]) -> Flags:
    return np.array([[name in sentence.labels for name in EMOTIONS] for sentence in sentences])
