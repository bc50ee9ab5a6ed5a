from __future__ import annotations

import numpy as np
import pytest

from stream_emo.sound_summary import SoundSummary
from stream_emo.types import SAMPLE_RATE, Samples

T = np.arange(5 * SAMPLE_RATE) / SAMPLE_RATE
RNG = np.random.default_rng(3)


def summary(samples: Samples, size: int = 1600) -> str:
    found = SoundSummary()
    for start in range(0, len(samples), size):
        found.add(samples[start : start + size])
    return found.describe(0)


@pytest.mark.parametrize(
    ("wave", "kind"),
    [
        (np.zeros_like(T), "every sample is zero"),
        (1e-4 * np.sin(2 * np.pi * 440 * T), "silence (level -83 dB, peak -80 dB)"),
        (0.5 * np.sin(2 * np.pi * 440 * T), "a tone, hum or music (level -9 dB, peak -6 dB)"),
        (0.1 * RNG.normal(size=len(T)), "noise (level -20 dB"),
    ],
)
def test_it_says_how_much_how_loud_and_of_what_kind(wave: Samples, kind: str) -> None:
    assert summary(wave.astype(np.float32)).startswith(f"no speech was found in 5.0 s of audio: {kind}")


def test_without_audio_it_says_so() -> None:
    assert summary(np.zeros(0, np.float32)) == "no audio came"


def test_what_is_mostly_lost_is_no_silence() -> None:
    found = SoundSummary()
    found.add(np.zeros(100, np.float32))
    assert found.describe(48_000) == "no speech was found: 3.0 s of the audio is lost or not valid"


def test_the_size_of_chunks_hardly_matters() -> None:
    wave = (0.1 * RNG.normal(size=len(T))).astype(np.float32)
    assert summary(wave, 1024) == summary(wave, len(wave))
