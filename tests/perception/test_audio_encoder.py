"""The audio encoder that ships."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stream_emo.errors import WeightsError
from stream_emo.models.checkpoint import Checkpoint
from stream_emo.perception.audio_encoder import FRAME, STATES, AudioEncoder
from stream_emo.types import SAMPLE_RATE


@pytest.fixture(scope="module")
def encoder() -> AudioEncoder:
    return AudioEncoder(Checkpoint.open().audio_encoder)


def test_states_cover_the_samples_and_not_the_padding(encoder: AudioEncoder) -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, SAMPLE_RATE + 1).astype(np.float32)
    for length in (0, 1, FRAME, FRAME + 1, len(samples)):
        states = encoder.encode(samples[:length])
        assert states.shape == (-(-length // FRAME), STATES)
        assert np.isfinite(states).all()


def test_the_same_again_gives_the_same(encoder: AudioEncoder) -> None:
    samples = np.random.default_rng(1).normal(0, 0.1, SAMPLE_RATE).astype(np.float32)
    np.testing.assert_array_equal(encoder.encode(samples), encoder.encode(samples))


def test_more_than_it_has_places_for_is_refused(encoder: AudioEncoder) -> None:
    with pytest.raises(ValueError, match="151 frames where the audio encoder takes 150"):
        encoder.encode(np.zeros(151 * FRAME, np.float32))


@pytest.mark.parametrize("content", [None, b"", b"not a model"])
def test_what_is_no_model_is_one_clear_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "audio_encoder.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"audio_encoder\.onnx: the audio encoder cannot be loaded"):
        AudioEncoder(path)
