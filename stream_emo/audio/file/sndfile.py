"""Decoding with libsndfile: faultless Opus, at the rate it was made from, and what FFmpeg does not know."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from stream_emo.audio.base import Frames
from stream_emo.audio.file.decoded import MAX_CHANNELS, MAX_RATE, MIN_RATE, Damage, Decoded

_BLOCK_S = 0.5
_UNKNOWN = 2**60
"""libsndfile's number of frames of a file that does not say it."""


class SndfileDecoder:
    """Decodes what libsndfile has opened."""

    jumps = gapless = False

    def __init__(self, sound: Any) -> None:
        """Take a `soundfile.SoundFile`."""
        self._sound = sound

    @classmethod
    def opened(cls, file: Any) -> SndfileDecoder | None:
        """Return a decoder of a binary file object; None: libsndfile cannot read it."""
        import soundfile

        try:
            sound = soundfile.SoundFile(file)
        except (soundfile.LibsndfileError, TypeError, ValueError):
            # TypeError: the name ends in .raw, for which libsndfile wants to be told everything.
            return None
        if (
            sound.frames < _UNKNOWN
            and MIN_RATE <= sound.samplerate <= MAX_RATE
            and 1 <= sound.channels <= MAX_CHANNELS
        ):
            return cls(sound)
        sound.close()
        return None

    @property
    def duration_s(self) -> float | None:
        """Length that the file says it has, seconds; None: it does not say."""
        frames = int(self._sound.frames)
        return frames / int(self._sound.samplerate) if 0 < frames < _UNKNOWN else None

    @property
    def promised_s(self) -> float | None:
        """The same: it is exact."""
        return self.duration_s

    def items(self) -> Iterator[Decoded | Damage]:
        """Decode to the end, or to the first damage."""
        import soundfile

        rate, done = int(self._sound.samplerate), 0
        while True:
            frames: Frames = np.empty((max(1, round(rate * _BLOCK_S)), self._sound.channels), np.float32)
            damaged = False
            try:
                frames = self._sound.read(out=frames)
            except soundfile.LibsndfileError:
                damaged = True
                # What it decoded until then is there nevertheless.
                frames = frames[: max(0, self._sound.tell() - done)]
            done += len(frames)
            if len(frames):
                yield Decoded(frames, rate)
            if damaged:
                yield Damage()
            if damaged or len(frames) == 0:
                return

    def close(self) -> None:
        """Close it."""
        self._sound.close()
