"""The speaker encoder that belongs to the package."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stream_emo.errors import WeightsError
from stream_emo.perception.speaker_encoder import SpeakerEncoder, enough, parts, shared, without_silence
from stream_emo.types import SAMPLE_RATE, Samples


def test_an_embedding_has_length_1_and_no_level(speech: Samples) -> None:
    spoken = speech[: 4 * SAMPLE_RATE]
    embedding = shared().encode(spoken)
    assert np.linalg.norm(embedding) == pytest.approx(1, abs=1e-5)
    assert shared().encode(spoken * np.float32(0.1)) @ embedding > 0.95
    assert 0 < shared().threshold < 1


def test_a_higher_voice_is_another_voice(speech: Samples) -> None:
    """The same words, played a third faster and so higher."""
    half = len(speech) // 2
    first, second = shared().encode(speech[:half]), shared().encode(speech[half:])
    at = np.arange(0, half, 1.35)
    higher = np.interp(at, np.arange(half), speech[:half]).astype(np.float32)
    assert first @ second > shared().threshold > first @ shared().encode(higher)


def test_silence_says_nothing(speech: Samples) -> None:
    silence = np.zeros(2 * SAMPLE_RATE, np.float32)
    assert not enough(silence)
    assert not enough(np.zeros(0, np.float32))
    padded = np.concatenate([silence, speech, silence])
    assert len(without_silence(padded)) < len(speech) + SAMPLE_RATE // 2
    with pytest.raises(ValueError, match="samples of speech"):
        shared().encode(silence)


def test_parts_overlap_by_half_and_the_last_is_mostly_speech() -> None:
    noise = np.random.default_rng(0).standard_normal(16_000 * 4).astype(np.float32)
    assert parts(noise[:16_000]).shape == (1, 160, 40)
    assert parts(noise).shape == (4, 160, 40)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "encoder.onnx"
    path.write_bytes(b"not a network")
    with pytest.raises(WeightsError, match=r"encoder\.onnx: the speaker encoder cannot be loaded"):
        SpeakerEncoder(path)
