"""Protocols for audio and text together: agreement, and one modality with nothing to say.

No corpus here has emotional speech with words to match. Three kinds of items stand in for it: compositions of
a clip of a held-out speaker with a sentence from a test split, placed on the same time axis; acted clips with
their own transcripts, whose words have no emotion; and emotional sentences spoken flatly by espeak-ng. They
show whether a checkpoint weighs the two modalities well, not how natural speech is scored.
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
from stream_emo.fusion.fuser import Fuser
from stream_emo.perception.text_encoder import Pieces
from stream_emo.training.corpora import Clip, Sentence
from stream_emo.training.corpora.registry import CORPORA
from stream_emo.training.datasets import Data
from stream_emo.training.features import final_windows
from stream_emo.training.flat_speech import TEST_VOICES, has_espeak, spoken_flatly
from stream_emo.training.held_out_corpora import HELD_OUT_CORPORA
from stream_emo.training.labels import merged
from stream_emo.training.sampler import NEUTRAL, spoken
from stream_emo.training.splits import is_held_out
from stream_emo.types import SAMPLE_RATE

_EMOTIONAL = [column for column in range(len(EMOTIONS)) if column != NEUTRAL]
_ROUNDS = 3  # Compositions per clip, each with another sentence.
_FLAT_SENTENCES = 40  # Of each emotion.
_FLAT_WORDS = range(4, 16)  # Lengths that espeak-ng speaks within a window.
_COMPOSED = "compositions: an acted clip with a written sentence that is not spoken in it"
_CLIPS = (
    "clips: the speakers of RAVDESS, nEMO and CREMA-D that no checkpoint is trained on; intervals over them"
)
_SENTENCES = "sentences: MELD and GoEmotions test, those with one label"


@dataclass(frozen=True, slots=True, eq=False)
class Sentences:
    """Sentences with exactly one label."""

    sentences: Sequence[Sentence]
    pieces: Sequence[Pieces]
    """The encoded word pieces of each."""
    emotions: NDArray[np.int64]
    """[sentences]: index of `EMOTIONS`."""

    def draw(self, emotion: int, generator: np.random.Generator) -> Pieces:
        """Return a random sentence of this emotion."""
        return self.pieces[int(generator.choice(np.flatnonzero(self.emotions == emotion)))]


@dataclass(frozen=True, slots=True, eq=False)
class Voices:
    """Clips as they are scored at their end."""

    windows: Sequence[Window]
    """The audio of each clip."""
    emotions: NDArray[np.int64]
    """[clips]: index of `EMOTIONS`."""
    speakers: NDArray[np.str_]
    """[clips]: name of the corpus and the speaker."""
    transcripts: Sequence[Pieces | None]
    """The encoded words that are said; None: unknown."""


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """What is scored: a clip with words."""

    audio: Window
    words: Pieces
    truth: int
    """Index of `EMOTIONS`."""
    speaker: str


@dataclass(frozen=True, slots=True, eq=False)
class Fused:
    """Predictions of the same items from both modalities and from each alone."""

    both: Predictions
    audio: Predictions
    text: Predictions

    def gain(self, *alone: Predictions) -> MetricValue:
        """Return the UA of both minus the best of `alone`, on the same draws of speakers."""
        both = self.both.statistic(unweighted_accuracy)
        others = [predictions.statistic(unweighted_accuracy) for predictions in alone]
        return self.both.bootstrap(lambda rows: both(rows) - max(other(rows) for other in others))


def composed(source: Data) -> Result:
    """Measure the gain of fusion on compositions of a clip and a sentence of the same emotion.

    `gain`: UA of the fused minus that of the better modality alone.
    """
    items = same_emotion(held_out_voices(source), sentences_with_one_label(source))
    fused = score(source, source.fuser(), items)
    metrics = {
        "ua audio only": fused.audio.measure(unweighted_accuracy),
        "ua text only": fused.text.measure(unweighted_accuracy),
        "gain": fused.gain(fused.audio, fused.text),
    }
    return Result.of("composed", fused.both, metrics, [_COMPOSED, _CLIPS, _SENTENCES])


def conflict(source: Data) -> Result:
    """Measure what a modality with nothing to say costs the other.

    A: emotional audio, neutral text; the audio is right. B: neutral audio, text of each emotion in turn; the
    text is right. Each is a composition, then real: acted clips with their own transcripts, and sentences
    spoken flatly by espeak-ng. The UA of each is set against that of the informative modality alone.
    """
    voices, sentences, fuser = held_out_voices(source), sentences_with_one_label(source), source.fuser()
    notes = [
        "A: emotional audio, neutral text; B: neutral audio, emotional text; common metrics: compositions",
        "A real: with the words that are said, which have no emotion; clips with known English words",
        _COMPOSED,
        _CLIPS,
        _SENTENCES,
    ]
    halves = {
        "A": score(source, fuser, emotional_voice(voices, sentences)),
        "A real": score(source, fuser, own_words(voices)),
        "B": score(source, fuser, emotional_words(voices, sentences)),
    }
    if has_espeak():
        halves["B real"] = score(source, fuser, flatly_spoken(source, sentences))
        notes.append(f"B real: spoken flatly by espeak-ng, voices {', '.join(TEST_VOICES)}")
    else:
        notes.append("B real: left out, because espeak-ng is not installed")
    metrics: dict[str, MetricValue] = {}
    for name, half in halves.items():
        kind, alone = ("audio", half.audio) if name.startswith("A") else ("text", half.text)
        metrics[f"{name} ua fused"] = half.both.measure(unweighted_accuracy)
        metrics[f"{name} ua {kind} only"] = alone.measure(unweighted_accuracy)
        metrics[f"{name} difference"] = half.gain(alone)
        metrics[f"{name} ece"] = half.both.ece()
    return Result.of("conflict", together([halves["A"].both, halves["B"].both]), metrics, notes)


def same_emotion(voices: Voices, sentences: Sentences, rounds: int = _ROUNDS) -> list[Item]:
    """Return compositions of every clip with `rounds` sentences of its emotion."""
    generator = np.random.default_rng(0)
    rows = np.repeat(np.arange(len(voices.windows)), rounds).tolist()
    emotions = voices.emotions[rows]
    return [
        _item(voices, row, sentences.draw(emotion, generator), emotion)
        for row, emotion in zip(rows, emotions, strict=True)
    ]


def emotional_voice(voices: Voices, sentences: Sentences) -> list[Item]:
    """Return compositions of every emotional clip with a neutral sentence."""
    generator = np.random.default_rng(1)
    rows = np.flatnonzero(voices.emotions != NEUTRAL).tolist()
    return [_item(voices, row, sentences.draw(NEUTRAL, generator), voices.emotions[row]) for row in rows]


def emotional_words(voices: Voices, sentences: Sentences) -> list[Item]:
    """Return compositions of every neutral clip with a sentence of each other emotion."""
    generator = np.random.default_rng(2)
    return [
        _item(voices, row, sentences.draw(emotion, generator), emotion)
        for row in np.flatnonzero(voices.emotions == NEUTRAL).tolist()
        for emotion in _EMOTIONAL
    ]


def own_words(voices: Voices) -> list[Item]:
    """Return every emotional clip whose words are known, with these."""
    return [
        _item(voices, row, words, voices.emotions[row])
        for row, words in enumerate(voices.transcripts)
        if words is not None and voices.emotions[row] != NEUTRAL
    ]


def flatly_spoken(source: Data, sentences: Sentences) -> list[Item]:
    """Return sentences of every emotion spoken by espeak-ng; raises `SourceError` without it."""
    generator = np.random.default_rng(3)
    fit = np.array([len(sentence.text.split()) in _FLAT_WORDS for sentence in sentences.sentences])
    rows = [
        generator.permutation(np.flatnonzero(fit & (sentences.emotions == emotion)))[:_FLAT_SENTENCES]
        for emotion in _EMOTIONAL
    ]
    chosen = generator.permutation(np.concatenate(rows))
    clips = spoken_flatly([sentences.sentences[row] for row in chosen], TEST_VOICES, source.cache)
    windows = final_windows(source.audio_corpus(clips, copies=0).clips)
    return [
        Item(window, sentences.pieces[row], int(sentences.emotions[row]), clip.speaker)
        for row, clip, window in zip(chosen, clips, windows, strict=True)
    ]


def score(source: Data, fuser: Fuser, items: Sequence[Item]) -> Fused:
    """Return the predictions for the items; their words are placed on the time axis at random."""
    generator = np.random.default_rng(4)
    length = round(FusionConfig().window_s * SAMPLE_RATE)
    windows = []
    for item in items:
        end = item.audio.end
        text = spoken(item.words, end, generator)
        windows.append(Window(item.audio.audio, text, end).last(length))
    truth = np.array([item.truth for item in items])
    speakers = np.array([item.speaker for item in items])

    def predictions(part: Callable[[Window], Window]) -> Predictions:
        estimates = estimates_of(fuser, [part(window) for window in windows], source.progress)
        likely = np.array([[*estimate.probabilities.values()] for estimate in estimates])
        return Predictions(EMOTIONS, truth, likely, speakers)

    return Fused(
        predictions(lambda window: window),
        predictions(lambda window: Window(window.audio, None, window.end)),
        predictions(lambda window: Window(None, window.text, window.end)),
    )


def held_out_voices(source: Data) -> Voices:
    """Return the clips of the speakers that no checkpoint is trained on, of the corpora that are there.

    Raises:
        SourceError: none of the corpora is there.
    """
    names = [name for name in HELD_OUT_CORPORA if CORPORA[name].is_in(source.folder)]
    if not names:
        raise CORPORA[HELD_OUT_CORPORA[0]].missing(source.folder)
    clips = {name: [clip for clip in source.clips(name) if is_held_out(name, clip.speaker)] for name in names}
    return voices_of(source, clips)


def voices_of(source: Data, clips: dict[str, list[Clip]]) -> Voices:
    """Return the features of clips, by the name of their corpus."""
    encoded = [source.audio_corpus(found, copies=0) for found in clips.values()]
    named = [(name, clip) for name, found in clips.items() for clip in found]
    return Voices(
        [window for corpus in encoded for window in final_windows(corpus.clips)],
        np.array([EMOTIONS.index(merged(clip.label)) for _, clip in named]),
        np.array([f"{name} {clip.speaker}" for name, clip in named]),
        [pieces for corpus in encoded for pieces in corpus.transcripts],
    )


def sentences_with_one_label(source: Data) -> Sentences:
    """Return the test sentences with exactly one label."""
    sentences, pieces = [], []
    for found in (source.meld("test"), source.goemotions("test")):
        for sentence, encoded in zip(found, source.text_corpus(found).pieces, strict=True):
            if len(sentence.labels) == 1:
                sentences.append(sentence)
                pieces.append(encoded)
    emotions = np.array([EMOTIONS.index(sentence.labels[0]) for sentence in sentences])
    return Sentences(sentences, pieces, emotions)


def _item(voices: Voices, row: int, words: Pieces, truth: int) -> Item:
    return Item(voices.windows[row], words, int(truth), str(voices.speakers[row]))
