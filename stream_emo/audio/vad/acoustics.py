"""What can be heard in a frame without a network: level, voicing, pitch and the power of six bands.

NumPy only, on frames of 512 samples; each is analysed together with the frame before it, at 8 kHz.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from stream_emo.types import SAMPLE_RATE, Samples

FRAME = 512
"""Samples per frame."""
BANDS = ((60, 300), (300, 600), (600, 1200), (1200, 2000), (2000, 3000), (3000, 4000))
"""Limits of the bands, Hz: below the lowest formant, the first, the second in two parts, the third, above."""

_RATE = SAMPLE_RATE // 2
_WINDOW = FRAME  # At 8 kHz two frames, 64 ms.
_N_FFT = 2 * _WINDOW
_MIN_PITCH, _MAX_PITCH = 70, 800  # Hz: up to screams.
_SHORTEST, _LONGEST = _RATE // _MAX_PITCH, _RATE // _MIN_PITCH  # Periods, samples.
_OCTAVE_RATIO = 0.88  # The shortest period with a peak of this share of the highest: no octave too low.
_FLOOR = 1e-7

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Acoustics:
    """Measurements of n frames; NaN where nothing was measured."""

    voicing: Array
    """Height [n] of the autocorrelation's peak, 0 to 1."""
    pitch: Array
    """Frequency [n] of that peak, Hz: 70 to 800; it means nothing where there is no voicing."""
    bands: Array
    """Power [n, 6] in each of `BANDS`."""

    @classmethod
    def missing(cls, count: int) -> Acoustics:
        """Return `count` frames that are not measured."""
        nothing = np.full(count, np.nan, np.float32)
        return cls(nothing, nothing.copy(), np.full((count, len(BANDS)), np.nan, np.float32))

    def measure(self, samples: Samples, chosen: NDArray[np.bool_]) -> None:
        """Measure the frames that are `chosen` [n] and missing.

        `samples` [n + 1, 512] begin with the frame before the first. Pitch is the highest peak of the
        autocorrelation of the windowed frame divided by that of the window (Boersma 1993, "Accurate
        short-term analysis of the fundamental frequency").
        """
        index = np.flatnonzero(chosen & np.isnan(self.voicing))
        if len(index) == 0:
            return
        both = np.concatenate([samples[index], samples[index + 1]], axis=1)
        halved = (both[:, 0::2] + both[:, 1::2]) / 2
        centred = halved - halved.mean(1, keepdims=True)
        power = np.abs(np.fft.rfft(centred * _hann_window(), _N_FFT)) ** 2
        self.voicing[index], self.pitch[index] = _pitch(power)
        self.bands[index] = power @ _band_filters()

    def joined(self, later: Acoustics) -> Acoustics:
        """Return these frames and the later ones after them."""
        return Acoustics(
            np.concatenate([self.voicing, later.voicing]),
            np.concatenate([self.pitch, later.pitch]),
            np.concatenate([self.bands, later.bands]),
        )

    def last(self, count: int) -> Acoustics:
        """Return the last `count` frames."""
        return Acoustics(self.voicing[-count:], self.pitch[-count:], self.bands[-count:])


def level(frames: Samples) -> Array:
    """Return the power [n] of frames [n, 512] without their offset, dB of full scale; -100 for silence."""
    centred = frames - frames.mean(1, keepdims=True)
    return np.asarray(10 * np.log10(np.einsum("nk,nk->n", centred, centred) / FRAME + 1e-10), np.float32)


def _pitch(power: NDArray[np.float64]) -> tuple[Array, Array]:
    """Return voicing [n] and pitch [n], Hz, of frames with this power spectrum [n, bins]."""
    correlation = np.fft.irfft(power)[:, : _LONGEST + 2]
    correlation = correlation / (correlation[:, :1] + _FLOOR) / _window_autocorrelation()
    inner = correlation[:, _SHORTEST : _LONGEST + 1]
    before, after = correlation[:, _SHORTEST - 1 : _LONGEST], correlation[:, _SHORTEST + 1 :]
    peaks = np.where((inner >= before) & (inner >= after), inner, 0.0)
    highest = peaks.max(1, keepdims=True)
    period = _SHORTEST + (peaks >= _OCTAVE_RATIO * highest).argmax(1)
    return np.clip(highest[:, 0], 0.0, 1.0).astype(np.float32), (_RATE / period).astype(np.float32)


@cache
def _hann_window() -> Array:
    return np.hanning(_WINDOW).astype(np.float32)


@cache
def _window_autocorrelation() -> NDArray[np.float64]:
    correlation = np.fft.irfft(np.abs(np.fft.rfft(_hann_window(), _N_FFT)) ** 2)[: _LONGEST + 2]
    return np.asarray(correlation / correlation[0])


@cache
def _band_filters() -> NDArray[np.float64]:
    """Return [bins, bands]: ones where a bin belongs to a band."""
    frequency = np.fft.rfftfreq(_N_FFT, 1 / _RATE)[:, None]
    low, high = np.array(BANDS, float).T
    return np.asarray((frequency >= low) & (frequency < high), float)
