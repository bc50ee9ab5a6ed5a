"""Augmentation of spectrograms: cheap enough to be drawn each time a clip is seen in fine-tuning.

All steps work on log10 of mel band powers (see `perception.mel`), where audiomentations has only masks.
They keep the emotion: a little faster, a little higher, from afar, through a telephone, beside a barking dog.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stream_emo.perception.mel import BANDS

Mel = NDArray[np.float32]
"""[80, columns]: log10 of mel band powers, a column for each 10 ms."""

_LN10 = np.float32(np.log(10))
_HERTZ = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + 8000 / 700), BANDS + 2)[1:-1] / 2595) - 1)
_SHORTEST = 100  # Columns; shorter clips are not cropped.


SPECTROGRAM_VERSION = 1
"""Raise it when the same generator state gives other spectrograms: encoders on disk are named after it."""


class SpectrogramAugmentation:
    """Tempo, pitch, cropping, gain, colour, noise, band limits and SpecAugment's masks, each at random.

    The same generator state gives the same spectrograms.
    """

    def __init__(self, noises: Sequence[Mel], generator: np.random.Generator) -> None:
        """Take spectrograms of noises to mix in, and the generator of all that is random."""
        self._noises = noises
        self._random = generator

    def __call__(self, mel: Mel) -> Mel:
        """Return an augmented copy of `mel` [80, 2 n], with an even number of columns that may differ."""
        random = self._random
        mel = np.asarray(mel, np.float32)
        if random.random() < 0.5:
            mel = _stretched(mel, random.uniform(0.88, 1.14))
        if random.random() < 0.4:
            mel = _shifted(mel, int(random.integers(-2, 3)))
        if mel.shape[1] > _SHORTEST and random.random() < 0.5:
            columns = int(random.uniform(0.5, 1) * mel.shape[1]) // 2 * 2
            first = int(random.integers(mel.shape[1] - columns + 1))
            mel = mel[:, first : first + columns]
        mel = mel + np.float32(random.uniform(-3.0, 0.5))
        if random.random() < 0.6:
            mel = mel + self._curve(0.35)
        if random.random() < 0.6:
            mel = self._noisy(mel)
        if random.random() < 0.3:
            low, high = (300, 3400) if random.random() < 0.6 else (0, random.uniform(3000, 7000))
            mel = np.where(((low > _HERTZ) | (high < _HERTZ))[:, None], mel - random.uniform(2, 5), mel)
        if random.random() < 0.5:
            mel = self._spec_augment(mel)
        return np.asarray(mel, np.float32)

    def _curve(self, deviation: float) -> Mel:
        """Return gains [80, 1] that vary smoothly over the bands, as of a room, a microphone, a line."""
        points = self._random.normal(0, deviation, 5)
        curve = np.interp(np.linspace(0, 4, BANDS), np.arange(5), points)
        return curve.astype(np.float32)[:, None]

    def _noisy(self, mel: Mel) -> Mel:
        """Return `mel` with noise 5 to 30 dB below it."""
        random = self._random
        columns = mel.shape[1]
        if random.random() < 0.3:
            noise = self._curve(0.5) + random.normal(0, 0.2, mel.shape).astype(np.float32)
        else:
            noise = np.asarray(self._noises[int(random.integers(len(self._noises)))], np.float32)
            first = int(random.integers(max(1, noise.shape[1] - columns)))
            noise = np.tile(noise[:, first:], (1, -(-columns // (noise.shape[1] - first))))[:, :columns]
        level = np.log10(np.mean(10**mel)) - np.log10(np.mean(10**noise)) - random.uniform(0.5, 3)
        return np.asarray(np.logaddexp(mel * _LN10, (noise + np.float32(level)) * _LN10) / _LN10)

    def _spec_augment(self, mel: Mel) -> Mel:
        """Return `mel` with two masks in frequency and two in time: SpecAugment (Park et al. 2019)."""
        random = self._random
        mel = mel.copy()
        mean = mel.mean()
        for _ in range(2):
            bands, columns = int(random.integers(10)), int(random.integers(12))
            first = int(random.integers(BANDS - bands))
            mel[first : first + bands] = mean
            first = int(random.integers(max(1, mel.shape[1] - columns)))
            mel[:, first : first + columns] = mean
        return mel


def _stretched(mel: Mel, factor: float) -> Mel:
    """Return `mel` faster by `factor`, interpolated linearly between columns."""
    columns = max(20, int(mel.shape[1] / factor) // 2 * 2)
    at = np.clip((np.arange(columns) + 0.5) * mel.shape[1] / columns - 0.5, 0, mel.shape[1] - 1)
    left = np.minimum(at.astype(np.int64), mel.shape[1] - 2)
    share = (at - left).astype(np.float32)
    return np.asarray(mel[:, left] * (1 - share) + mel[:, left + 1] * share)


def _shifted(mel: Mel, bands: int) -> Mel:
    """Return `mel` moved up by `bands` along the mel axis; the outermost band fills what becomes free."""
    source = np.clip(np.arange(BANDS) - bands, 0, BANDS - 1)
    return mel[source]
