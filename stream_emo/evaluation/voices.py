"""Protocols for the voice alone: the shipped architecture is trained anew for every fold, so that no speaker
is ever both learnt from and tested.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from stream_emo.config import FusionConfig
from stream_emo.evaluation.metrics import Array, Figure, unweighted_accuracy
from stream_emo.evaluation.predictions import Predictions, softmax, together
from stream_emo.evaluation.result import Result
from stream_emo.fusion.calibration import fit_temperature
from stream_emo.fusion.configuration import NetworkConfig
from stream_emo.fusion.fuser import Fuser
from stream_emo.fusion.network import FusionNetwork
from stream_emo.fusion.windows import Window
from stream_emo.perception.audio_tokens import AUDIO_FEATURES
from stream_emo.training.corpora import Clip
from stream_emo.training.datasets import Data, subset
from stream_emo.training.examples import Sampler, Voices
from stream_emo.training.features import Voice
from stream_emo.training.labels import RAVDESS, merged
from stream_emo.training.loop import Recipe, fit, predict
from stream_emo.types import EMOTIONS, SAMPLE_RATE

FOUR = ("neutral", "happy", "sad", "angry")
"""What (with calm as neutral) all corpora have."""
TARGETS = ("ravdess", "nemo")
"""Corpora that are left out in turn."""

_CALIBRATED = "temperature: for each fold from the unseen speakers of the other folds"


@dataclass(frozen=True, slots=True, eq=False)
class Folds:
    """A corpus and, for every fold, a network that has not learnt from its speakers."""

    clips: Sequence[Clip]
    emotions: tuple[str, ...]
    numbers: NDArray[np.int64]
    """Fold of each clip."""
    networks: Sequence[FusionNetwork]
    windows: Sequence[Window]
    """Each clip as it is scored at its end."""

    def predictions(self, windows: Sequence[Window]) -> Predictions:
        """What the networks say of the clips, heard like this; calibrated as `_CALIBRATED` says."""
        truth = np.array([self.emotions.index(merged(clip.label, self.emotions)) for clip in self.clips])
        logits = np.zeros((len(windows), len(self.emotions)))
        for number, network in enumerate(self.networks):
            rows = np.flatnonzero(self.numbers == number)
            logits[rows] = predict(network, [windows[row] for row in rows.tolist()])
        probabilities = np.zeros_like(logits)
        for number in range(len(self.networks)):
            here = self.numbers == number
            temperature, _ = fit_temperature(logits[~here], np.eye(len(self.emotions))[truth[~here]])
            probabilities[here] = softmax(logits[here], temperature)
        return Predictions(self.emotions, truth, probabilities, _speakers(self.clips))

    def with_baseline(self) -> Predictions:
        """Each speaker's clips in random order as one session; not calibrated."""
        alone = self.predictions(self.windows)
        probabilities = np.zeros_like(alone.probabilities)
        for number, network in enumerate(self.networks):
            rows = np.flatnonzero(self.numbers == number)
            windows = [self.windows[row] for row in rows.tolist()]
            probabilities[rows] = in_sessions(network, windows, alone.groups[rows])
        return Predictions(alone.labels, alone.truth, probabilities, alone.groups)


def ravdess_6fold(source: Data) -> Result:
    """RAVDESS, 8 emotions, 6 folds of 4 unseen actors (1-4, 5-8, ...) as in EmoBox (Ma et al. 2024).

    `ua_baseline`: each actor's clips in random order as one session with a causal speaker baseline.
    `ua_folds_4_6`: actors 13-24, on which no choice was made.
    """
    folds = ravdess_folds(source)
    alone = folds.predictions(folds.windows)
    figures = {
        "ua_baseline": folds.with_baseline().figure(unweighted_accuracy),
        "ua_folds_4_6": alone.only(folds.numbers >= 3).figure(unweighted_accuracy),
    }
    return Result.of("ravdess-6fold", alone, figures, [_CALIBRATED])


def nemo_loso(source: Data) -> Result:
    """nEMO, 6 emotions (no disgust), leave one of 9 speakers out. Figures as in `ravdess_6fold`."""
    folds = nemo_folds(source)
    figures = {"ua_baseline": folds.with_baseline().figure(unweighted_accuracy)}
    return Result.of("nemo-loso", folds.predictions(folds.windows), figures, [_CALIBRATED])


def leave_one_corpus_out(source: Data) -> Result:
    """Trained on all voices but one corpus, tested on that: neutral (with calm), happy, sad and angry."""
    figures: dict[str, Figure] = {}
    tested = []
    for name in TARGETS:
        left = left_out(source, name)
        tested.append(left.alone)
        figures[f"{name} ua"] = left.alone.figure(unweighted_accuracy)
        figures[f"{name} ua_baseline"] = left.with_baseline.figure(unweighted_accuracy)
    return Result.of(
        "leave-one-corpus-out",
        together(tested),
        figures,
        ["only these four labels may be said", "common figures: both corpora together", TRANSFER],
    )


@cache
def ravdess_folds(source: Data) -> Folds:
    """Trained once per process."""
    clips = source.ravdess()
    return _folds(source, clips, np.array([(int(clip.speaker) - 1) // 4 for clip in clips]), RAVDESS)


@cache
def nemo_folds(source: Data) -> Folds:
    """Trained once per process."""
    clips = source.nemo()
    return _folds(source, clips, np.unique(_speakers(clips), return_inverse=True)[1], EMOTIONS)


@dataclass(frozen=True, slots=True, eq=False)
class LeftOut:
    """A corpus of which the network knows nothing."""

    alone: Predictions
    with_baseline: Predictions
    uncalibrated: Predictions


TRANSFER = (
    "temperature: from a network that knows the other acted corpus only, on the Indian one; "
    "the tested corpus has no part in it"
)


@cache
def left_out(source: Data, target: str) -> LeftOut:
    """`target` (of `TARGETS`) by a network trained on all other voices; calibrated as `TRANSFER` says.

    The Indian corpus has no sadness: its temperature is fitted on what it shares with `FOUR`.
    """
    clips = {"ravdess": source.ravdess(), "nemo": source.nemo(), "indian": source.indian_emospeech()}
    heard = {name: source.voices(of) for name, of in clips.items()}
    (acted,) = (name for name in TARGETS if name != target)
    other = _four(_trained([heard[acted]], EMOTIONS, seed=0), clips["indian"], heard["indian"])
    temperature, _ = fit_temperature(other.logits, np.eye(len(FOUR))[other.truth])
    network = _trained([heard[acted], heard["indian"]], EMOTIONS, seed=0)
    tested = _four(network, clips[target], heard[target])
    groups = np.array([f"{target} {speaker}" for speaker in tested.speakers])
    sessions = in_sessions(network, tested.windows, groups)[:, _COLUMNS]
    return LeftOut(
        Predictions(FOUR, tested.truth, softmax(tested.logits, temperature), groups),
        Predictions(FOUR, tested.truth, sessions, groups),
        Predictions(FOUR, tested.truth, softmax(tested.logits), groups),
    )


def endings(heard: Sequence[Voice]) -> list[Window]:
    """Each clip as it is scored at its end, by voice alone."""
    return [voice[-1].last(round(FusionConfig().window_s * SAMPLE_RATE)) for voice in heard]


def in_sessions(network: FusionNetwork, windows: Sequence[Window], speakers: NDArray[np.str_]) -> Array:
    """Probabilities, each speaker's windows in random order as one session with its causal baseline."""
    generator = np.random.default_rng(0)
    fuser = Fuser(network, FusionConfig())
    scores = np.zeros((len(windows), len(network.config.emotions)))
    for speaker in np.unique(speakers):
        session = fuser.session()
        for row in generator.permutation(np.flatnonzero(speakers == speaker)):
            window = windows[row]
            scores[row] = [*session.fuse(window.audio, None, window.end).probabilities.values()]
            session.settle()
    return scores


_COLUMNS = [EMOTIONS.index(name) for name in FOUR]


@dataclass(frozen=True, slots=True, eq=False)
class _Four:
    """The clips of a corpus that have one of four labels; logits of these only."""

    truth: NDArray[np.int64]
    logits: Array
    windows: Sequence[Window]
    speakers: NDArray[np.str_]


def _four(network: FusionNetwork, clips: Sequence[Clip], heard: Voices) -> _Four:
    rows = [row for row, clip in enumerate(clips) if merged(clip.label) in FOUR]
    windows = endings([heard.voices[row] for row in rows])
    truth = np.array([FOUR.index(merged(clips[row].label)) for row in rows])
    speakers = _speakers([clips[row] for row in rows])
    return _Four(truth, predict(network, windows)[:, _COLUMNS], windows, speakers)


def _folds(source: Data, clips: Sequence[Clip], numbers: NDArray[np.int64], emotions: Sequence[str]) -> Folds:
    corpus = source.voices(clips, emotions)
    copies = len(corpus.voices) // len(clips)
    networks = [
        _trained([subset(corpus, np.tile(numbers != number, copies))], emotions, seed=int(number))
        for number in np.unique(numbers)
    ]
    # The clips as they are come first.
    return Folds(clips, tuple(emotions), numbers, networks, endings(corpus.voices[: len(clips)]))


def _trained(voices: Sequence[Voices], emotions: Sequence[str], seed: int) -> FusionNetwork:
    config = NetworkConfig(emotions=tuple(emotions), audio_features=AUDIO_FEATURES)
    sampler = Sampler(voices, [], FusionConfig().window_s, np.random.default_rng(seed))
    return fit(config, sampler, Recipe(), seed)


def _speakers(clips: Sequence[Clip]) -> NDArray[np.str_]:
    return np.array([clip.speaker for clip in clips])
