"""Formats of raw PCM, as written by ffmpeg, sox and telephony."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from stream_emo.audio.base import Frames
from stream_emo.errors import ConfigError

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


def companded(samples: NDArray[np.float32], encoding: Literal["mulaw", "alaw"]) -> bytes:
    """Return the code of ITU-T G.711 that is nearest to each of the samples [n], nominal range [-1, 1]."""
    levels = _DECODERS[encoding](bytes(range(256)))
    order = np.argsort(levels, kind="stable")
    middles = (levels[order][1:] + levels[order][:-1]) / 2
    return order[np.searchsorted(middles, samples)].astype(np.uint8).tobytes()


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
