"""Protocols for audio and text together, on compositions of the two.

No corpus here has emotional speech with words to match, so each item is a composition: a clip of a held-out
speaker, and a sentence from a test split that somebody else wrote, placed on the same time axis. They show
whether the packaged checkpoint weighs the two modalities well, not how natural speech is scored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_emo.config import FusionConfig
from stream_emo.evaluation.metrics import MetricValue, unweighted_accuracy
from stream_emo.evaluation.predictions import Predictions, together
from stream_emo.evaluation.result import Result
from stream_emo.evaluation.text_only import estimates_of
from stream_emo.events import EMOTIONS
from stream_emo.fusion.batch import Window
from stream_emo.perception.text_encoder import Pieces
from stream_emo.progress import NO_PROGRESS, Progress
from stream_emo.training import features
from stream_emo.training.datasets import Data
from stream_emo.training.labels import merged
from stream_emo.training.sampler import NEUTRAL, spoken
from stream_emo.training.splits import is_held_out
from stream_emo.types import SAMPLE_RATE

_EMOTIONAL = [column for column in range(len(EMOTIONS)) if column != NEUTRAL]
_ROUNDS = 3  # Compositions per clip, each with another sentence.
_COMPOSED = "each item is a composition: an acted clip with a written sentence that is not spoken in it"
_CLIPS = "clips: the speakers of RAVDESS and nEMO that are held out of training but for the temperature"
_SENTENCES = "sentences: MELD and GoEmotions test, those with one label; intervals over 3 speakers are rough"


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """Held-out clips and sentences, each with its emotion as an index of `EMOTIONS`."""

    source: Data
    """The data, with the checkpoint that scores them."""
    clips: Sequence[Window]
    """The audio of each clip as it is scored at its end."""
    clip_emotions: NDArray[np.int64]
    """[clips]"""
    speakers: NDArray[np.str_]
    """[clips]"""
    sentences: Sequence[Pieces]
    """The word pieces of each sentence."""
    sentence_emotions: NDArray[np.int64]
    """[sentences]"""


@dataclass(frozen=True, slots=True, eq=False)
class Compositions:
    """Predictions of the same compositions from both modalities and from each alone."""

    fused: Predictions
    audio: Predictions
    text: Predictions

    def gain(self, *alone: Predictions) -> MetricValue:
        """Return the UA of the fused minus the best of `alone`, on the same draws of speakers."""
        fused = self.fused.statistic(unweighted_accuracy)
        others = [predictions.statistic(unweighted_accuracy) for predictions in alone]
        return self.fused.bootstrap(lambda rows: fused(rows) - max(other(rows) for other in others))


def composed(source: Data) -> Result:
    """Measure the gain of fusion on compositions of a clip and a sentence of the same emotion.

    `gain`: UA of the fused minus that of the better modality alone.
    """
    material, generator = held_out(source), np.random.default_rng(0)
    rows = np.repeat(np.arange(len(material.clips)), _ROUNDS)
    emotions = material.clip_emotions[rows]
    items = compose(material, rows, emotions, emotions, generator, source.progress)
    metrics = {
        "ua audio only": items.audio.measure(unweighted_accuracy),
        "ua text only": items.text.measure(unweighted_accuracy),
        "gain": items.gain(items.audio, items.text),
    }
    return Result.of("composed", items.fused, metrics, [_COMPOSED, _CLIPS, _SENTENCES])


def conflict(source: Data) -> Result:
    """Measure the accuracy on compositions in which one modality is neutral.

    Half A: emotional audio, neutral text; the audio is right. Half B: neutral audio, text of each emotion in
    turn; the text is right. Each half's UA is set against that of the informative modality alone.
    """
    material, generator = held_out(source), np.random.default_rng(0)
    emotional = np.flatnonzero(material.clip_emotions != NEUTRAL)
    plain = np.repeat(np.flatnonzero(material.clip_emotions == NEUTRAL), len(_EMOTIONAL))
    wanted = np.resize(np.array(_EMOTIONAL), len(plain))
    truth = material.clip_emotions[emotional]
    one = compose(material, emotional, np.full(len(emotional), NEUTRAL), truth, generator, source.progress)
    other = compose(material, plain, wanted, wanted, generator, source.progress)
    metrics = {
        "A ua fused": one.fused.measure(unweighted_accuracy),
        "A ua audio only": one.audio.measure(unweighted_accuracy),
        "A difference": one.gain(one.audio),
        "B ua fused": other.fused.measure(unweighted_accuracy),
        "B ua text only": other.text.measure(unweighted_accuracy),
        "B difference": other.gain(other.text),
    }
    notes = [
        "A: emotional audio, neutral text; B: neutral audio, emotional text; common metrics: both",
        _COMPOSED,
        _CLIPS,
        _SENTENCES,
    ]
    return Result.of("conflict", together([one.fused, other.fused]), metrics, notes)


def compose(
    material: Material,
    rows: NDArray[np.int64],
    sentence_emotions: NDArray[np.int64],
    truth: NDArray[np.int64],
    generator: np.random.Generator,
    progress: Progress = NO_PROGRESS,
) -> Compositions:
    """Return predictions for the clips `rows` [n], each with a random sentence of `sentence_emotions` [n]
    and scored against `truth` [n].
    """
    fuser = material.source.fuser()
    length = round(FusionConfig().window_s * SAMPLE_RATE)
    windows = []
    for row, emotion in zip(rows, sentence_emotions, strict=True):
        clip = material.clips[row]
        sentence = material.sentences[generator.choice(np.flatnonzero(material.sentence_emotions == emotion))]
        text = spoken(sentence, clip.end, generator)
        windows.append(Window(clip.audio, text, clip.end).last(length))

    def predictions(part: Callable[[Window], Window]) -> Predictions:
        estimates = estimates_of(fuser, [part(window) for window in windows], progress)
        likely = np.array([[*estimate.probabilities.values()] for estimate in estimates])
        return Predictions(EMOTIONS, truth, likely, material.speakers[rows])

    return Compositions(
        predictions(lambda window: window),
        predictions(lambda window: Window(window.audio, None, window.end)),
        predictions(lambda window: Window(None, window.text, window.end)),
    )


def held_out(source: Data) -> Material:
    """Return the clips of the held-out speakers, and the test sentences with exactly one label."""
    clips = [
        clip for name in ("ravdess", "nemo") for clip in source.clips(name) if is_held_out(name, clip.speaker)
    ]
    encoded = features.encode_clips(clips, source.audio_encoder, source.cache, progress=source.progress)
    pieces, emotions = [], []
    for sentences in (source.meld("test"), source.goemotions("test")):
        for sentence, piece in zip(sentences, source.text_corpus(sentences).pieces, strict=True):
            if len(sentence.labels) == 1:
                pieces.append(piece)
                emotions.append(EMOTIONS.index(sentence.labels[0]))
    return Material(
        source,
        [passes[-1] for passes in encoded],
        np.array([EMOTIONS.index(merged(clip.label)) for clip in clips]),
        np.array([clip.speaker for clip in clips]),
        pieces,
        np.array(emotions),
    )
