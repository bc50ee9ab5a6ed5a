"""Protocols of sources, which the pipeline iterates over, and of readers, which a source reads from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from stream_emo.events import GapReason
from stream_emo.types import Notice, SourceItem

Frames = NDArray[np.float32]
"""Audio as a device or file gives it: float32 [frames, channels], nominal range [-1, 1]."""


@dataclass(frozen=True, slots=True)
class Lost:
    """Frames that a reader should have given and could not."""

    count: int
    reason: GapReason


ReadItem = Frames | Lost | Notice
"""What a reader gives."""


@dataclass(frozen=True, slots=True)
class SourceCounts:
    """Samples at 16 kHz, exact: offered = taken + dropped + queued."""

    offered: int = 0
    taken: int = 0
    dropped: int = 0
    queued: int = 0
    driver_overflows: int = 0
    """Overflows that the audio driver reported."""
    clipped: int = 0
    """Samples at or beyond full scale, before resampling."""


class Source(Protocol):
    """Audio on the 16 kHz clock. Used once: `open`, iterate to the end, `close`."""

    @property
    def name(self) -> str:
        """Name of the source in messages."""

    @property
    def live(self) -> bool:
        """Whether audio arrives in real time: a live source never waits for the pipeline."""

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called before the audio ended by itself."""

    def open(self) -> None:
        """Open it for reading. Raises `SourceError` if there is nothing to read."""

    def __iter__(self) -> Iterator[SourceItem]:
        """Yield audio until the end or `stop`. Raises `SourceError` on failure, after all that was read."""

    def coalesce(self, samples: int) -> None:
        """Allow the source to collect so many samples before it yields them; 0: yield at once."""

    def pause(self) -> None:
        """Take no audio until `resume`: a live source yields a gap for that time; a file or pipe waits."""

    def resume(self) -> None:
        """Continue after `pause`."""

    def stop(self) -> None:
        """End the iteration soon. May be called from any thread or signal handler."""

    def close(self) -> None:
        """Release what `open` took."""

    def counts(self) -> SourceCounts:
        """Return the counters now."""


@runtime_checkable
class PolledSource(Source, Protocol):
    """A live source that tells without waiting what has arrived, so that many can share a thread."""

    def poll(self) -> Sequence[SourceItem] | None:
        """Return what has arrived; None once all was returned. Raises `SourceError` on failure."""


class Reader(Protocol):
    """Audio that is read on demand, at its own rate and with its own channels."""

    @property
    def name(self) -> str:
        """Name of the reader in messages."""

    @property
    def rate(self) -> int:
        """Frames per second; known once open."""

    def open(self) -> None:
        """Open it for reading. Raises `SourceError` if there is nothing to read."""

    def read(self, count: int) -> ReadItem:
        """Return the next frames, float32 [up to `count`, channels], what is lost there, or a notice.

        Empty frames: the end. Raises `SourceError`, after all that could be read.
        """

    def stop(self) -> None:
        """End a waiting `read`."""

    def close(self) -> None:
        """Release what `open` took."""
