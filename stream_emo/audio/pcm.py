"""Raw PCM on standard input, as written by ffmpeg, sox and telephony."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from stream_emo.audio.base import Frames
from stream_emo.errors import ConfigError, SourceError

Encoding = Literal["s16le", "s32le", "f32le", "mulaw", "alaw"]
ENCODINGS: tuple[str, ...] = get_args(Encoding)

_WIDTHS = {"s16le": 2, "s32le": 4, "f32le": 4, "mulaw": 1, "alaw": 1}


def check_rate(rate: int) -> int:
    """Return `rate`. Raises `ConfigError` unless it is an integer between 8,000 and 192,000 Hz."""
    if not _is_integer(rate) or not 8_000 <= rate <= 192_000:
        raise ConfigError(f"rate = {rate!r}: must be an integer between 8000 and 192000")
    return int(rate)


@dataclass(frozen=True, slots=True)
class PcmFormat:
    """The format of raw PCM. Raises `ConfigError` for an unsupported value."""

    rate: int = 16_000
    """Frames per second, 8,000 to 192,000."""
    channels: int = 1
    """Number of interleaved channels, 1 to 64."""
    encoding: Encoding = "s16le"

    def __post_init__(self) -> None:
        check_rate(self.rate)
        if not _is_integer(self.channels) or not 1 <= self.channels <= 64:
            raise ConfigError(f"channels = {self.channels!r}: must be an integer between 1 and 64")
        if self.encoding not in ENCODINGS:
            raise ConfigError(f"encoding = {self.encoding!r}: is not one of {', '.join(ENCODINGS)}")

    @property
    def width(self) -> int:
        """Number of bytes per frame."""
        return _WIDTHS[self.encoding] * self.channels

    def decode(self, data: bytes | memoryview) -> Frames:
        """Return whole frames of bytes as float32 [frames, channels]."""
        return _DECODERS[self.encoding](data).reshape(-1, self.channels)


class PcmReader:
    """Reads frames from a file descriptor, by default standard input."""

    name = "stdin"

    def __init__(self, pcm: PcmFormat, descriptor: int | None = None) -> None:
        self._pcm = pcm
        self._descriptor = descriptor
        self._rest = b""
        self._read_any = False
        self._wake: tuple[int, int] | None = None

    @property
    def rate(self) -> int:
        return self._pcm.rate

    def open(self) -> None:
        """Find the descriptor. Raises `SourceError` if standard input is closed, or a terminal."""
        if self._descriptor is None:
            try:
                self._descriptor = sys.stdin.fileno()
            except (AttributeError, OSError, ValueError) as error:  # None, not a file, closed.
                raise SourceError("stdin: closed; pipe PCM into it, or name a file") from error
            if os.isatty(self._descriptor):
                raise SourceError(
                    "stdin: is a terminal; pipe PCM into it, for example: "
                    "ffmpeg -i call.mp3 -f s16le -ac 1 -ar 16000 - | stream-emo run -"
                )
        self._wake = os.pipe()

    def read(self, count: int) -> Frames:
        """Return the next frames, at most `count`, as soon as there is one; none: the end.

        Raises:
            SourceError: an incomplete frame at the end, or a failing read.
        """
        width = self._pcm.width
        while len(self._rest) < width:
            data = self._wait_and_read(count * width - len(self._rest))
            if data is None:
                return self._pcm.decode(b"")
            if not data:
                return self._end()
            self._rest += data
        whole = len(self._rest) // width * width
        frames = self._pcm.decode(self._rest[:whole])
        self._rest = self._rest[whole:]
        self._read_any = True
        return frames

    def stop(self) -> None:
        if self._wake is not None:
            os.write(self._wake[1], b"x")

    def close(self) -> None:
        wake, self._wake = self._wake, None
        for end in wake or ():
            os.close(end)

    def _wait_and_read(self, size: int) -> bytes | None:
        """Return up to `size` bytes; none at the end; None when stopped."""
        assert self._wake is not None
        assert self._descriptor is not None, "open first"
        try:
            ready, _, _ = select.select([self._descriptor, self._wake[0]], [], [])
            return None if self._wake[0] in ready else os.read(self._descriptor, size)
        except OSError as error:
            raise SourceError(f"stdin: {error.strerror or error}") from error

    def _end(self) -> Frames:
        left, self._rest = len(self._rest), b""
        if left:
            raise SourceError(
                f"stdin: ended within a frame, {left} of {self._pcm.width} bytes "
                f"({self._pcm.encoding}, channels: {self._pcm.channels}); "
                f"it was cut off, or the encoding or number of channels is wrong"
            )
        if not self._read_any:
            raise SourceError("stdin: no audio came; does the program that feeds it run?")
        return self._pcm.decode(b"")


def _is_integer(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _integers(kind: str, full_scale: float) -> Callable[[bytes | memoryview], NDArray[np.float32]]:
    def decode(data: bytes | memoryview) -> NDArray[np.float32]:
        return np.frombuffer(data, kind).astype(np.float32) / np.float32(full_scale)

    return decode


def _floats(data: bytes | memoryview) -> NDArray[np.float32]:
    return np.frombuffer(data, "<f4").astype(np.float32)


def _mulaw(data: bytes | memoryview) -> NDArray[np.float32]:
    return _mulaw_table()[np.frombuffer(data, np.uint8)]


def _alaw(data: bytes | memoryview) -> NDArray[np.float32]:
    return _alaw_table()[np.frombuffer(data, np.uint8)]


_DECODERS: dict[str, Callable[[bytes | memoryview], NDArray[np.float32]]] = {
    "s16le": _integers("<i2", 2**15),
    "s32le": _integers("<i4", 2**31),
    "f32le": _floats,
    "mulaw": _mulaw,
    "alaw": _alaw,
}


@cache
def _mulaw_table() -> NDArray[np.float32]:
    """Return the sample of each code of ITU-T G.711 mu-law, 14 bits, scaled to [-1, 1]."""
    code = ~np.arange(256, dtype=np.uint8)
    exponent, mantissa = (code >> 4) & 7, (code & 15).astype(np.int32)
    magnitude = ((2 * mantissa + 33) << exponent) - 33
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.float32) / np.float32(2**13)


@cache
def _alaw_table() -> NDArray[np.float32]:
    """Return the sample of each code of ITU-T G.711 A-law, 13 bits, scaled to [-1, 1]."""
    code = np.arange(256, dtype=np.uint8) ^ 0x55
    exponent, mantissa = (code >> 4) & 7, (code & 15).astype(np.int32)
    magnitude = np.where(exponent == 0, 2 * mantissa + 1, (2 * mantissa + 33) << np.maximum(exponent, 1) - 1)
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.float32) / np.float32(2**12)
