"""Protocols for the words alone: the packaged checkpoint on sentences that it has not learnt from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stream_emo.config import FusionConfig
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
from stream_emo.fusion.batch import Window
from stream_emo.fusion.fuser import Fuser
from stream_emo.training.corpora import Sentence
from stream_emo.training.datasets import Data, written
from stream_emo.types import EMOTIONS, Estimate

_BATCH = 256
_THRESHOLDS = np.arange(0.05, 0.96, 0.01)
_INTERVALS = "intervals over sentences"


def meld_text(source: Data) -> Result:
    """MELD test (Poria et al. 2019), 7 emotions, gold words alone, after up to 8 utterances before them."""
    sentences = source.meld("test")
    truth = np.array([EMOTIONS.index(sentence.labels[0]) for sentence in sentences])
    predictions = _predictions(truth, probabilities(source, sentences))
    return Result.of("meld-text", predictions, {"weighted_f1": predictions.figure(weighted_f1)}, [_INTERVALS])


def goemotions_ekman(source: Data) -> Result:
    """GoEmotions test grouped after Ekman, all comments, several labels each (Demszky et al. 2020).

    A label is predicted when its probability reaches a threshold, one for all labels, chosen on the dev
    split, or when it is the likeliest. The comments with exactly one label are also scored by that alone.
    """
    known = source.goemotions("dev")
    threshold = chosen_threshold(_flags(known), probabilities(source, known))
    sentences = source.goemotions("test")
    truth, likely = _flags(sentences), probabilities(source, sentences)
    said = predicted(likely, threshold)
    single = truth.sum(1) == 1
    alone = _predictions(truth[single].argmax(1), likely[single])
    groups = [str(row) for row in range(len(sentences))]
    return Result(
        "goemotions-ekman",
        len(sentences),
        EMOTIONS,
        macro_f1=bootstrap(lambda rows: multilabel_f1(truth[rows], said[rows]), groups),
        figures={
            "macro_f1, comments with one label": alone.figure(macro_f1),
            "ua, comments with one label": alone.figure(unweighted_accuracy),
            "wa, comments with one label": alone.figure(accuracy),
            "ece, comments with one label": alone.ece(),
        },
        notes=(
            f"several labels: predicted from a probability of {threshold:.2f} on (chosen on dev) or when "
            "likeliest",
            _INTERVALS,
        ),
    )


def emobank(source: Data) -> Result:
    """EmoBank test (Buechel and Hahn 2017): correlation (Pearson's r) of valence and arousal."""
    sentences = source.emobank("test")
    affect = np.array([sentence.affect for sentence in sentences])
    estimates = _estimates(source, sentences)
    valence = np.array([estimate.valence for estimate in estimates])
    arousal = np.array([estimate.arousal for estimate in estimates])
    groups = [str(row) for row in range(len(sentences))]
    return Result(
        "emobank",
        len(sentences),
        figures={
            "valence r": bootstrap(lambda rows: pearson(valence[rows], affect[rows, 0]), groups),
            "arousal r": bootstrap(lambda rows: pearson(arousal[rows], affect[rows, 1]), groups),
        },
        notes=(_INTERVALS,),
    )


def chosen_threshold(truth: Flags, likely: Array) -> float:
    """The one with the best macro F1; the lowest of several."""
    scores = [multilabel_f1(truth, predicted(likely, threshold)) for threshold in _THRESHOLDS]
    return float(_THRESHOLDS[int(np.argmax(scores))])


def predicted(likely: Array, threshold: float) -> Flags:
    """[n, labels]: from the threshold on, and the likeliest."""
    return np.asarray((likely >= threshold) | (likely == likely.max(1, keepdims=True)))


def probabilities(source: Data, sentences: Sequence[Sentence]) -> Array:
    """[n, emotions]: what the packaged checkpoint says of each sentence."""
    return np.array([[*estimate.probabilities.values()] for estimate in _estimates(source, sentences)])


def estimates_of(fuser: Fuser, windows: Sequence[Window]) -> list[Estimate]:
    """In batches: not all windows are padded to the longest."""
    return [
        estimate
        for first in range(0, len(windows), _BATCH)
        for estimate in fuser.estimate(windows[first : first + _BATCH])
    ]


def _estimates(source: Data, sentences: Sequence[Sentence]) -> list[Estimate]:
    return estimates_of(Fuser.load(FusionConfig()), written(source.texts(sentences)))


def _predictions(truth: NDArray[np.int64], likely: Array) -> Predictions:
    return Predictions(EMOTIONS, truth, likely, np.arange(len(truth)).astype(np.str_))


def _flags(sentences: Sequence[Sentence]) -> Flags:
    return np.array([[name in sentence.labels for name in EMOTIONS] for sentence in sentences])
