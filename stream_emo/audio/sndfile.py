"""Decoding with libsndfile of what FFmpeg does not know: SDS, XI, MAT, Sound Designer II and the like."""

from __future__ import annotations

from typing import IO, Any

import numpy as np

from stream_emo.audio.base import ReadItem
from stream_emo.errors import SourceError
from stream_emo.types import Notice


class SndfileDecoder:
    """Decodes an open binary file."""

    def __init__(self, name: str, file: IO[bytes]) -> None:
        """Read the header. `name`: of the file, for errors. Raises `SourceError` if it is not known."""
        import soundfile

        try:
            self._sound: Any = soundfile.SoundFile(file)
        except (soundfile.LibsndfileError, TypeError) as error:
            # TypeError: the name ends in .raw, for which libsndfile wants to be told everything.
            raise SourceError(f"{name}: is not audio that FFmpeg or libsndfile can read") from error
        self.rate = int(self._sound.samplerate)
        self.channels = int(self._sound.channels)
        self._done = 0
        self._damaged = False

    @property
    def duration_s(self) -> float | None:
        """Length as the header says it, s."""
        return float(self._sound.frames) / self.rate

    def read(self, count: int) -> ReadItem:
        """Return the next frames, float32 [up to `count`, channels]; none: the end."""
        import soundfile

        frames = np.empty((count, self.channels), np.float32)
        if self._damaged:
            return frames[:0]
        try:
            frames = self._sound.read(out=frames)
        except soundfile.LibsndfileError:
            # What it decoded until then is there nevertheless.
            frames = frames[: max(0, self._sound.tell() - self._done)]
            self._damaged = True
            if len(frames) == 0:
                return self._damage()
        self._done += len(frames)
        return frames

    def close(self) -> None:
        """Close the decoder, not the file."""
        self._sound.close()

    def _damage(self) -> Notice:
        return Notice(f"damaged after {self._done / self.rate:.1f} s; what follows cannot be decoded")
