"""The voice encoder on the real Whisper weights."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_emo.models import WHISPER, find
from stream_emo.perception.voice import FRAME, VoiceEncoder, shortened
from stream_emo.types import SAMPLE_RATE


@pytest.fixture(scope="module")
def voice() -> VoiceEncoder:
    return VoiceEncoder(find(WHISPER, ""))


@pytest.fixture(scope="module")
def model() -> bytes:
    return (find(WHISPER, "") / "model.bin").read_bytes()


@pytest.mark.weights
def test_states_cover_the_samples_and_not_the_padding(voice: VoiceEncoder) -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, 3 * SAMPLE_RATE + 1).astype(np.float32)
    for length in (1, FRAME, FRAME + 1, len(samples)):
        states = voice.encode(samples[:length])
        assert states.shape == (-(-length // FRAME), voice.width)
        assert np.isfinite(states).all()


@pytest.mark.weights
def test_the_same_again_gives_the_same(voice: VoiceEncoder) -> None:
    samples = np.random.default_rng(1).normal(0, 0.1, SAMPLE_RATE).astype(np.float32)
    np.testing.assert_array_equal(voice.encode(samples), voice.encode(samples))


@pytest.mark.weights
def test_with_all_layers_the_encoder_is_whisper_s_own(model: bytes, tmp_path: Path) -> None:
    import ctranslate2

    folder = find(WHISPER, "")
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "model.bin").write_bytes(shortened(model, 4))
    columns = np.random.default_rng(2).normal(0, 0.3, (1, 80, 200)).astype(np.float32)
    states = [
        np.array(
            ctranslate2.models.Whisper(str(where), compute_type="float32").encode(
                ctranslate2.StorageView.from_array(columns), to_cpu=True
            )
        )
        for where in (folder, tmp_path)
    ]
    np.testing.assert_allclose(states[0], states[1], atol=1e-5)


@pytest.mark.weights
def test_each_layer_less_makes_it_smaller(model: bytes) -> None:
    sizes = [len(shortened(model, layers)) for layers in (1, 2, 3, 4)]
    assert sizes == sorted(set(sizes))
    assert sizes[-1] < len(model)


@settings(max_examples=50)
@given(st.binary(max_size=200))
def test_what_is_no_model_is_refused(data: bytes) -> None:
    with pytest.raises((ValueError, struct.error)):
        shortened(data, 2)
