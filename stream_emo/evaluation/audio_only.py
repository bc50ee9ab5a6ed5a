"""Protocols for audio only, speaker-independent: nothing is trained on the speakers that are tested.

A network is trained for every fold; an audio encoder is fine-tuned for every third of the folds of all
corpora together, as the shipped one is, but without their speakers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from stream_emo.config import FusionConfig
from stream_emo.evaluation.metrics import Array, MetricValue, unweighted_accuracy
from stream_emo.evaluation.predictions import Predictions, softmax, together
from stream_emo.evaluation.result import Result
from stream_emo.events import EMOTIONS
from stream_emo.fusion.batch import Window
from stream_emo.fusion.calibration import fit_temperature
from stream_emo.fusion.fuser import Fuser
from stream_emo.fusion.line_adaptation import SessionLine
from stream_emo.fusion.network import FusionNetwork
from stream_emo.training.corpora import Clip
from stream_emo.training.datasets import Data
from stream_emo.training.features import AudioTransform, encode_clips, final_windows
from stream_emo.training.held_out_corpora import (
    AUGMENTED_COPIES,
    HELD_OUT_CORPORA,
    TESTED,
    LeftOut,
    held_out,
    train_audio_only,
    without,
)
from stream_emo.training.labels import RAVDESS, merged
from stream_emo.training.loop import predict
from stream_emo.training.sampler import subset
from stream_emo.training.splits import check_leaks, speaker_folds

ENCODERS = 3
"""Audio encoders that are fine-tuned for the folds: each serves a third of them."""
CREMA_D = tuple(name for name in EMOTIONS if name != "surprised")
"""The labels of CREMA-D."""
_CALIBRATED = "temperature: for each fold from the held-out speakers of the other folds"


@dataclass(frozen=True, slots=True, eq=False)
class Folds:
    """A corpus and, for every fold, a network that was not trained on its speakers."""

    clips: Sequence[Clip]
    """All clips of the corpus."""
    emotions: tuple[str, ...]
    """The labels that may be predicted."""
    numbers: NDArray[np.int64]
    """[clips]: the fold of each clip."""
    sources: Sequence[Data]
    """Per fold: the data, with an audio encoder that was not fine-tuned on its speakers, either."""
    networks: Sequence[FusionNetwork]
    """The network of each fold."""
    windows: Sequence[Window]
    """Each clip as it is scored at its end."""

    def encoded(self, condition: AudioTransform) -> list[Window]:
        """Return each clip as it is scored at its end, in this condition and by the encoder of its fold."""
        windows = list(self.windows)
        for source in dict.fromkeys(self.sources):
            folds = [number for number, other in enumerate(self.sources) if other == source]
            rows = np.flatnonzero(np.isin(self.numbers, folds)).tolist()
            clips = [self.clips[row] for row in rows]
            encoded = encode_clips(
                clips, source.audio_encoder, source.cache, condition, progress=source.progress
            )
            for row, window in zip(rows, final_windows(encoded), strict=True):
                windows[row] = window
        return windows

    def predictions(self, windows: Sequence[Window]) -> Predictions:
        """Return what the networks predict from `windows`, one per clip, calibrated as `_CALIBRATED` says."""
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
        """Return predictions with each speaker's clips, in random order, as one session; not calibrated."""
        alone = self.predictions(self.windows)
        probabilities = np.zeros_like(alone.probabilities)
        for number, network in enumerate(self.networks):
            rows = np.flatnonzero(self.numbers == number)
            windows = [self.windows[row] for row in rows.tolist()]
            probabilities[rows] = in_sessions(network, windows, alone.groups[rows])
        return Predictions(alone.labels, alone.truth, probabilities, alone.groups)


def ravdess_6fold(source: Data) -> Result:
    """Evaluate RAVDESS: 8 emotions, 6 folds of 4 actors (1-4, 5-8, ...) as in EmoBox (Ma et al. 2024).

    `ua_baseline`: each actor's clips in random order as one session with a causal speaker baseline.
    `ua_folds_4_6`: actors 13-24, on which no design choice was made.
    """
    folds = ravdess_folds(source)
    alone = folds.predictions(folds.windows)
    metrics = {
        "ua_baseline": folds.with_baseline().measure(unweighted_accuracy),
        "ua_folds_4_6": alone.only(folds.numbers >= 3).measure(unweighted_accuracy),
    }
    return Result.of("ravdess-6fold", alone, metrics, [_CALIBRATED])


def crema_d_6fold(source: Data) -> Result:
    """Evaluate CREMA-D: its 6 emotions against the intended ones, 6 folds of unseen actors, as in EmoBox."""
    folds = crema_d_folds(source)
    metrics = {"ua_baseline": folds.with_baseline().measure(unweighted_accuracy)}
    return Result.of("crema-d-6fold", folds.predictions(folds.windows), metrics, [_CALIBRATED])


def nemo_loso(source: Data) -> Result:
    """Evaluate nEMO: 6 emotions (no disgust), 9 speakers, leave one out; metrics as in `ravdess_6fold`."""
    folds = nemo_folds(source)
    metrics = {"ua_baseline": folds.with_baseline().measure(unweighted_accuracy)}
    return Result.of("nemo-loso", folds.predictions(folds.windows), metrics, [_CALIBRATED])


def leave_one_corpus_out(source: Data) -> Result:
    """Train on all corpora but one and test on that one: neutral (with calm), happy, sad and angry.

    `open`: the network is trained only on data whose licence allows commercial use.
    """
    metrics: dict[str, MetricValue] = {}
    tested = []
    for checkpoint, names in TESTED.items():
        for name in names:
            corpus = held_out_corpus(source, name, checkpoint)
            key = f"{checkpoint} {name}"
            metrics[f"{key} ua"] = corpus.alone.measure(unweighted_accuracy)
            metrics[f"{key} ua_baseline"] = corpus.with_baseline.measure(unweighted_accuracy)
            metrics[f"{key} auc arousal"] = corpus.alone.auc(HIGH_AROUSAL, LOW_AROUSAL)
            metrics[f"{key} auc anger"] = corpus.alone.auc(ANGRY, [name for name in FOUR if name != "angry"])
            if checkpoint == "research":
                tested.append(corpus.alone)
    return Result.of(
        "leave-one-corpus-out",
        together(tested),
        metrics,
        ["only these four labels may be predicted", "common metrics: the three of `research`", TRANSFER],
    )


@cache
def ravdess_folds(source: Data) -> Folds:
    """Return the trained folds of `ravdess_6fold`; they are trained once per process."""
    return _folds(source, "ravdess", RAVDESS)


@cache
def nemo_folds(source: Data) -> Folds:
    """Return the trained folds of `nemo_loso`; they are trained once per process."""
    return _folds(source, "nemo", EMOTIONS)


@cache
def crema_d_folds(source: Data) -> Folds:
    """Return the trained folds of `crema_d_6fold`; they are trained once per process."""
    return _folds(source, "crema_d", CREMA_D)


def fold_numbers(name: str, clips: Sequence[Clip]) -> NDArray[np.int64]:
    """Return the fold [clips] of each clip of one of `HELD_OUT_CORPORA`, no speaker in two of them."""
    if name == "ravdess":
        return np.array([(int(clip.speaker) - 1) // 4 for clip in clips])
    if name == "nemo":
        return np.asarray(np.unique(_speakers(clips), return_inverse=True)[1], np.int64)
    return speaker_folds(clips, 6, seed=0)


def third(source: Data, number: int) -> LeftOut:
    """Return the speakers whose folds are in a third, 0 to 2, of the folds of each corpus."""
    left_out = {}
    for name in HELD_OUT_CORPORA:
        clips = source.clips(name)
        folds = fold_numbers(name, clips)
        mine = np.array_split(np.unique(folds), ENCODERS)[number]
        left_out[name] = {clip.speaker for clip in compress(clips, np.isin(folds, mine))}
    return left_out


@dataclass(frozen=True, slots=True, eq=False)
class HeldOutCorpus:
    """Predictions of a corpus that the network was not trained on."""

    alone: Predictions
    """Each clip by itself, calibrated as `TRANSFER` says."""
    with_baseline: Predictions
    """Each speaker's clips as one session."""


TRANSFER = (
    "temperature: one number, fitted on the other held-out corpora, by networks that were trained on the "
    "tested corpus; the tested clips have no part in it"
)
FOUR = ("neutral", "happy", "sad", "angry")
"""The labels that, with calm as neutral, all corpora have."""
ANGRY, HIGH_AROUSAL, LOW_AROUSAL = ("angry",), ("happy", "angry"), ("neutral", "sad")
_COLUMNS = [EMOTIONS.index(name) for name in FOUR]


@cache
def held_out_corpus(source: Data, target: str, checkpoint: str = "research") -> HeldOutCorpus:
    """Return the predictions of `target` (of `HELD_OUT_CORPORA`) by a network trained on all others."""
    held = held_out(source, target, checkpoint)
    rows = [row for row, clip in enumerate(held.clips) if merged(clip.label) in FOUR]
    windows = [held.windows[row] for row in rows]
    truth = np.array([FOUR.index(merged(held.clips[row].label)) for row in rows])
    speakers = np.array([f"{target} {held.clips[row].speaker}" for row in rows])
    sessions = in_sessions(held.network, windows, speakers)[:, _COLUMNS]
    logits = predict(held.network, windows)[:, _COLUMNS]
    return HeldOutCorpus(
        Predictions(FOUR, truth, softmax(logits), speakers), Predictions(FOUR, truth, sessions, speakers)
    )


def in_sessions(
    network: FusionNetwork,
    windows: Sequence[Window],
    speakers: NDArray[np.str_],
    line: SessionLine | None = None,
) -> Array:
    """Return the probabilities [n, emotions] when each speaker's windows, in random order, are one session
    with its causal baseline, on `line` (None: without a bias).
    """
    generator = np.random.default_rng(0)
    fuser = Fuser(network)
    scores = np.zeros((len(windows), len(network.config.emotions)))
    for speaker in np.unique(speakers):
        session = fuser.session(FusionConfig(), line)
        for row in generator.permutation(np.flatnonzero(speakers == speaker)):
            window = windows[row]
            scores[row] = [*session.fuse(window.audio, None, window.end).probabilities.values()]
            session.update()
    return scores


def _folds(source: Data, name: str, emotions: Sequence[str]) -> Folds:
    clips = source.clips(name)
    numbers = fold_numbers(name, clips)
    every = np.unique(numbers)
    networks: list[FusionNetwork] = []
    sources: list[Data] = []
    windows: dict[int, Window] = {}
    source.progress.step(0, len(every), f"folds of {name}")
    for part, group in enumerate(np.array_split(every, ENCODERS)):
        there = without(source, third(source, part))
        corpus = there.audio_corpus(clips, emotions, copies=AUGMENTED_COPIES)
        for number in group.tolist():
            tested = numbers == number
            check_leaks(list(compress(clips, ~tested)), list(compress(clips, tested)))
            fitted = subset(corpus, np.tile(~tested, 1 + AUGMENTED_COPIES))
            networks.append(train_audio_only([fitted], emotions, seed=number))
            sources.append(there)
            # The clips as they are come first.
            rows = np.flatnonzero(tested).tolist()
            windows |= zip(rows, final_windows([corpus.clips[row] for row in rows]), strict=True)
            source.progress.step(len(networks), len(every), f"folds of {name}")
    return Folds(clips, tuple(emotions), numbers, sources, networks, [windows[n] for n in range(len(clips))])


def _speakers(clips: Sequence[Clip]) -> NDArray[np.str_]:
    return np.array([clip.speaker for clip in clips])
