"""Held-out corpora: encoders and networks that were trained without a whole corpus.

On speakers like those of the training set, probabilities can be calibrated on held-out speakers. What a
microphone brings differs more: how confident to be there can be measured on whole held-out corpora only.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from stream_emo.config import FusionConfig
from stream_emo.errors import SourceError
from stream_emo.events import EMOTIONS
from stream_emo.fusion.batch import Window
from stream_emo.fusion.calibration import fit_temperature
from stream_emo.fusion.network import FusionNetwork
from stream_emo.fusion.network_config import NetworkConfig
from stream_emo.perception.audio_tokens import AUDIO_FEATURES
from stream_emo.training.audio_encoder_tuning import AudioHyperparameters
from stream_emo.training.augment_audio import noises
from stream_emo.training.corpora import Clip
from stream_emo.training.corpora.registry import CORPORA
from stream_emo.training.datasets import Data
from stream_emo.training.encoders import CorpusPart, tuned_audio_encoder
from stream_emo.training.features import final_windows
from stream_emo.training.labels import merged
from stream_emo.training.loop import Hyperparameters, fit, predict
from stream_emo.training.sampler import AudioCorpus, Sampler, subset
from stream_emo.training.splits import is_held_out

HELD_OUT_CORPORA = ("ravdess", "nemo", "crema_d")
"""The corpora that are held out in turn: those with many emotions of each speaker."""
TESTED = {"research": HELD_OUT_CORPORA, "open": ("ravdess", "nemo")}
"""Those on which each checkpoint can be tested: without CREMA-D there is too little for `open`."""
AUGMENTED_COPIES = 1
"""Number of augmented copies of each clip in training, besides the original."""
_MOST_CLIPS = 2000
"""Clips of a corpus that the head is fitted to at most, fewer of one whose share is below a half: with as
much regularisation more change nothing."""
_MAX_CLIPS = 1000
"""Clips of each held-out corpus that the temperature is fitted to: a larger one does not count more."""

LeftOut = Mapping[str, Collection[str] | None]
"""Speakers by corpus that nothing is trained on; None: the whole corpus."""


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """A corpus, and an audio-only network whose encoder and head were trained without it."""

    name: str
    clips: Sequence[Clip]
    """All clips of the corpus."""
    windows: Sequence[Window]
    """Each clip as it is scored at its end."""
    network: FusionNetwork
    """Its audio-only temperature was fitted on the other held-out corpora."""
    source: Data
    """The data, with the audio encoder that was fine-tuned without the corpus."""


def read_speech(source: Data) -> AudioCorpus | None:
    """Return LibriSpeech's speakers with even numbers, for `recalibrate_neutral`; others are for tests.

    None where LibriSpeech is not there.
    """
    if not CORPORA["librispeech"].is_in(source.folder):
        return None
    clips = [clip for clip in source.clips("librispeech") if int(clip.speaker) % 2 == 0]
    return source.audio_corpus(clips, copies=AUGMENTED_COPIES)


def without(source: Data, left_out: LeftOut) -> Data:
    """Return `source` with an audio encoder that was fine-tuned without these speakers and corpora."""
    parts = []
    for name in source.spoken():
        speakers = left_out.get(name, ())
        if speakers is None:
            continue
        clips = source.clips(name)
        used = np.array([clip.speaker not in speakers for clip in clips])
        parts.append(CorpusPart(clips, used, min(1.0, CORPORA[name].share)))
    if not parts:
        raise SourceError(f"{source.folder}: no corpus to train on; see the README for those that are known")
    recorded = noises(source.folder, commercial_only=source.commercial_only)
    encoder = tuned_audio_encoder(
        parts, EMOTIONS, recorded, source.cache, AudioHyperparameters(), progress=source.progress
    )
    return replace(source, audio_encoder=encoder)


def held_out_speakers(source: Data) -> dict[str, Collection[str] | None]:
    """Return the speakers that no checkpoint is trained on."""
    return {
        name: {clip.speaker for clip in source.clips(name) if is_held_out(name, clip.speaker)}
        for name in source.spoken()
    }


def encoded_corpora(source: Data, left_out: LeftOut, *, only: bool = False) -> list[AudioCorpus]:
    """Return the features of the corpora without these speakers and corpora; `only`: of these speakers."""
    corpora = []
    for name in source.spoken():
        speakers = left_out.get(name, ())
        if speakers is None or (only and not speakers):
            continue
        share = CORPORA[name].share
        clips = _some(source.clips(name), round(_MOST_CLIPS * min(1.0, 2 * share)))
        corpus = source.audio_corpus(clips, share=share, copies=AUGMENTED_COPIES)
        used = [(speaker.rstrip("*") in speakers) == only for speaker in corpus.speakers]
        corpora.append(subset(corpus, np.array(used)))
    return corpora


@cache
def held_out(source: Data, name: str, checkpoint: str = "research") -> HeldOut:
    """Return the corpus `name`, and a network trained like the packaged `checkpoint` but without it.

    Raises:
        SourceError: nothing else is there to train on, or no other corpus to fit the temperature on.
    """
    source = replace(source, commercial_only=checkpoint == "open")
    alone = _trained_without(source, name)
    logits, targets = [], []
    for other in HELD_OUT_CORPORA:
        if other != name and CORPORA[other].is_in(source.folder) and _others(source, other):
            some_logits, some_targets = _sample(_trained_without(source, other))
            logits.append(some_logits)
            targets.append(some_targets)
    if logits:
        temperature, _ = fit_temperature(np.concatenate(logits), np.concatenate(targets))
        alone.network.audio_only_temperature.fill_(temperature)
    return alone


def train_audio_only(
    corpora: Sequence[AudioCorpus],
    emotions: Sequence[str],
    seed: int,
    read_speech: AudioCorpus | None = None,
) -> FusionNetwork:
    """Return a network that was trained for audio without text."""
    config = NetworkConfig(emotions=tuple(emotions), audio_features=AUDIO_FEATURES)
    sampler = Sampler(corpora, [], FusionConfig().window_s, np.random.default_rng(seed))
    return fit(config, sampler, Hyperparameters(), seed, read_speech=read_speech)


def corpora_left_out(source: Data) -> list[str]:
    """Return the corpora that can be left out in turn, so that something is left to train on."""
    return [name for name in HELD_OUT_CORPORA if name in source.spoken() and _others(source, name)]


def fit_audio_only_temperature(source: Data) -> float | None:
    """Return the temperature that calibrates the audio modality alone on corpora it was not trained on.

    None where no corpus can be left out.
    """
    names = corpora_left_out(source)
    if not names:
        return None
    samples = [_sample(_trained_without(source, name)) for name in names]
    return fit_temperature(*(np.concatenate(column) for column in zip(*samples, strict=True)))[0]


def unseen_speakers(source: Data, network: FusionNetwork) -> list[HeldOut]:
    """Return, of each corpus, the speakers that no checkpoint is trained on, with a checkpoint's network."""
    found = []
    for name, speakers in held_out_speakers(source).items():
        clips = [clip for clip in source.clips(name) if clip.speaker in (speakers or ())]
        if clips:
            windows = final_windows(source.audio_corpus(clips, copies=0).clips)
            found.append(HeldOut(name, clips, windows, network, source))
    return found


def _some(clips: Sequence[Clip], most: int) -> list[Clip]:
    """Return at most so many of the clips, drawn at random, in their order."""
    if len(clips) <= most:
        return list(clips)
    rows = np.random.default_rng(0).choice(len(clips), most, replace=False)
    return [clips[row] for row in sorted(rows.tolist())]


def _others(source: Data, name: str) -> list[str]:
    """Return the corpora of speech that are left to train on without `name`."""
    return [other for other in source.spoken() if other != name and CORPORA[other].share >= 1]


@cache
def _trained_without(source: Data, name: str) -> HeldOut:
    left_out = held_out_speakers(source) | {name: None}
    there = without(source, left_out)
    network = train_audio_only(encoded_corpora(there, left_out), EMOTIONS, 0, read_speech(there))
    clips = there.clips(name)
    windows = final_windows(there.audio_corpus(clips, copies=0).clips)
    return HeldOut(name, clips, windows, network, there)


def _sample(held_out: HeldOut) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return logits and targets [n, emotions] of some clips, the same number of each corpus."""
    count = min(_MAX_CLIPS, len(held_out.clips))
    rows = np.random.default_rng(0).choice(len(held_out.clips), count, replace=False)
    network = held_out.network
    logits = predict(network, [held_out.windows[row] for row in rows])
    labels = [EMOTIONS.index(merged(held_out.clips[row].label)) for row in rows]
    return logits * float(network.audio_only_temperature), np.eye(len(EMOTIONS))[labels]
