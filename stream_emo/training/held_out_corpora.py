"""Held-out corpora: encoders and networks that were trained without a whole corpus.

On speakers like those of the training set, probabilities can be calibrated on held-out speakers. What a
microphone brings differs more: how confident to be there can be measured on whole held-out corpora only.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

import numpy as np

from stream_emo.config import FusionConfig
from stream_emo.events import EMOTIONS
from stream_emo.fusion.calibration import fit_temperature
from stream_emo.fusion.network import FusionNetwork
from stream_emo.fusion.network_config import NetworkConfig
from stream_emo.perception.audio_tokens import AUDIO_FEATURES
from stream_emo.training.audio_encoder_tuning import AudioHyperparameters
from stream_emo.training.corpora import Clip
from stream_emo.training.datasets import Data
from stream_emo.training.encoders import tuned_audio_encoder
from stream_emo.training.features import final_windows
from stream_emo.training.loop import Hyperparameters, fit, predict
from stream_emo.training.sampler import AudioCorpus, Sampler

HELD_OUT_CORPORA = ("ravdess", "nemo")
"""The corpora that are held out in turn: those with many emotions of each speaker."""
AUGMENTED_COPIES = 1
"""Number of augmented copies of each clip in training, besides the original."""
_SHARES = {"ravdess": 1.0, "nemo": 1.0, "indian": 0.5}
"""Weight of each corpus: the Indian one has single words of command, some with doubtful labels."""
_MAX_CLIPS = 1000
"""Clips of each held-out corpus that the temperature is fitted to: a larger one does not count more."""


def audio_corpora(source: Data) -> dict[str, Callable[[], list[Clip]]]:
    """Return the functions that read the clips of each corpus that the audio part is trained on, by name."""
    return {"ravdess": source.ravdess, "nemo": source.nemo, "indian": source.indian_emospeech}


def read_speech(source: Data) -> AudioCorpus:
    """Return LibriSpeech's speakers with even numbers, for `recalibrate_neutral`; others are for tests."""
    clips = [clip for clip in source.librispeech() if int(clip.speaker) % 2 == 0]
    return source.audio_corpus(clips, copies=AUGMENTED_COPIES)


def without(source: Data, corpus: str, speakers: Collection[str] | None = None) -> Data:
    """Return `source` with an audio encoder that was fine-tuned without `corpus`.

    With `speakers` only these of its speakers are left out.
    """
    tuned_on = []
    for name, clips in audio_corpora(source).items():
        if name != corpus:
            tuned_on.append(clips())
        elif speakers is not None:
            tuned_on.append([clip for clip in clips() if clip.speaker not in speakers])
    encoder = tuned_audio_encoder(
        tuned_on, EMOTIONS, source.folder, source.cache, AudioHyperparameters(), progress=source.progress
    )
    return replace(source, audio_encoder=encoder)


def encoded_corpora(source: Data, held_out: str = "") -> list[AudioCorpus]:
    """Return all corpora that the audio head is fitted to, but the one `held_out`."""
    corpora = audio_corpora(source)
    return [
        source.audio_corpus(corpora[name](), share=share, copies=AUGMENTED_COPIES)
        for name, share in _SHARES.items()
        if name != held_out
    ]


def train_without(source: Data, corpus: str) -> FusionNetwork:
    """Return an audio-only network trained without `corpus`; `source`: as `without` returns it."""
    corpora = encoded_corpora(source, held_out=corpus)
    return train_audio_only(corpora, EMOTIONS, seed=0, read_speech=read_speech(source))


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


def fit_audio_only_temperature(source: Data) -> float:
    """Return the temperature that calibrates the audio modality alone on corpora it was not trained on."""
    logits, targets = [], []
    for name in HELD_OUT_CORPORA:
        there = without(source, name)
        tested = there.audio_corpus(audio_corpora(there)[name](), copies=0)
        predicted = predict(train_without(there, name), final_windows(tested.clips))
        count = min(_MAX_CLIPS, len(predicted))
        rows = np.random.default_rng(0).choice(len(predicted), count, replace=False)
        logits.append(predicted[rows])
        targets.append(tested.targets[rows, :-2].astype(np.float64))
    return fit_temperature(np.concatenate(logits), np.concatenate(targets))[0]
