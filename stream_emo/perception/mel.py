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
COLUMN = 160
"""Samples per column."""
_TRANSFORM = 400
_QUIETEST = 1e-10
_RANGE = 8.0  # Orders of magnitude below the loudest point that are kept.


def log_mel(samples: Samples, bands: int = BANDS) -> NDArray[np.float32]:
    """Return float32 [bands, n / 160] of n samples, a multiple of 160: log10 of each band's power."""
    padded = np.pad(samples, _TRANSFORM // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, _TRANSFORM)[::COLUMN][: len(samples) // COLUMN]
    power = np.abs(np.fft.rfft(frames * _taper())).astype(np.float32) ** 2
    return np.asarray(np.log10(np.maximum(_filters(bands) @ power.T, _QUIETEST)), np.float32)


def scaled(mel: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return `mel` as the encoder takes it: limited to 80 dB below its loudest point, about -1 to 1."""
    return np.asarray((np.maximum(mel, mel.max() - _RANGE) + 4) / 4, np.float32)


@cache
def _taper() -> NDArray[np.float32]:
    return np.hanning(_TRANSFORM + 1)[:-1].astype(np.float32)


@cache
def _filters(bands: int) -> NDArray[np.float32]:
    """Return the filters [bands, 201], as in librosa: Slaney's mel scale and area."""
    from faster_whisper.feature_extractor import FeatureExtractor

    filters = FeatureExtractor(feature_size=bands, sampling_rate=SAMPLE_RATE).mel_filters
    return np.asarray(filters, np.float32)
