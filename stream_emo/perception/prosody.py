"""Prosody: pitch, energy, voicing and spectral shape of speech, every 20 ms.

It uses NumPy only, so that it is cheap and starts at once. Each frame depends on the 40 ms around its centre
and on the frame before it; nothing is normalised over the utterance, so frames never change when more
audio follows.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from stream_emo.types import SAMPLE_RATE, Samples

PROSODY_VERSION = 1
"""Raise it when the same samples give other prosody: training features are kept under it."""
FRAME = 320
"""Samples per prosody frame: the grid of Whisper's encoder states."""

_WINDOW = 2 * FRAME
_MIN_PITCH, _MAX_PITCH = 60, 450  # Hz: the range in which pitch is searched.
_N_FFT = 1024  # Transform length: window and longest period, so that the autocorrelation does not wrap.
_OCTAVE_RATIO = (
    0.88  # A shorter period wins when its peak reaches this share of the highest: no octave too low.
)
_VOICING_THRESHOLD = 0.5  # Voicing above which a frame has a pitch.
_REFERENCE_PITCH = 150.0  # Hz, where pitch is zero octaves.
_BANDS = ((80, 500), (500, 1500), (1500, 4000), (4000, 7900))  # Hz
_CEPSTRA = 12
_MEL_BANDS = 26
_FLOOR = 1e-7

PROSODY = (
    "energy",
    "voicing",
    "voiced",
    "pitch",
    "pitch_change",
    "centroid",
    *(f"balance_{index}" for index in range(1, len(_BANDS))),
    "flux",
    *(f"cepstrum_{index}" for index in range(1, _CEPSTRA + 1)),
)
"""Columns: log power; height of the autocorrelation's peak, 0 to 1; whether the frame is voiced; pitch in
octaves above 150 Hz and its change since the frame before, 0 where unvoiced; spectral centroid in kHz; log
power of three bands relative to the lowest; mean change of the log spectrum; mel cepstrum."""


def prosody(samples: Samples) -> NDArray[np.float32]:
    """Return float32 [ceil(n / 320), len(PROSODY)] of n samples; the columns are those of `PROSODY`.

    Pitch is the highest peak of the autocorrelation of the windowed frame divided by that of the window
    (Boersma 1993, "Accurate short-term analysis of the fundamental frequency").
    """
    count = -(-len(samples) // FRAME)
    if count == 0:
        return np.zeros((0, len(PROSODY)), np.float32)
    margin = (_WINDOW - FRAME) // 2
    padded = np.zeros(margin + count * FRAME + margin, np.float32)
    padded[margin : margin + len(samples)] = samples
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::FRAME]
    power = np.abs(np.fft.rfft((frames - frames.mean(1, keepdims=True)) * _hann_window(), _N_FFT)) ** 2
    voicing, frequency = _pitch(power)
    voiced = voicing > _VOICING_THRESHOLD
    pitch = np.where(voiced, np.log2(frequency / _REFERENCE_PITCH), 0.0)
    both = voiced[1:] & voiced[:-1]
    power = power + _FLOOR
    log_power = np.log(power)
    frequencies = _frequencies()
    bands = [np.log(power[:, (frequencies >= low) & (frequencies < high)].sum(1)) for low, high in _BANDS]
    return np.column_stack(
        [
            np.log(power.sum(1) / _N_FFT),
            voicing,
            voiced,
            pitch,
            np.concatenate([[0.0], np.where(both, np.diff(pitch), 0.0)]),
            power @ frequencies / power.sum(1) / 1000,
            *(band - bands[0] for band in bands[1:]),
            np.concatenate([[0.0], np.abs(np.diff(log_power[:, 5:250], axis=0)).mean(1)]),
            np.log(power @ _mel_filters() + _FLOOR) @ _dct_matrix(),
        ]
    ).astype(np.float32)


def _pitch(power: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return voicing [n], 0 to 1, and frequency [n], Hz, of frames with this power spectrum [n, bins]."""
    shortest, longest = SAMPLE_RATE // _MAX_PITCH, SAMPLE_RATE // _MIN_PITCH
    correlation = np.fft.irfft(power)[:, : longest + 2]
    correlation = correlation / (correlation[:, :1] + _FLOOR) / _window_autocorrelation()[: longest + 2]
    inner = correlation[:, shortest : longest + 1]
    before, after = correlation[:, shortest - 1 : longest], correlation[:, shortest + 1 : longest + 2]
    peaks = np.where((inner >= before) & (inner >= after), inner, 0.0)
    highest = peaks.max(1)
    index = (peaks >= _OCTAVE_RATIO * highest[:, None]).argmax(1)
    rows = np.arange(len(index))
    left, middle, right = before[rows, index], inner[rows, index], after[rows, index]
    curvature = left - 2 * middle + right  # A parabola through the peak finds it between two samples.
    offset = np.where(curvature < -_FLOOR, 0.5 * (left - right) / np.minimum(curvature, -_FLOOR), 0.0)
    return np.clip(highest, 0.0, 1.0), SAMPLE_RATE / (shortest + index + np.clip(offset, -0.5, 0.5))


@cache
def _hann_window() -> NDArray[np.float32]:
    return np.hanning(_WINDOW).astype(np.float32)


@cache
def _window_autocorrelation() -> NDArray[np.float32]:
    correlation = np.fft.irfft(np.abs(np.fft.rfft(_hann_window(), _N_FFT)) ** 2)
    return np.asarray(correlation / correlation[0])


@cache
def _frequencies() -> NDArray[np.float32]:
    return np.fft.rfftfreq(_N_FFT, 1 / SAMPLE_RATE).astype(np.float32)


@cache
def _mel_filters() -> NDArray[np.float32]:
    """Return [bins, mel bands]: triangles, evenly spaced in mel from 50 to 7600 Hz."""
    low, high = 2595 * np.log10(1 + np.array([50, 7600]) / 700)
    edges = 700 * (10 ** (np.linspace(low, high, _MEL_BANDS + 2) / 2595) - 1)
    frequencies = _frequencies()[:, None]
    rising = (frequencies - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - frequencies) / (edges[2:] - edges[1:-1])
    return np.clip(np.minimum(rising, falling), 0.0, None).astype(np.float32)


@cache
def _dct_matrix() -> NDArray[np.float32]:
    """Return [mel bands, cepstra]: the orthonormal discrete cosine transform without its constant."""
    bands = np.arange(_MEL_BANDS)[:, None] + 0.5
    matrix = np.sqrt(2 / _MEL_BANDS) * np.cos(np.pi / _MEL_BANDS * bands * np.arange(1, _CEPSTRA + 1))
    return np.asarray(matrix, np.float32)
