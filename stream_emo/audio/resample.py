"""From frames of any rate and channel count to mono samples on the 16 kHz clock."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stream_emo.audio.frame_queue import Block, Frames, Hole, on_clock
from stream_emo.errors import SourceError
from stream_emo.types import SAMPLE_RATE, Chunk, Gap, GapReason, Samples

if TYPE_CHECKING:
    import soxr

_FULL_SCALE = 32767 / 32768
_LOUDEST = 8.0
"""Floating-point audio may exceed full scale, but not without limit: beyond, it is not audio."""


class Converter:
    """Down-mixes or picks a channel, resamples with soxr, takes out what is not a number, counts clipping.

    n frames become exactly floor(n * 16000 / rate) samples, and neither samples nor gaps depend on how
    the frames are cut into blocks.
    """

    def __init__(self, rate: int, channel: int, name: str, start: int = 0) -> None:
        """`channel`: from 0; -1 mixes all. `name`: of the source, for errors. `start`: of frame 0."""
        self._rate = rate
        self._channel = channel
        self._name = name
        self._start = start
        self._frames = 0
        self._lost: GapReason | None = None
        """Why everything between `position` and the last frame is missing; None: the resampler holds it."""
        self._resampler = _resampler(rate)
        self._arrived: float | None = None
        self._due = start
        """The position that arrived at `_arrived`, if any."""
        self.position = start
        """How far what was given away reaches."""
        self.clipped = 0

    @property
    def end(self) -> int:
        """How far the frames that came in reach."""
        return self._start + on_clock(self._frames, self._rate)

    def take(self, item: Block | Hole) -> Iterator[Chunk | Gap]:
        """What follows from the next item of a live queue. Raises `SourceError`: no such channel."""
        if isinstance(item, Hole):
            yield from self._lose(item.last - item.first, item.reason)
        else:
            self._arrived = item.arrived
            self._due = self._start + on_clock(self._frames + len(item.frames), self._rate)
            yield from self.feed(item.frames)

    def feed(self, frames: Frames) -> Iterator[Chunk | Gap]:
        """What follows from the next frames. Raises `SourceError`: no such channel."""
        used = self._used(frames)
        loud = np.abs(used)
        if loud.max(initial=0.0) < _FULL_SCALE:  # Nearly always; never with a NaN.
            yield from self._hear(used)
            return
        self.clipped += int(np.count_nonzero(loud >= _FULL_SCALE))
        valid = loud.max(1) <= _LOUDEST
        for first, last in _runs(valid):
            if valid[first]:
                yield from self._hear(used[first:last])
            else:
                yield from self._lose(last - first, "invalid")

    def flush(self) -> Iterator[Chunk | Gap]:
        """Everything up to the last frame."""
        yield from self._end_loss()
        if self._resampler is not None:
            tail = self._resampler.resample_chunk(np.zeros(0, np.float32), last=True)
            self._resampler = _resampler(self._rate)
            exact: Samples = np.zeros(max(0, self.end - self.position), np.float32)
            exact[: len(tail)] = tail[: len(exact)]
            yield from self._emit(exact)

    def _hear(self, used: Frames) -> Iterator[Chunk | Gap]:
        yield from self._end_loss()
        self._frames += len(used)
        mono = _mixed(used)
        yield from self._emit(mono if self._resampler is None else self._resampler.resample_chunk(mono))

    def _lose(self, count: int, reason: GapReason) -> Iterator[Chunk | Gap]:
        if self._lost != reason:
            yield from self.flush()
            self._lost = reason
        self._frames += count

    def _end_loss(self) -> Iterator[Gap]:
        if self._lost is not None:
            gap, self._lost = Gap(self.position, self.end, self._lost), None
            self.position = gap.end
            if gap.length:
                yield gap

    def _emit(self, samples: Samples) -> Iterator[Chunk]:
        if len(samples):
            start = self.position
            self.position += len(samples)
            arrived = self._arrived
            if arrived is not None:
                # The resampler is a little behind: its newest sample arrived before the block's last.
                arrived -= (self._due - self.position) / SAMPLE_RATE
            yield Chunk(start, samples, arrived)

    def _used(self, frames: Frames) -> Frames:
        channels = frames.shape[1]
        if self._channel >= channels:
            raise SourceError(
                f"{self._name}: audio.channel = {self._channel}, but there are {channels} channels, "
                f"counted from 0; -1 mixes them"
            )
        return frames if self._channel < 0 else frames[:, self._channel : self._channel + 1]


def _mixed(frames: Frames) -> Samples:
    return np.ascontiguousarray(frames[:, 0]) if frames.shape[1] == 1 else frames.mean(1)


def _resampler(rate: int) -> soxr.ResampleStream | None:
    if rate == SAMPLE_RATE:
        return None
    import soxr

    return soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32", quality="HQ")


def _runs(valid: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """First and one past the last index of each run of equal values."""
    if len(valid):
        edges = np.flatnonzero(np.diff(valid)) + 1
        yield from zip([0, *edges.tolist()], [*edges.tolist(), len(valid)], strict=True)
