"""Encoders are fine-tuned once, and again only when something that they depend on changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from stream_emo.demo import CLIP
from stream_emo.events import EMOTIONS
from stream_emo.perception.audio_encoder import AudioEncoder
from stream_emo.training.audio_encoder_tuning import AudioHyperparameters
from stream_emo.training.corpora import Clip, Sentence
from stream_emo.training.encoders import CorpusPart, tuned_audio_encoder, tuned_text_adapter
from stream_emo.training.text_encoder_tuning import TextHyperparameters
from stream_emo.types import SAMPLE_RATE

pytestmark = pytest.mark.weights
SHORT = AudioHyperparameters(layers=2, epochs=1, batch=2)


NOISES = [np.random.default_rng(0).normal(0, 0.1, 2 * SAMPLE_RATE).astype(np.float32)]


def clips(folder: Path) -> list[Clip]:
    samples, rate = soundfile.read(CLIP, dtype="float32")
    made = []
    for number in range(4):
        path = folder / f"{number}.wav"
        soundfile.write(path, samples[(2 + number) * rate :][:rate], rate)
        made.append(Clip(path, str(number), ("sad", "happy")[number % 2]))
    return made


def test_an_audio_encoder_is_fine_tuned_once(tmp_path: Path) -> None:
    cache, found = tmp_path / "cache", clips(tmp_path)
    every, three = (np.arange(4) < count for count in (4, 3))
    path = tuned_audio_encoder([CorpusPart(found, every, 1.0)], EMOTIONS, NOISES, cache, SHORT)
    written = path.stat().st_mtime_ns
    assert AudioEncoder(path).encode(np.zeros(SAMPLE_RATE, np.float32)).shape == (50, 768)
    assert tuned_audio_encoder([CorpusPart(found, every, 1.0)], EMOTIONS, NOISES, cache, SHORT) == path
    assert path.stat().st_mtime_ns == written
    for changed in (CorpusPart(found, three, 1.0), CorpusPart(found, every, 0.5)):
        assert tuned_audio_encoder([changed], EMOTIONS, NOISES, cache, SHORT) != path
    louder = [2 * noise for noise in NOISES]
    assert tuned_audio_encoder([CorpusPart(found, every, 1.0)], EMOTIONS, louder, cache, SHORT) != path
    assert len(list(cache.glob("mel-*"))) == 3  # Of the corpus, whatever is used of it, and of the noises.


def test_a_text_adapter_is_fitted_once(tmp_path: Path) -> None:
    sentences = [Sentence("How nice!", ("happy",)), Sentence("Oh no.", ("sad",))]
    hyperparameters = TextHyperparameters(rank=2, epochs=1, batch=2)
    path = tuned_text_adapter(sentences, tmp_path, hyperparameters)
    assert sorted(tmp_path.iterdir()) == sorted([path, path.with_suffix(".head.safetensors")])
    written = path.stat().st_mtime_ns
    assert tuned_text_adapter(sentences, tmp_path, hyperparameters) == path
    assert path.stat().st_mtime_ns == written
    assert tuned_text_adapter(sentences[:1], tmp_path, hyperparameters) != path
