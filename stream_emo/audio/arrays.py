"""Audio in memory: NumPy arrays, and iterables of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_emo.audio.base import Frames
from stream_emo.audio.pcm import check_rate
from stream_emo.errors import SourceError, StreamEmoError

_MAX_CHANNELS = 64
_REMEDY = "give float in [-1, 1], or uint8, int16 or int32"


def as_frames(data: object, name: str) -> Frames:
    """Return audio as new float32 frames [n, channels].

    Args:
        data: an array [n] or [n, channels]; float, nominal range [-1, 1], or integer PCM of 8 bits (unsigned,
            as in WAV files), 16 or 32 bits, which is divided by its full scale.
        name: what it is called in errors.

    Raises:
        SourceError: the type, dtype or shape is another.
    """
    if not hasattr(data, "__array__"):
        raise SourceError(f"{name}: {type(data).__name__} is not an array of samples; {_REMEDY}")
    try:
        array: NDArray[Any] = np.asarray(data)
    except Exception as error:  # Whatever its own conversion raises, say for a tensor on a GPU.
        raise SourceError(f"{name}: {type(data).__name__} is not an array of samples ({error})") from error
    if array.ndim not in (1, 2) or (array.ndim == 2 and not 1 <= array.shape[1] <= _MAX_CHANNELS):
        raise SourceError(
            f"{name}: shape {array.shape}; give [samples] or [samples, channels of at most {_MAX_CHANNELS}]"
        )
    frames = array if array.ndim == 2 else array[:, None]
    if array.dtype.kind == "f":
        with np.errstate(over="ignore"):  # Infinite: not a valid sample, which becomes a gap.
            return frames.astype(np.float32)
    if array.dtype == np.uint8:
        return (frames.astype(np.float32) - np.float32(128)) / np.float32(128)
    if array.dtype.kind == "i" and array.dtype.itemsize in (2, 4):
        return frames.astype(np.float32) / np.float32(2.0 ** (8 * array.dtype.itemsize - 1))
    raise SourceError(f"{name}: dtype {array.dtype}; {_REMEDY}")


class ArrayReader:
    """Reads one array of samples.

    Monitor(config, ArrayReader(samples, rate=44_100))
    """

    name = "array"

    def __init__(self, samples: NDArray[Any], rate: int) -> None:
        """Take an array as `as_frames` does; `rate`: frames per second, 8,000 to 192,000.

        Raises:
            SourceError: the dtype or shape is wrong.
            ConfigError: the rate is.
        """
        self.rate = check_rate(rate)
        self._frames = as_frames(samples, self.name)
        self._done = 0

    def open(self) -> None:
        """Do nothing: the array is in memory."""

    def read(self, count: int) -> Frames:
        """Return the next frames, float32 [up to `count`, channels]."""
        frames = self._frames[self._done : self._done + count]
        self._done += len(frames)
        return frames

    def stop(self) -> None:
        """Do nothing: reading an array does not wait."""

    def close(self) -> None:
        """Do nothing: it is in memory."""


class ChunksReader:
    """Reads an iterable of arrays, one after the other. It waits for each, and each waits for the pipeline.

    Monitor(config, ChunksReader(chunks, rate=16_000))
    """

    name = "chunks"

    def __init__(self, chunks: Iterable[NDArray[Any]], rate: int) -> None:
        """Take arrays of one number of channels; `rate`: frames per second, 8,000 to 192,000.

        Raises:
            ConfigError: the rate is out of range.
        """
        self.rate = check_rate(rate)
        self._chunks = chunks
        self._iterator: Iterator[NDArray[Any]] | None = None
        self._rest: Frames | None = None
        self._number = 0

    def open(self) -> None:
        """Begin to iterate. Raises `SourceError` if it cannot be iterated over."""
        try:
            self._iterator = iter(self._chunks)
        except StreamEmoError:
            raise
        except Exception as error:
            raise SourceError(f"{self.name}: {type(error).__name__}: {error}") from error

    def read(self, count: int) -> Frames:
        """Return the next frames, float32 [up to `count`, channels], of one chunk; none: the end.

        Raises:
            SourceError: a chunk has a wrong dtype or shape, or the iterable raised.
        """
        while self._rest is None or len(self._rest) == 0:
            rest = self._next()
            if rest is None:
                return np.zeros((0, 1), np.float32)
            self._rest = rest
        frames, self._rest = self._rest[:count], self._rest[count:]
        return frames

    def stop(self) -> None:
        """Do nothing: only the iterable can end its own wait."""

    def close(self) -> None:
        """Release the iterable."""
        self._iterator = None

    def _next(self) -> Frames | None:
        assert self._iterator is not None, "open first"
        try:
            chunk = next(self._iterator)
        except StopIteration:
            return None
        except StreamEmoError:
            raise
        except Exception as error:
            raise SourceError(f"{self.name}: {type(error).__name__}: {error}") from error
        frames = as_frames(chunk, f"{self.name}: chunk {self._number}")
        before = frames if self._rest is None else self._rest
        if frames.shape[1] != before.shape[1]:
            raise SourceError(
                f"{self.name}: chunk {self._number} has {frames.shape[1]} channels, "
                f"those before have {before.shape[1]}"
            )
        self._number += 1
        return frames
