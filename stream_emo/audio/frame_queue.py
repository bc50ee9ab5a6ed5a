"""The queue behind a live source: its producer never waits, and what does not fit becomes a gap."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from stream_emo.audio.base import Frames
from stream_emo.events import GapReason
from stream_emo.runtime.bounded_queue import BoundedQueue, Closed
from stream_emo.types import SAMPLE_RATE, Notice

Clock = Callable[[], float]
"""Seconds, as `time.monotonic`."""


@dataclass(frozen=True, slots=True, eq=False)
class FrameBlock:
    """Consecutive frames; `first` is the number of frames before them, those that were lost included."""

    first: int
    frames: Frames
    arrived: float
    """When the last of them arrived: seconds of `time.monotonic`."""

    @property
    def last(self) -> int:
        """One past the last frame."""
        return self.first + len(self.frames)


@dataclass(frozen=True, slots=True)
class FrameGap:
    """Frames [first, last) were lost."""

    first: int
    last: int
    reason: GapReason


FrameItem = FrameBlock | FrameGap | Notice


def joined(items: Sequence[FrameItem]) -> Iterator[FrameItem]:
    """Yield the same audio in blocks as long as can be: each costs a call of the resampler."""
    blocks: list[FrameBlock] = []
    for item in items:
        if blocks and not (isinstance(item, FrameBlock) and item.first == blocks[-1].last):
            yield _joined_blocks(blocks)
            blocks = []
        if isinstance(item, FrameBlock):
            blocks.append(item)
        else:
            yield item
    if blocks:
        yield _joined_blocks(blocks)


def _joined_blocks(blocks: Sequence[FrameBlock]) -> FrameBlock:
    frames = blocks[0].frames if len(blocks) == 1 else np.concatenate([block.frames for block in blocks])
    return FrameBlock(blocks[0].first, frames, blocks[-1].arrived)


def samples_after(frames: int, rate: int) -> int:
    """Return how many samples the 16 kHz clock has counted after this many frames at `rate` Hz."""
    return frames * SAMPLE_RATE // rate


class FrameQueue(BoundedQueue[FrameItem]):
    """A queue of frames, bounded and counted in samples of the 16 kHz clock. It has one producer."""

    def __init__(self, rate: int, capacity: int, clock: Clock = time.monotonic) -> None:
        """Build a queue of frames at `rate` Hz. `capacity`: samples at 16 kHz. `clock`: seconds."""

        def weight(item: FrameItem) -> int:
            if not isinstance(item, FrameBlock):
                return 0
            return samples_after(item.last, rate) - samples_after(item.first, rate)

        super().__init__(capacity, weight, _overflow)
        self._position = 0
        self._clock = clock

    def push(self, frames: Frames, arrived: float | None = None) -> bool:
        """Append frames, or drop and count them; never wait. They are kept, not copied.

        `arrived`: when the last of them arrived, seconds of the clock; None: now.

        Returns:
            Whether they fitted.

        Raises:
            Closed: the queue is closed.
        """
        return self.offer(self._block(frames, arrived))

    def push_waiting(self, frames: Frames) -> None:
        """Append frames, waiting for room. Raises `Closed`."""
        self.put(self._block(frames, None))

    def skip(self, count: int, reason: GapReason) -> None:
        """Append a gap for `count` frames that never arrived. Raises `Closed`."""
        gap = FrameGap(self._position, self._position + count, reason)
        self._position = gap.last
        self.offer(gap)

    def mark_resumed(self) -> None:
        """Append an empty gap, which ends a pause; from any thread. Does nothing when the queue is closed."""
        with suppress(Closed):
            self.offer(FrameGap(self._position, self._position, "paused"))

    def notice(self, notice: Notice) -> None:
        """Append a notice. Raises `Closed`."""
        self.offer(notice)

    def _block(self, frames: Frames, arrived: float | None) -> FrameBlock:
        block = FrameBlock(self._position, frames, self._clock() if arrived is None else arrived)
        self._position = block.last
        return block


def _overflow(item: FrameItem, last: FrameItem | None) -> tuple[FrameGap, bool]:
    assert isinstance(item, FrameBlock), "only frames have weight"
    if isinstance(last, FrameGap) and last.reason == "overflow":
        return FrameGap(last.first, item.last, "overflow"), True
    return FrameGap(item.first, item.last, "overflow"), False
