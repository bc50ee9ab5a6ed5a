"""The input of Whisper's encoder: a log-mel spectrogram of 80 bands (128 for large-v3), 100 columns a second.

Radford et al. (2022), "Robust Speech Recognition via Large-Scale Weak Supervision", section 2.2.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from stream_emo.types import SAMPLE_RATE, Samples

MEL_VERSION = 1
"""Raise it when the same samples give another spectrogram: training features are kept under it."""
BANDS = 80
"""Mel bands of all models up to large-v2."""
HOP_LENGTH = 160
"""Samples per column of the spectrogram (10 ms)."""
_N_FFT = 400
_MIN_POWER = 1e-10
_DYNAMIC_RANGE = 8.0  # Orders of magnitude of power that are kept below the maximum.


def log_mel(samples: Samples, bands: int = BANDS) -> NDArray[np.float32]:
    """Return float32 [bands, n / 160] of n samples, a multiple of 160: log10 of each band's power."""
    padded = np.pad(samples, _N_FFT // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, _N_FFT)[::HOP_LENGTH][
        : len(samples) // HOP_LENGTH
    ]
    power = np.abs(np.fft.rfft(frames * _hann_window())).astype(np.float32) ** 2
    return np.asarray(np.log10(np.maximum(_filters(bands) @ power.T, _MIN_POWER)), np.float32)


def scaled(mel: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return `mel` scaled for the encoder: limited to 80 dB below its maximum, then to about -1 to 1."""
    return np.asarray((np.maximum(mel, mel.max() - _DYNAMIC_RANGE) + 4) / 4, np.float32)


@cache
def _hann_window() -> NDArray[np.float32]:
    return np.hanning(_N_FFT + 1)[:-1].astype(np.float32)


@cache
def _filters(bands: int) -> NDArray[np.float32]:
    """Return the filters [bands, 201], as in librosa: Slaney's mel scale and area."""
    from faster_whisper.feature_extractor import FeatureExtractor

    filters = FeatureExtractor(feature_size=bands, sampling_rate=SAMPLE_RATE).mel_filters
    return np.asarray(filters, np.float32)
