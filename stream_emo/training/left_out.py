"""Corpora of which nothing was learnt: what the voice says of them, and how sure it may be of it.

On speakers like those learnt from, probabilities can be made to mean what they say by holding some of them
out. What a microphone brings is not like that: how sure to be of it can only be learnt from whole corpora.
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
from stream_emo.training.encoders import taught_voice
from stream_emo.training.examples import Sampler, Voices
from stream_emo.training.features import endings
from stream_emo.training.loop import Recipe, fit, predict

LEFT_OUT = ("ravdess", "nemo")
"""The corpora that are left out in turn: those with many emotions of each speaker."""
_EACH = 1000
_SHARES = {"ravdess": 1.0, "nemo": 1.0, "indian": 0.5}
"""How much each counts for the evidence: the Indian ones are single words of command, some doubtful."""
COPIES = 1
"""How often each clip is heard in other surroundings besides as it is."""


def voice_corpora(source: Data) -> dict[str, Callable[[], list[Clip]]]:
    """Whatever the voice is learnt from."""
    return {"ravdess": source.ravdess, "nemo": source.nemo, "indian": source.indian_emospeech}


def readers(source: Data) -> Voices:
    """LibriSpeech, speakers with even numbers: with the others false alarms are counted; see `calm`."""
    clips = [clip for clip in source.librispeech() if int(clip.speaker) % 2 == 0]
    return source.voices(clips, copies=COPIES)


def without(source: Data, target: str, speakers: Collection[str] | None = None) -> Data:
    """The same folder, heard by an encoder that was taught as the shipped one, but without `target`, or
    without these speakers of it."""
    learnt = []
    for name, clips in voice_corpora(source).items():
        if name != target:
            learnt.append(clips())
        elif speakers is not None:
            learnt.append([clip for clip in clips() if clip.speaker not in speakers])
    voice = taught_voice(learnt, EMOTIONS, source.folder, source.cache, AudioHyperparameters())
    return replace(source, voice=voice)


def heard(source: Data, but: str = "") -> list[Voices]:
    """All corpora that the voice's evidence is fitted to, but one."""
    corpora = voice_corpora(source)
    return [
        source.voices(corpora[name](), share=share, copies=COPIES)
        for name, share in _SHARES.items()
        if name != but
    ]


def trained_without(source: Data, target: str) -> FusionNetwork:
    """A network for voice alone that knows nothing of `target`; `source` as `without` gives it."""
    return trained(heard(source, but=target), EMOTIONS, seed=0, readers=readers(source))


def trained(
    voices: Sequence[Voices], emotions: Sequence[str], seed: int, readers: Voices | None = None
) -> FusionNetwork:
    """A network for voice alone."""
    config = NetworkConfig(emotions=tuple(emotions), audio_features=AUDIO_FEATURES)
    sampler = Sampler(voices, [], FusionConfig().window_s, np.random.default_rng(seed))
    return fit(config, sampler, Recipe(), seed, readers=readers)


def temperature_of_strangers(source: Data) -> float:
    """What the voice's logits have to be divided by to be true of corpora that it knows nothing of."""
    logits, targets = [], []
    for target in LEFT_OUT:
        there = without(source, target)
        tested = there.voices(voice_corpora(there)[target](), copies=0)
        said = predict(trained_without(there, target), endings(tested.voices))
        # No corpus drowns the other.
        rows = np.random.default_rng(0).choice(len(said), min(_EACH, len(said)), replace=False)
        logits.append(said[rows])
        targets.append(tested.targets[rows, :-2].astype(np.float64))
    return fit_temperature(np.concatenate(logits), np.concatenate(targets))[0]
