"""The default detector: Silero, corrected where it is known to err by what else is heard."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_emo.audio.vad.acoustics import FRAME, Acoustics
from stream_emo.audio.vad.silero import SileroVad
from stream_emo.audio.vad.slow_look import SlowLook
from stream_emo.types import Samples

_CONTEXT = 24  # Frames, 0.77 s: a few syllables.
_LOUD_RANGE = 20.0  # dB below the loudest frame of the context: what carries its sound...
_QUIETEST = -65.0  # ...dB of full scale, and is not the noise of a silent line.
_VOICED = 0.6  # Voicing above which a frame is voiced.
_SURE = 0.9  # Probability with which Silero is believed, whatever the rest says.

# High voices: what Silero misses and a second look may find.
_HIGH_PITCH = 300.0  # Hz: geometric mean of the voiced frames.
_LONG = 12  # Loud frames, 0.38 s: longer than a bark.
_MOSTLY_VOICED = 0.6  # Share of the loud frames.
_PRESENCE = -15.0  # dB: level above 2 kHz over that of 0.6 to 2 kHz; barks have less.
_ARTICULATED = 4.5  # dB: how much the balance of bands varies, as it does from vowel to vowel.
_PERIODIC = 0.97  # Mean voicing of voiced frames: only tones are so exactly periodic.
_RHYTHMIC = 4.0  # dB: how much the level varies, as it does from syllable to syllable.
_DIP = 30.0  # dB below the loudest frame: lower levels count as this in that variation.
_SECOND_LOOK = 0.15  # Mean probability of the second look.

# What Silero is unsure of and is no voice.
_MEASURABLE = 2  # Loud frames from which the context can be judged.
_MONOTONOUS = 2.3  # dB: engines vary less than voices.
_BARK_PITCH, _BARK_PRESENCE = 330.0, -17.0  # Hz, dB: high and dull.
_DOUBTED = 0.45  # Highest probability of what is doubted: it begins no utterance, and ends none.

Flags = NDArray[np.bool_]
Array = NDArray[np.float64]


class CombinedVad:
    """Silero's probabilities, with two corrections that look at the last 0.77 s (24 frames).

    - Shouting and screaming at 300 to 800 Hz is not speech to Silero. Where loud, voiced, articulated sound
      of such pitch lasts, `SlowLook` shows it to Silero once more at two thirds of its speed. It costs
      nothing elsewhere.
    - Engines and barks are sometimes speech to Silero, though it is never sure. Where it has not been sure
      of speech in the context and the sound is monotonous, or high and dull, its probability counts
      as 0.45 at most.

    Frames in which Silero is sure, quiet frames and so nearly all beginnings and ends of speech are left as
    Silero decides them. The probabilities are causal and do not depend on how many frames come together.
    """

    frame = FRAME

    def __init__(self) -> None:
        """Load Silero. Raises `WeightsError` if that fails."""
        self._silero = SileroVad()
        self._slow_look = SlowLook()
        self.reset()

    def reset(self) -> None:
        self._silero.reset()
        self._slow_look.reset()
        self._before = np.zeros(FRAME, np.float32)
        silence = np.zeros((_CONTEXT - 1, FRAME), np.float32)
        self._acoustics = Acoustics.of(silence, self._before)
        self._first = np.zeros(_CONTEXT - 1)
        self._second = np.zeros(_CONTEXT - 1)

    def probabilities(self, frames: Samples) -> list[float]:
        if len(frames) == 0:
            return []
        acoustics = self._acoustics.joined(Acoustics.of(frames, self._before))
        first = np.concatenate([self._first, self._silero.probabilities(frames)])
        unsure = first[_CONTEXT - 1 :] < _SURE
        wanted = _high_voices(acoustics)[_CONTEXT - 1 :] & unsure
        second = np.concatenate([self._second, self._slow_look.probabilities(frames, wanted)])
        context = _Context.of(acoustics, first, second)
        self._before = frames[-1].copy()
        self._acoustics = acoustics.last(_CONTEXT - 1)
        self._first, self._second = first[-_CONTEXT + 1 :], second[-_CONTEXT + 1 :]
        own = first[_CONTEXT - 1 :]
        own = np.where(context.doubtful, np.minimum(own, _DOUBTED), own)
        found = np.where(context.high_speech, np.maximum(own, 0.5 + 0.5 * context.second_look), own)
        return [float(probability) for probability in found]


@dataclass(frozen=True, slots=True)
class _Context:
    """What is known about the loud frames among the last 24, for each of n frames [n]."""

    loud: Flags
    """Whether the frame itself is one of them."""
    count: NDArray[np.int64]
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
    sureness: Array
    """Highest probability of Silero."""
    second_look: Array
    """Mean probability of the second look, over all 24."""

    @classmethod
    def of(cls, acoustics: Acoustics, first: Array, second: Array) -> _Context:
        """Return the context of all but the first 23 frames."""
        levels = _contexts(acoustics.level)
        highest = levels.max(1, keepdims=True)
        loud = (levels > highest - _LOUD_RANGE) & (levels > _QUIETEST)
        count = loud.sum(1)
        voicing = _contexts(acoustics.voicing)
        voiced = loud & (voicing > _VOICED)
        voiced_count = np.maximum(voiced.sum(1), 1)
        pitches = (voiced * np.log(_contexts(acoustics.pitch))).sum(1) / voiced_count
        power = np.einsum("nkc,nc->nk", _contexts(acoustics.bands), loud) + 1e-9
        decibels = 10 * np.log10(acoustics.bands[:, 1:] + 1e-7)
        balance = _contexts(decibels - decibels.mean(1, keepdims=True))
        spread = _variance(balance, loud, np.maximum(count, 1)).mean(1)
        return cls(
            loud[:, -1],
            count,
            voiced.sum(1) / np.maximum(count, 1),
            (voiced * voicing).sum(1) / voiced_count,
            np.exp(pitches),
            10 * np.log10(power[:, 4:].max(1) / power[:, 2:4].max(1)),
            np.maximum(levels, highest - _DIP).std(1),
            np.sqrt(spread),
            _contexts(first).max(1),
            _contexts(second).mean(1),
        )

    @property
    def high_speech(self) -> Flags:
        """Where high-pitched sound is speech."""
        return (
            self.loud
            & (self.count >= _LONG)
            & (self.voiced > _MOSTLY_VOICED)
            & (self.voicing < _PERIODIC)
            & (self.pitch > _HIGH_PITCH)
            & (self.presence > _PRESENCE)
            & (self.rhythm > _RHYTHMIC)
            & (self.articulation > _ARTICULATED)
            & (self.second_look > _SECOND_LOOK)
        )

    @property
    def doubtful(self) -> Flags:
        """Where a probability that is not sure is not to be believed."""
        dull = (self.voiced > 0.5) & (self.pitch > _BARK_PITCH) & (self.presence < _BARK_PRESENCE)
        unlike_speech = dull | (self.articulation < _MONOTONOUS)
        return (self.sureness < _SURE) & (self.count >= _MEASURABLE) & unlike_speech


def _high_voices(acoustics: Acoustics) -> Flags:
    return (acoustics.level > _QUIETEST) & (acoustics.voicing > _VOICED) & (acoustics.pitch > _HIGH_PITCH)


def _contexts(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the last 24 of n values [n, ...] at each of them but the first 23, as [n - 23, ..., 24]."""
    return np.lib.stride_tricks.sliding_window_view(values, _CONTEXT, axis=0)


def _variance(balance: NDArray[np.floating], loud: Flags, count: NDArray[np.int64]) -> Array:
    """Return the variance [n, bands] over the `loud` [n, 24] frames of `balance` [n, bands, 24]."""
    mean = np.einsum("nkc,nc->nk", balance, loud) / count[:, None]
    offset = (balance - mean[:, :, None]) * loud[:, None, :]
    return np.asarray(np.square(offset).sum(2) / count[:, None])
