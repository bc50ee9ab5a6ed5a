"""What the loud frames of the last 0.77 s have in common, which tells a voice from other sounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_emo.audio.vad.acoustics import Acoustics

CONTEXT = 24
"""Frames in a context: 0.77 s, a few syllables."""
PAST = CONTEXT - 1
QUIETEST = -65.0
"""Level that is not the noise of a silent line, dB of full scale."""
VOICED = 0.6
"""Voicing above which a frame is voiced."""

_LOUD_RANGE = 20.0  # dB below the loudest frame of the context: what carries its sound.
_DIP = 30.0  # dB below the loudest frame: lower levels count as this in the rhythm.

_OFFSETS = np.arange(CONTEXT)

Flags = NDArray[np.bool_]
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Frames:
    """What is known about n consecutive frames."""

    level: NDArray[np.float32]
    """Mean power [n], dB of full scale."""
    first: Array
    """Silero's probability [n]."""
    second: Array
    """Probability [n] of the second look; 0 where there was none."""
    acoustics: Acoustics

    @classmethod
    def silence(cls) -> Frames:
        """Return the context of the first frame, without that frame."""
        silent = np.full(PAST, -100.0, np.float32)
        return cls(silent, np.zeros(PAST), np.zeros(PAST), Acoustics.missing(PAST))

    def joined(self, later: Frames) -> Frames:
        """Return these frames and the later ones after them."""
        return Frames(
            np.concatenate([self.level, later.level]),
            np.concatenate([self.first, later.first]),
            np.concatenate([self.second, later.second]),
            self.acoustics.joined(later.acoustics),
        )

    def last(self, count: int) -> Frames:
        """Return the last `count` frames."""
        return Frames(
            self.level[-count:], self.first[-count:], self.second[-count:], self.acoustics.last(count)
        )


@dataclass(frozen=True, slots=True)
class Context:
    """Measurements of the loud frames among 24, for each of m contexts [m]."""

    loud: Flags
    """Whether the last frame is one of them."""
    count: NDArray[np.int64]
    """Number of loud frames."""
    voiced: Array
    """Share of voiced frames."""
    voicing: Array
    """Mean voicing of the voiced ones."""
    pitch: Array
    """Geometric mean of the voiced ones, Hz."""
    presence: Array
    """Power of the stronger band above 2 kHz over that of the stronger of 0.6 to 2 kHz, dB."""
    rhythm: Array
    """Standard deviation of the level over all 24, dB."""
    articulation: Array
    """Standard deviation over time of the balance of the bands above 300 Hz, dB."""
    second_look: Array
    """Mean probability of the second look, over all 24."""

    @classmethod
    def of(cls, frames: Frames, chosen: NDArray[np.int64]) -> Context:
        """Return the contexts that begin at the frames `chosen` [m], all of which must be measured."""
        acoustics = frames.acoustics
        levels = contexts(frames.level, chosen)
        highest = levels.max(1, keepdims=True)
        loud = (levels > highest - _LOUD_RANGE) & (levels > QUIETEST)
        count = loud.sum(1)
        some = np.maximum(count, 1)
        voicing = contexts(acoustics.voicing, chosen)
        voiced = loud & (voicing > VOICED)
        some_voiced = np.maximum(voiced.sum(1), 1)
        pitches = (voiced * np.log(contexts(acoustics.pitch, chosen))).sum(1) / some_voiced
        bands = contexts(acoustics.bands, chosen)
        power = np.einsum("nck,nc->nk", bands, loud) + 1e-9
        decibels = 10 * np.log10(bands[:, :, 1:] + 1e-7)
        balance = decibels - decibels.mean(2, keepdims=True)
        return cls(
            loud[:, -1],
            count,
            voiced.sum(1) / some,
            (voiced * voicing).sum(1) / some_voiced,
            np.exp(pitches),
            10 * np.log10(power[:, 4:].max(1) / power[:, 2:4].max(1)),
            np.maximum(levels, highest - _DIP).std(1),
            np.sqrt(_variance(balance, loud, some).mean(1)),
            contexts(frames.second, chosen).mean(1),
        )


def contexts(values: NDArray[np.floating], chosen: NDArray[np.int64]) -> NDArray[np.floating]:
    """Return the 24 values [m, 24, ...] from each of `chosen` [m] on, of values [n, ...]."""
    return np.asarray(values[chosen[:, None] + _OFFSETS])


def _variance(balance: NDArray[np.floating], loud: Flags, count: NDArray[np.int64]) -> Array:
    """Return the variance [n, bands] over the `loud` [n, 24] frames of `balance` [n, 24, bands]."""
    mean = np.einsum("nck,nc->nk", balance, loud) / count[:, None]
    offset = (balance - mean[:, None, :]) * loud[:, :, None]
    return np.asarray(np.square(offset).sum(1) / count[:, None])
