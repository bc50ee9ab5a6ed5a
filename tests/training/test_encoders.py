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
from stream_emo.training.encoders import tuned_audio_encoder, tuned_text_adapter
from stream_emo.training.text_encoder_tuning import TextHyperparameters
from stream_emo.types import SAMPLE_RATE

pytestmark = pytest.mark.weights
SHORT = AudioHyperparameters(layers=2, epochs=1, batch=2)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with one noise."""
    noise = np.random.default_rng(0).normal(0, 0.1, 2 * SAMPLE_RATE)
    (tmp_path / "data/esc10/rain").mkdir(parents=True)
    soundfile.write(tmp_path / "data/esc10/rain/1.flac", noise, SAMPLE_RATE)
    return tmp_path / "data"


def clips(folder: Path) -> list[Clip]:
    samples, rate = soundfile.read(CLIP, dtype="float32")
    made = []
    for number in range(4):
        path = folder / f"{number}.wav"
        soundfile.write(path, samples[(2 + number) * rate :][:rate], rate)
        made.append(Clip(path, str(number), ("sad", "happy")[number % 2]))
    return made


def test_an_audio_encoder_is_fine_tuned_once(tmp_path: Path, data: Path) -> None:
    cache = tmp_path / "cache"
    path = tuned_audio_encoder([clips(tmp_path)], EMOTIONS, data, cache, SHORT)
    written = path.stat().st_mtime_ns
    assert AudioEncoder(path).encode(np.zeros(SAMPLE_RATE, np.float32)).shape == (50, 768)
    assert tuned_audio_encoder([clips(tmp_path)], EMOTIONS, data, cache, SHORT) == path
    assert path.stat().st_mtime_ns == written
    assert tuned_audio_encoder([clips(tmp_path)[:3]], EMOTIONS, data, cache, SHORT) != path


def test_a_text_adapter_is_fitted_once(tmp_path: Path) -> None:
    sentences = [Sentence("How nice!", ("happy",)), Sentence("Oh no.", ("sad",))]
    hyperparameters = TextHyperparameters(rank=2, epochs=1, batch=2)
    path = tuned_text_adapter(sentences, tmp_path, hyperparameters)
    assert sorted(tmp_path.iterdir()) == sorted([path, path.with_suffix(".head.safetensors")])
    written = path.stat().st_mtime_ns
    assert tuned_text_adapter(sentences, tmp_path, hyperparameters) == path
    assert path.stat().st_mtime_ns == written
    assert tuned_text_adapter(sentences[:1], tmp_path, hyperparameters) != path
