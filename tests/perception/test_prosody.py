from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_emo.perception.prosody import FRAME, PROSODY, prosody
from stream_emo.types import SAMPLE_RATE, Samples


def harmonic(frequency: float, length: int = SAMPLE_RATE) -> Samples:
    time = np.arange(length) / SAMPLE_RATE
    tones = [np.sin(2 * np.pi * frequency * number * time) / number for number in range(1, 9)]
    return (0.1 * np.sum(tones, axis=0)).astype(np.float32)


def noise(length: int, seed: int = 0) -> Samples:
    return np.random.default_rng(seed).normal(0, 0.1, length).astype(np.float32)


def column(frames: np.ndarray, name: str) -> np.ndarray:
    return frames[:, PROSODY.index(name)]


@pytest.mark.parametrize("frequency", [80, 130, 200, 310, 420])
def test_pitch_of_a_harmonic_tone(frequency: float) -> None:
    inner = prosody(harmonic(frequency))[2:-2]
    assert np.all(column(inner, "voiced") == 1)
    np.testing.assert_allclose(150 * 2 ** column(inner, "pitch"), frequency, rtol=0.01)


def test_a_glide_has_the_right_pitch_change() -> None:
    octaves = 0.5 * np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    phase = 2 * np.pi * np.cumsum(120 * 2**octaves) / SAMPLE_RATE
    glide = (0.1 * (np.sin(phase) + np.sin(2 * phase) / 2)).astype(np.float32)
    change = column(prosody(glide), "pitch_change")[3:-3]
    assert change.mean() == pytest.approx(0.5 * FRAME / SAMPLE_RATE, rel=0.1)


def test_noise_has_no_pitch() -> None:
    frames = prosody(noise(SAMPLE_RATE))
    assert column(frames, "voiced").mean() < 0.05
    assert np.all(column(frames, "pitch")[column(frames, "voiced") == 0] == 0)


def test_brightness() -> None:
    dull, bright = prosody(harmonic(150)), prosody(noise(SAMPLE_RATE))
    assert column(dull, "centroid").mean() < 1 < column(bright, "centroid").mean()
    assert column(dull, "balance_3").mean() < column(bright, "balance_3").mean()


def test_gain_changes_nothing_but_energy() -> None:
    loud = prosody(noise(8000))
    quiet = prosody(noise(8000) / 4)
    others = [index for index, name in enumerate(PROSODY) if name != "energy"]
    np.testing.assert_allclose(loud[:, others], quiet[:, others], atol=1e-3)
    np.testing.assert_allclose(column(loud, "energy") - column(quiet, "energy"), 2 * np.log(4), atol=1e-3)


@given(length=st.integers(0, 4000))
def test_one_frame_per_begun_20_ms_and_all_finite(length: int) -> None:
    frames = prosody(noise(length))
    assert frames.shape == (-(-length // FRAME), len(PROSODY))
    assert np.isfinite(frames).all()


@given(cut=st.integers(2 * FRAME, 8000))
def test_frames_do_not_change_when_more_follows(cut: int) -> None:
    samples = noise(8000)
    whole, part = prosody(samples), prosody(samples[:cut])
    settled = (cut - FRAME // 2) // FRAME  # The window of a frame reaches 10 ms beyond it.
    np.testing.assert_allclose(part[:settled], whole[:settled], rtol=1e-4, atol=1e-5)


def test_silence_is_finite_and_unvoiced() -> None:
    frames = prosody(np.zeros(SAMPLE_RATE, np.float32))
    assert np.isfinite(frames).all()
    assert not column(frames, "voiced").any()
