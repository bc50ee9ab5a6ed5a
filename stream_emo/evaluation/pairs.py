"""What voice and words say together. No corpus here has emotional speech with words to match, so each item is
a composition: a held-out voice, and a sentence from a test split that somebody else wrote, laid on the same
clock. They show whether the packaged checkpoint weighs the two well, not how natural speech is scored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_emo.config import FusionConfig
from stream_emo.evaluation.metrics import Figure, unweighted_accuracy
from stream_emo.evaluation.predictions import Predictions, together
from stream_emo.evaluation.result import Result
from stream_emo.evaluation.texts import estimates_of
from stream_emo.fusion.batch import Window
from stream_emo.fusion.fuser import Fuser
from stream_emo.perception.text_encoder import Pieces
from stream_emo.training import features
from stream_emo.training.datasets import Data
from stream_emo.training.examples import NEUTRAL, spoken
from stream_emo.training.labels import merged
from stream_emo.training.train import HELD_OUT
from stream_emo.types import EMOTIONS, SAMPLE_RATE

_EMOTIONAL = [column for column in range(len(EMOTIONS)) if column != NEUTRAL]
_ROUNDS = 3  # How often each clip is paired, each time with another sentence.
_COMPOSED = "each item is a composition: an acted voice with a written sentence that was not said in it"
_VOICES = f"voices: speakers {', '.join(HELD_OUT)}; not learnt from but for the temperature"
_SENTENCES = "sentences: MELD and GoEmotions test, those with one label; intervals over 3 speakers are rough"


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """Held-out voices and sentences, each with its emotion as an index of `EMOTIONS`."""

    voices: Sequence[Window]
    voice_emotions: NDArray[np.int64]
    speakers: NDArray[np.str_]
    sentences: Sequence[Pieces]
    sentence_emotions: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """What was said of the same compositions by both together and by each alone."""

    fused: Predictions
    voice: Predictions
    words: Predictions

    def gain(self, *alone: Predictions) -> Figure:
        """UA of the fused minus the best of those alone, on the same draws of speakers."""
        fused = self.fused.statistic(unweighted_accuracy)
        others = [predictions.statistic(unweighted_accuracy) for predictions in alone]
        return self.fused.bootstrap(lambda rows: fused(rows) - max(other(rows) for other in others))


def composed(source: Data) -> Result:
    """Compositions of a voice and a sentence of the same emotion: does hearing both help?

    `gain`: UA of the fused minus that of the better one alone.
    """
    material, generator = held_out(source), np.random.default_rng(0)
    rows = np.repeat(np.arange(len(material.voices)), _ROUNDS)
    pairs = compose(material, rows, material.voice_emotions[rows], material.voice_emotions[rows], generator)
    figures = {
        "ua voice alone": pairs.voice.figure(unweighted_accuracy),
        "ua words alone": pairs.words.figure(unweighted_accuracy),
        "gain": pairs.gain(pairs.voice, pairs.words),
    }
    return Result.of("composed", pairs.fused, figures, [_COMPOSED, _VOICES, _SENTENCES])


def conflict(source: Data) -> Result:
    """Compositions in which one is plain: is the other still believed?

    Half A: emotional voice, neutral words; the voice is right. Half B: neutral voice, words of each emotion
    in turn; the words are right. Each half's UA is set against that of the informative one alone.
    """
    material, generator = held_out(source), np.random.default_rng(0)
    emotional = np.flatnonzero(material.voice_emotions != NEUTRAL)
    plain = np.repeat(np.flatnonzero(material.voice_emotions == NEUTRAL), len(_EMOTIONAL))
    wanted = np.resize(np.array(_EMOTIONAL), len(plain))
    truth = material.voice_emotions[emotional]
    one = compose(material, emotional, np.full(len(emotional), NEUTRAL), truth, generator)
    other = compose(material, plain, wanted, wanted, generator)
    figures = {
        "A ua fused": one.fused.figure(unweighted_accuracy),
        "A ua voice alone": one.voice.figure(unweighted_accuracy),
        "A difference": one.gain(one.voice),
        "B ua fused": other.fused.figure(unweighted_accuracy),
        "B ua words alone": other.words.figure(unweighted_accuracy),
        "B difference": other.gain(other.words),
    }
    notes = [
        "A: emotional voice, neutral words; B: neutral voice, emotional words; common figures: both",
        _COMPOSED,
        _VOICES,
        _SENTENCES,
    ]
    return Result.of("conflict", together([one.fused, other.fused]), figures, notes)


def compose(
    material: Material,
    voices: NDArray[np.int64],
    words: NDArray[np.int64],
    truth: NDArray[np.int64],
    generator: np.random.Generator,
) -> Pairs:
    """The voices of these rows, each with a random sentence of the emotion `words`; right is `truth`."""
    fuser = Fuser.load(FusionConfig())
    length = round(FusionConfig().window_s * SAMPLE_RATE)
    windows = []
    for row, emotion in zip(voices, words, strict=True):
        voice = material.voices[row]
        sentence = material.sentences[generator.choice(np.flatnonzero(material.sentence_emotions == emotion))]
        text = spoken(sentence, voice.end, generator)
        windows.append(Window(voice.audio, text, voice.end).last(length))

    def said(part: Callable[[Window], Window]) -> Predictions:
        estimates = estimates_of(fuser, [part(window) for window in windows])
        likely = np.array([[*estimate.probabilities.values()] for estimate in estimates])
        return Predictions(EMOTIONS, truth, likely, material.speakers[voices])

    return Pairs(
        said(lambda window: window),
        said(lambda window: Window(window.audio, None, window.end)),
        said(lambda window: Window(None, window.text, window.end)),
    )


def held_out(source: Data) -> Material:
    clips = [clip for clip in (*source.ravdess(), *source.nemo()) if clip.speaker in HELD_OUT]
    heard = features.voices(clips, source.voice, source.cache)
    pieces, meanings = [], []
    for sentences in (source.meld("test"), source.goemotions("test")):
        for sentence, piece in zip(sentences, source.texts(sentences).pieces, strict=True):
            if len(sentence.labels) == 1:
                pieces.append(piece)
                meanings.append(EMOTIONS.index(sentence.labels[0]))
    return Material(
        [voice[-1] for voice in heard],
        np.array([EMOTIONS.index(merged(clip.label)) for clip in clips]),
        np.array([clip.speaker for clip in clips]),
        pieces,
        np.array(meanings),
    )
