"""What was heard where no speech was: how much, how loud, and of what kind."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stream_emo.clock import level_db
from stream_emo.types import SAMPLE_RATE, Samples, seconds

_SILENT_DB = -60.0
_FRAME = 1024
_LOWEST = 80 * _FRAME // SAMPLE_RATE + 1
"""First bin of the spectrum above 80 Hz."""
_TONAL = 0.02
"""Spectral flatness below which a sound is a tone..."""
_NOISY = 0.3
"""...and above which it is noise (1: white noise)."""


class SoundSummary:
    """Summarises samples; cheap: it looks at the spectrum of one frame per second."""

    def __init__(self) -> None:
        self._length = 0
        self._energy = 0.0
        self._peak = 0.0
        self._spectrum: NDArray[np.float64] = np.zeros(_FRAME // 2 + 1)
        self._next_frame = 0

    def add(self, samples: Samples) -> None:
        """Add the samples that came next."""
        if self._length >= self._next_frame and len(samples):
            self._next_frame = self._length + SAMPLE_RATE
            frame = samples[:_FRAME]
            self._spectrum += np.abs(np.fft.rfft(frame * np.hanning(len(frame)), _FRAME)) ** 2
        self._length += len(samples)
        self._energy += float(np.square(samples, dtype=np.float64).sum())
        self._peak = max(self._peak, float(np.abs(samples).max(initial=0.0)))

    def describe(self, lost: int) -> str:
        """Return the summary in one line; `lost`: samples that came between and are lost or not valid."""
        if lost > self._length:
            return f"no speech was found: {seconds(lost):.1f} s of the audio is lost or not valid"
        if self._length == 0:
            return "no audio came"
        return f"no speech was found in {seconds(self._length):.1f} s of audio: {self._kind()}"

    def _kind(self) -> str:
        if self._peak == 0:
            return "every sample is zero"
        rms = np.full(1, np.sqrt(self._energy / self._length), np.float32)
        level = level_db(rms)
        loudness = f"level {level:.0f} dB, peak {level_db(np.full(1, self._peak, np.float32)):.0f} dB"
        if level < _SILENT_DB:
            return f"silence ({loudness})"
        power = self._spectrum[_LOWEST:] + 1e-12
        flatness = float(np.exp(np.log(power).mean()) / power.mean())
        if flatness < _TONAL:
            return f"a tone, hum or music ({loudness})"
        if flatness > _NOISY:
            return f"noise ({loudness})"
        return f"sound without a voice ({loudness}); a lower gate.threshold finds more"
