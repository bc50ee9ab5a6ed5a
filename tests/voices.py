"""A speaker encoder for tests: the pitch of a tone tells who "speaks"."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stream_emo.types import SAMPLE_RATE, Samples


class ToneEncoder:
    """Encodes tones of 200 Hz and of 400 Hz as two voices that have nothing in common."""

    digest = "tones"
    threshold = 0.5

    def encode(self, samples: Samples) -> NDArray[np.float32]:
        spectrum = np.abs(np.fft.rfft(samples))
        hertz = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE)
        power = [float(spectrum[np.abs(hertz - pitch) < 20].max()) for pitch in (200, 400)]
        return np.array(power, np.float32) / np.float32(np.hypot(*power))


def tone(pitch: float, length_s: float) -> Samples:
    """Return a tone, Hz and s."""
    time = np.arange(round(length_s * SAMPLE_RATE)) / SAMPLE_RATE
    return (0.1 * np.sin(2 * np.pi * pitch * time)).astype(np.float32)
