"""What a decoder gives: audio at the rate of the moment, with its time in the file, and damage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from stream_emo.audio.base import Frames

MAX_CHANNELS = 64
MIN_RATE, MAX_RATE = 1_000, 768_000
"""Frames per second, Hz."""


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """Consecutive frames, at least one."""

    frames: Frames
    rate: int
    """Hz; may change from one to the next."""
    time: float | None = None
    """When the first of them is heard, seconds since the start of the file; None: after those before."""


@dataclass(frozen=True, slots=True)
class Damage:
    """A piece that could not be decoded."""

    duration_s: float = 0.0
    """Its length; 0: unknown."""


class Decoder(Protocol):
    """A decoder of one file, or of one link of a chained file."""

    @property
    def duration_s(self) -> float | None:
        """Length that the file says it has, which may be wrong; None: it does not say."""

    @property
    def promised_s(self) -> float | None:
        """Length that the header promises, in a format in which it is exact; None: none, or not known."""

    def items(self) -> Iterator[Decoded | Damage]:
        """Decode to the end. Raises `SourceError` if the file can no longer be read."""

    def close(self) -> None:
        """Release what it holds, the file not included."""
