"""`stream-emo eval`: accuracy on published corpora, by protocols that others can repeat.

Audio protocols train the shipped architecture anew for every fold, so no speaker is ever both learnt from
and tested. Text protocols test the packaged checkpoint on sentences it has not learnt from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stream_emo.config import FusionConfig
from stream_emo.fusion.baseline import SpeakerBaseline
from stream_emo.fusion.configuration import NetworkConfig
from stream_emo.fusion.fuser import Fuser
from stream_emo.fusion.network import FusionNetwork
from stream_emo.fusion.windows import Window
from stream_emo.perception.audio_tokens import AUDIO_FEATURES
from stream_emo.training.corpora import Sentence
from stream_emo.training.datasets import Data, subset, whole, written
from stream_emo.training.examples import NEUTRAL, Sampler, Voices
from stream_emo.training.features import default_cache
from stream_emo.training.labels import RAVDESS
from stream_emo.training.loop import Recipe, fit, predict
from stream_emo.training.metrics import (
    Figure,
    accuracy,
    figure,
    macro_f1,
    unweighted_accuracy,
    weighted_f1,
)
from stream_emo.types import EMOTIONS

_BATCH = 256


@dataclass(frozen=True, slots=True)
class Result:
    """`figures`: by name, each with a 95 % interval over speakers (audio) or sentences (text)."""

    protocol: str
    items: int
    figures: Mapping[str, Figure]


def ravdess_6fold(data: Path, cache: Path | None = None, recipe: Recipe | None = None) -> Result:
    """RAVDESS, 8 emotions, 6 folds of 4 unseen actors (1-4, 5-8, ...) as in EmoBox (Ma et al. 2024).

    `ua`, `wa`: each clip by itself. `ua_baseline`: each actor's clips in random order as one session with
    a causal speaker baseline. `ua_folds_4_6`: actors 13-24, on which no choice was made.
    """
    source = Data(data, cache or default_cache())
    clips = source.ravdess()
    speakers = [clip.speaker for clip in clips]
    fold = np.array([(int(speaker) - 1) // 4 for speaker in speakers])
    emotions = RAVDESS
    corpus = source.voices(clips, emotions)
    truth = corpus.targets[:, :-2].argmax(1)
    alone, adapted = _cross_validate(corpus, speakers, fold, emotions, recipe or Recipe())
    late = fold >= 3
    late_speakers = [speaker for speaker, chosen in zip(speakers, late, strict=True) if chosen]
    classes = len(emotions)
    return Result(
        "ravdess-6fold",
        len(clips),
        {
            "ua": figure(unweighted_accuracy, truth, alone, speakers, classes),
            "wa": figure(accuracy, truth, alone, speakers, classes),
            "ua_baseline": figure(unweighted_accuracy, truth, adapted, speakers, classes),
            "ua_folds_4_6": figure(unweighted_accuracy, truth[late], alone[late], late_speakers, classes),
        },
    )


def nemo(data: Path, cache: Path | None = None, recipe: Recipe | None = None) -> Result:
    """nEMO, 6 emotions (no disgust), 3 folds of 3 unseen speakers. Figures as in `ravdess_6fold`."""
    source = Data(data, cache or default_cache())
    clips = source.nemo()
    speakers = [clip.speaker for clip in clips]
    names = sorted(set(speakers))
    fold = np.array([names.index(speaker) % 3 for speaker in speakers])
    corpus = source.voices(clips)
    truth = corpus.targets[:, :-2].argmax(1)
    alone, adapted = _cross_validate(corpus, speakers, fold, EMOTIONS, recipe or Recipe())
    return Result(
        "nemo",
        len(clips),
        {
            "ua": figure(unweighted_accuracy, truth, alone, speakers, len(EMOTIONS)),
            "wa": figure(accuracy, truth, alone, speakers, len(EMOTIONS)),
            "ua_baseline": figure(unweighted_accuracy, truth, adapted, speakers, len(EMOTIONS)),
        },
    )


def meld_text(data: Path, cache: Path | None = None) -> Result:
    """MELD test, 7 emotions, words alone, without the dialogue before."""
    source = Data(data, cache or default_cache())
    return _text("meld-text", source, source.meld("test"))


def goemotions_ekman(data: Path, cache: Path | None = None) -> Result:
    """GoEmotions test, grouped after Ekman, words alone; the comments that have exactly one label."""
    source = Data(data, cache or default_cache())
    single = [sentence for sentence in source.goemotions("test") if len(sentence.labels) == 1]
    return _text("goemotions-ekman", source, single)


PROTOCOLS: dict[str, Callable[[Path], Result]] = {
    "ravdess-6fold": ravdess_6fold,
    "nemo": nemo,
    "meld-text": meld_text,
    "goemotions-ekman": goemotions_ekman,
}


def _cross_validate(
    corpus: Voices, speakers: Sequence[str], fold: NDArray[np.int64], emotions: Sequence[str], recipe: Recipe
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Predictions for every clip by a network that knows none of its fold: alone, and with the baseline."""
    window_s = FusionConfig().window_s
    alone, adapted = (np.zeros(len(fold), np.int64) for _ in range(2))
    for number in np.unique(fold):
        test = fold == number
        config = NetworkConfig(emotions=tuple(emotions), audio_features=AUDIO_FEATURES)
        sampler = Sampler([subset(corpus, ~test)], [], window_s, np.random.default_rng(int(number)))
        network = fit(config, sampler, recipe, seed=int(number))
        windows = whole(subset(corpus, test), window_s)
        alone[test] = predict(network, windows).argmax(1)
        here = [speaker for speaker, chosen in zip(speakers, test, strict=True) if chosen]
        adapted[test] = _in_sessions(network, windows, here)
    return alone, adapted


def _in_sessions(
    network: FusionNetwork, windows: Sequence[Window], speakers: Sequence[str]
) -> NDArray[np.int64]:
    """As `predict`, each speaker's windows in random order, with a causal speaker baseline."""
    generator = np.random.default_rng(0)
    predictions = np.zeros(len(windows), np.int64)
    for speaker in sorted(set(speakers)):
        baseline = SpeakerBaseline(network.voice.normalise.token_mean.numpy())
        rows = [row for row, name in enumerate(speakers) if name == speaker]
        for row in generator.permutation(rows):
            window = windows[row]
            assert window.audio is not None
            logits = predict(network, [Window(baseline.adjust(window.audio), None, window.end)])[0]
            predictions[row] = logits.argmax()
            probabilities = np.exp(logits - logits.max())
            baseline.settle(window.audio, float(probabilities[NEUTRAL] / probabilities.sum()))
    return predictions


def _text(protocol: str, source: Data, sentences: Sequence[Sentence]) -> Result:
    corpus = source.texts(sentences)
    fuser, windows = Fuser.load(FusionConfig()), written(corpus)
    parts = [fuser.estimate(windows[first : first + _BATCH]) for first in range(0, len(windows), _BATCH)]
    probabilities = [[*estimate.probabilities.values()] for part in parts for estimate in part]
    prediction = np.array(probabilities).argmax(1)
    truth = corpus.targets[:, :-2].argmax(1)
    groups = [str(row) for row in range(len(sentences))]
    metrics = {"macro_f1": macro_f1, "weighted_f1": weighted_f1, "ua": unweighted_accuracy, "wa": accuracy}
    return Result(
        protocol,
        len(sentences),
        {name: figure(metric, truth, prediction, groups, len(EMOTIONS)) for name, metric in metrics.items()},
    )
