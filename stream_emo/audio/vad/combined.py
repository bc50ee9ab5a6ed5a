"""The default detector: Silero, corrected where it is known to err by what else is heard."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stream_emo.audio.vad.acoustics import FRAME, Acoustics, level
from stream_emo.audio.vad.context import (
    CONTEXT,
    PAST,
    QUIETEST,
    VOICED,
    Array,
    Context,
    Flags,
    Frames,
    contexts,
)
from stream_emo.audio.vad.silero import SileroVad
from stream_emo.audio.vad.slow_look import SlowLook
from stream_emo.types import Samples

_SURE = 0.9  # Probability with which Silero is believed, as nearly always in speech.
_FLOOR_RISE = 0.05  # dB per frame by which the noise floor follows a rising level.
_PROMINENT = 10.0  # dB over the noise floor: what is worth a second look.

# High voices: what Silero misses and a second look may find.
_HIGH_PITCH = 300.0  # Hz.
_LONG = 12  # Loud frames, 0.38 s: longer than a bark.
_MOSTLY_VOICED = 0.6  # Share of the loud frames.
_PERIODIC = 0.97  # Voicing: only tones are so exactly periodic.
_PRESENCE = -15.0  # dB: barks have less.
_RHYTHMIC = 4.0  # dB: syllables vary in level, horns do not.
_BARK, _SIREN = 4.5, 11.0  # dB: voices are more articulated than the one and less than the other.
_SECOND_LOOK = 0.15  # Probability.

# What Silero takes for speech and is no voice.
_FLAT = 0.5  # dB: tones have so little rhythm.
_MEASURABLE = 2  # Loud frames from which a context can be judged.
_MONOTONOUS = 2.3  # dB: engines are less articulated than voices.
_BARK_PITCH, _BARK_PRESENCE = 330.0, -17.0  # Hz, dB: high and dull.
_DOUBTED = 0.45  # Highest probability of what is doubted: it begins no utterance, and ends none.


class CombinedVad:
    """Silero's probabilities, with corrections that look at the last 0.77 s (24 frames).

    - Shouting and screaming at 300 to 800 Hz is not speech to Silero. Where loud, voiced, articulated sound
      of such pitch lasts, `SlowLook` shows it to Silero once more at two thirds of its speed.
    - Engines and barks are sometimes speech to Silero, though it is never sure. Where it has not been sure
      of speech in the context and the sound is monotonous, or high and dull, its probability counts
      as 0.45 at most; likewise where the level has been constant, as that of a tone.

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
        self._floor = QUIETEST
        """Noise floor, dB of full scale."""
        self._past = Frames.silence()
        self._samples = np.zeros((CONTEXT, FRAME), np.float32)
        """Those of `_past`, and one frame before."""

    def probabilities(self, frames: Samples) -> list[float]:
        if len(frames) == 0:
            return []
        samples = np.concatenate([self._samples, frames])
        first, levels = np.array(self._silero.probabilities(frames)), level(frames)
        acoustics = Acoustics.missing(len(frames))
        # Most frames are quiet, or Silero is sure of them: they are not measured.
        wanted = self._prominent(levels) & (first < _SURE)
        if wanted.any():
            acoustics.measure(samples[PAST:], wanted)
            wanted &= (acoustics.voicing > VOICED) & (acoustics.pitch > _HIGH_PITCH)
        second = self._slow_look.probabilities(frames, wanted)
        known = self._past.joined(Frames(levels, first, second, acoustics))
        found = _corrected(known, samples)
        self._samples, self._past = samples[-CONTEXT:].copy(), known.last(PAST)
        return [float(probability) for probability in found]

    def _prominent(self, levels: NDArray[np.float32]) -> Flags:
        """Return which frames [n] stand out from the noise floor, which follows the quietest frames."""
        prominent = np.empty(len(levels), bool)
        for index, decibels in enumerate(levels.tolist()):
            self._floor = max(min(decibels, self._floor + _FLOOR_RISE), QUIETEST)
            prominent[index] = decibels > self._floor + _PROMINENT
        return prominent


def _corrected(known: Frames, samples: Samples) -> Array:
    """Return the corrected probabilities of all but the first 23 known frames [n].

    `samples` [n + 1, 512] begin with the frame before the first.
    """
    found = known.first[PAST:].copy()
    every = np.arange(len(found))
    speech = found > _DOUBTED
    if speech.any():
        flat = contexts(known.level, every).std(1) < _FLAT
        found = np.where(flat & speech, _DOUBTED, found)
    if (found >= _SURE).all() or not (known.second.any() or speech.any()):
        return found  # As for most frames of speech, and of silence.
    unsure = contexts(known.first, every).max(1) < _SURE
    looked = (contexts(known.second, every).mean(1) > _SECOND_LOOK) & (found < _SURE)
    chosen = np.flatnonzero(looked | (unsure & (found > _DOUBTED)))
    if len(chosen) == 0:
        return found
    needed = np.zeros(len(known.level), bool)
    for begin in chosen.tolist():
        needed[begin : begin + CONTEXT] = True
    known.acoustics.measure(samples, needed)
    context = Context.of(known, chosen)
    own = found[chosen]
    own = np.where(unsure[chosen] & _unlike_speech(context), np.minimum(own, _DOUBTED), own)
    heard = np.maximum(own, 0.5 + 0.5 * context.second_look)
    found[chosen] = np.where(looked[chosen] & _high_speech(context), heard, own)
    return found


def _high_speech(context: Context) -> Flags:
    """Return where high-pitched sound is speech, if it is to the second look."""
    return (
        context.loud
        & (context.count >= _LONG)
        & (context.voiced > _MOSTLY_VOICED)
        & (context.voicing < _PERIODIC)
        & (context.pitch > _HIGH_PITCH)
        & (context.presence > _PRESENCE)
        & (context.rhythm > _RHYTHMIC)
        & (context.articulation > _BARK)
        & (context.articulation < _SIREN)
    )


def _unlike_speech(context: Context) -> Flags:
    """Return where the sound is an engine's, or a bark."""
    dull = (context.voiced > 0.5) & (context.pitch > _BARK_PITCH) & (context.presence < _BARK_PRESENCE)
    return (context.count >= _MEASURABLE) & (dull | (context.articulation < _MONOTONOUS))
