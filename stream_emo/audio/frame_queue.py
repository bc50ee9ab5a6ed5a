"""The queue behind a live source: whoever fills it never waits, and what does not fit is a hole."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_emo.runtime.bounded_queue import BoundedQueue, Counts
from stream_emo.types import SAMPLE_RATE, GapReason

Frames = NDArray[np.float32]
"""Audio as the device gives it: float32 [frames, channels], nominal range [-1, 1]."""


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Consecutive frames; `first` is the number of frames before them, those that were lost included."""

    first: int
    frames: Frames
    arrived: float
    """When the last of them arrived: seconds of `time.monotonic`."""

    @property
    def last(self) -> int:
        return self.first + len(self.frames)


@dataclass(frozen=True, slots=True)
class Hole:
    """Frames [first, last) were lost."""

    first: int
    last: int
    reason: GapReason


def on_clock(frames: int, rate: int) -> int:
    """How far the 16 kHz clock has come after this many frames at `rate` Hz."""
    return frames * SAMPLE_RATE // rate


class LiveQueue:
    """Bounded, and counted, in samples of the 16 kHz clock."""

    def __init__(self, rate: int, capacity: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`rate`: of the frames, Hz. `capacity`: samples at 16 kHz. `clock`: tells when frames arrive."""

        def weight(item: Block | Hole) -> int:
            return on_clock(item.last, rate) - on_clock(item.first, rate) if isinstance(item, Block) else 0

        self._frames = 0
        self._clock = clock
        self._queue: BoundedQueue[Block | Hole] = BoundedQueue(capacity, weight, _lost)

    def offer(self, frames: Frames) -> None:
        """Append, or drop and count. Never waits. The frames are kept, not copied."""
        block = Block(self._frames, frames, self._clock())
        self._frames = block.last
        self._queue.offer(block)

    def set_min_batch(self, samples: int) -> None:
        """Let so many come together before they are taken, to wake less often; 0: none."""
        self._queue.set_min_batch(samples)

    def miss(self, count: int, reason: GapReason) -> None:
        """`count` frames never arrived."""
        hole = Hole(self._frames, self._frames + count, reason)
        self._frames = hole.last
        self._queue.offer(hole)

    def close(self) -> None:
        """No more frames; what is queued can still be taken."""
        self._queue.close()

    def cancel(self) -> None:
        """Close, and drop what is queued."""
        self._queue.cancel()

    def get(self, timeout: float) -> Block | Hole:
        """The oldest. Raises `Closed` when closed and empty, `TimeoutError` after `timeout` s."""
        return self._queue.get(timeout)

    def __iter__(self) -> Iterator[Block | Hole]:
        return iter(self._queue)

    @property
    def counts(self) -> Counts:
        return self._queue.counts


def _lost(item: Block | Hole, last: Block | Hole | None) -> tuple[Hole, bool]:
    if isinstance(last, Hole) and last.reason == "overflow":
        return Hole(last.first, item.last, "overflow"), True
    return Hole(item.first, item.last, "overflow"), False
