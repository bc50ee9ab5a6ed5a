"""Fine-tuning of the audio encoder: the weights it begins with, a few steps, and what is written."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_emo.models.registry import WHISPER, find
from stream_emo.perception.audio_encoder import FRAME, AudioEncoder
from stream_emo.perception.mel import BANDS
from stream_emo.perception.whisper.ct2_file import variables
from stream_emo.training.audio_encoder_tuning import (
    AudioHyperparameters,
    MelSample,
    WhisperLayers,
    export,
    fine_tune,
)
from stream_emo.types import SAMPLE_RATE

SHORT = AudioHyperparameters(layers=2, epochs=3, batch=4)


def samples() -> list[MelSample]:
    """Low tones are one emotion, high ones another."""
    random = np.random.default_rng(0)
    made = []
    for row in range(8):
        mel = random.normal(-4, 0.3, (BANDS, 40 + 2 * row)).astype(np.float16)
        mel[10 + 40 * (row % 2) : 20 + 40 * (row % 2)] += 4
        made.append(MelSample(mel, np.eye(2, dtype=np.float32)[row % 2], 1.0))
    return made


@pytest.mark.weights
def test_with_all_layers_it_is_whisper_s_own_encoder() -> None:
    import ctranslate2

    folder = find(WHISPER, "")
    mel = np.random.default_rng(2).normal(0, 0.3, (1, BANDS, 200)).astype(np.float32)
    theirs = np.array(
        ctranslate2.models.Whisper(str(folder), compute_type="float32").encode(
            ctranslate2.StorageView.from_array(mel), to_cpu=True
        )
    )
    with torch.no_grad():
        ours = WhisperLayers.whisper(folder / "model.bin", layers=4)(torch.from_numpy(mel)).numpy()
    found = variables((folder / "model.bin").read_bytes())
    gain, shift = (found[f"encoder/layer_norm/{name}"] for name in ("gamma", "beta"))
    np.testing.assert_allclose(ours[..., -len(gain) :] * gain + shift, theirs, atol=1e-3)


@pytest.mark.weights
def test_the_same_seed_gives_the_same_weights() -> None:
    model = find(WHISPER, "") / "model.bin"
    before = WhisperLayers.whisper(model, 2)
    one, other = (
        fine_tune(WhisperLayers.whisper(model, 2), samples(), 2, [samples()[0].mel], SHORT, seed=3)  # type: ignore[list-item]
        for _ in range(2)
    )
    changed = 0
    for name, value in one.state_dict().items():
        assert torch.equal(value, other.state_dict()[name])
        changed += not torch.equal(value, before.state_dict()[name])
    assert changed > 10
    assert torch.equal(one.conv2.weight, before.conv2.weight)


@pytest.mark.weights
def test_the_exported_encoder_gives_nearly_the_same_states(tmp_path: Path) -> None:
    from stream_emo.perception.mel import log_mel, scaled

    network = WhisperLayers.whisper(find(WHISPER, "") / "model.bin", 2).eval()
    export(network, tmp_path / "encoder.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["encoder.onnx"]
    random = np.random.default_rng(0)
    for length in (2 * FRAME, SAMPLE_RATE, 3 * SAMPLE_RATE):
        samples = random.normal(0, 0.1, length).astype(np.float32)
        written = AudioEncoder(tmp_path / "encoder.onnx").encode(samples)
        with torch.no_grad():
            meant = network(torch.from_numpy(scaled(log_mel(samples)))[None])[0].numpy()
        assert np.corrcoef(written.ravel(), meant.ravel())[0, 1] > 0.99


@settings(max_examples=50)
@given(st.binary(max_size=200))
def test_what_is_no_model_is_refused(data: bytes) -> None:
    with pytest.raises((ValueError, KeyError, struct.error)):
        variables(data)
