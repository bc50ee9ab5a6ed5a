"""Resampling of frames of any rate and channel count to mono samples on the 16 kHz clock."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stream_emo.audio.base import Frames, Lost, ReadItem
from stream_emo.audio.channels import ChannelMixer
from stream_emo.audio.frame_queue import FrameGap, FrameItem, samples_after
from stream_emo.audio.scale import ScaleGuard
from stream_emo.errors import SourceError
from stream_emo.events import GapReason
from stream_emo.types import SAMPLE_RATE, Chunk, Gap, Notice, Samples

if TYPE_CHECKING:
    import soxr

_FULL_SCALE = 32767 / 32768
MAX_AMPLITUDE = 8.0
"""Floating-point audio may exceed full scale up to this amplitude; beyond, samples are invalid."""


class Resampler:
    """Picks or mixes channels, mends their scale, resamples (soxr, quality HQ), cuts out invalid values.

    n frames become exactly floor(n * 16000 / rate) samples, and neither samples nor gaps depend on how
    the frames are cut into blocks. A wrong scale and channels that cancel each other are mended, with
    a notice.
    """

    def __init__(self, rate: int, channel: int, name: str, start: int = 0) -> None:
        """Build a resampler of frames at `rate` Hz.

        `channel`: from 0; -1 mixes all. `name`: of the source, for errors. `start`: position of frame 0.
        """
        self._rate = rate
        self._channel = channel
        self._name = name
        self._start = start
        self._frames = 0
        self._gap_reason: GapReason | None = None
        """Why everything between `position` and the last frame is missing; None: soxr holds it."""
        self._soxr = _soxr_stream(rate)
        self._scale = ScaleGuard(rate)
        self._mixer = ChannelMixer(rate)
        self._told_scale = self._told_channel = False
        """Notices that were given; each comes once."""
        self.position = start
        """End of the samples and gaps that were returned."""
        self.newest: tuple[int, float] | None = None
        """End of the newest frames of a live source, and when they arrived."""
        self.clipped = 0
        """Samples at or beyond full scale, before resampling."""

    @property
    def end(self) -> int:
        """Position of the end of the frames that came in."""
        return self._start + samples_after(self._frames + self._scale.held, self._rate)

    def feed_read(self, item: ReadItem) -> Iterator[Chunk | Gap | Notice]:
        """Yield what follows from what a reader gave. Raises `SourceError` if there is no such channel."""
        if isinstance(item, Notice):
            yield item
        elif isinstance(item, Lost):
            yield from self._lose(item.count, item.reason)
        else:
            yield from self.feed(item)

    def feed_item(self, item: FrameItem) -> Iterator[Chunk | Gap | Notice]:
        """Yield what follows from a queue item. Raises `SourceError` if there is no such channel.

        The gap of a stall comes at once, after all that was heard before, also when it is empty: it is news.
        """
        if isinstance(item, Notice):
            yield item
        elif isinstance(item, FrameGap) and item.reason == "stalled":
            yield from self.flush()
            yield from self._lose(item.last - item.first, item.reason)
            yield from self.flush()
            if item.first == item.last:
                yield Gap(self.position, self.position, item.reason)
        elif isinstance(item, FrameGap):
            yield from self._lose(item.last - item.first, item.reason)
        else:
            received = self._frames + self._scale.held + len(item.frames)
            self.newest = self._start + samples_after(received, self._rate), item.arrived
            yield from self.feed(item.frames)

    def feed(self, frames: Frames) -> Iterator[Chunk | Gap | Notice]:
        """Yield what follows from frames [n, channels]. Raises `SourceError` if there is no such channel."""
        used = self._select(frames)
        amplitude = np.abs(used)
        # Nearly always; never with a NaN.
        if not self._scale.held and self._scale.divisor == 1 and amplitude.max(initial=0.0) < _FULL_SCALE:
            yield from self._resample(used)
            return
        self.clipped += int(np.count_nonzero(amplitude >= _FULL_SCALE))
        for scaled in self._scale.feed(used):
            yield from self._check(scaled)

    def _lose(self, count: int, reason: GapReason) -> Iterator[Chunk | Gap | Notice]:
        """Skip frames that never came, after those that the scale guard still holds."""
        for scaled in self._scale.flush():
            yield from self._check(scaled)
        yield from self._skip(count, reason)

    def _check(self, used: Frames) -> Iterator[Chunk | Gap | Notice]:
        """Resample the valid frames, and skip the others."""
        if self._scale.divisor != 1 and not self._told_scale:
            self._told_scale = True
            yield Notice(
                "the samples are far beyond the range of -1 to 1; they are divided by "
                f"{self._scale.divisor:.0f}"
            )
        valid = np.abs(used).max(1) <= MAX_AMPLITUDE
        for first, last in _runs(valid):
            if valid[first]:
                yield from self._resample(used[first:last])
            else:
                yield from self._skip(last - first, "invalid")

    def flush(self) -> Iterator[Chunk | Gap | Notice]:
        """Yield everything up to the last frame."""
        for scaled in self._scale.flush():
            yield from self._check(scaled)
        yield from self._flush_soxr()

    def _flush_soxr(self) -> Iterator[Chunk | Gap]:
        yield from self._end_gap()
        if self._soxr is not None:
            rest = self._soxr.resample_chunk(np.zeros(0, np.float32), last=True)
            self._soxr = _soxr_stream(self._rate)
            end = self._start + samples_after(self._frames, self._rate)
            exact: Samples = np.zeros(max(0, end - self.position), np.float32)
            exact[: len(rest)] = rest[: len(exact)]
            yield from self._chunk(exact)

    def _resample(self, used: Frames) -> Iterator[Chunk | Gap | Notice]:
        yield from self._end_gap()
        self._frames += len(used)
        mono = self._mixer.mix(used)
        if self._mixer.alone is not None and not self._told_channel:
            self._told_channel = True
            yield Notice(
                f"the channels cancel each other (inverted phase): channel {self._mixer.alone} is heard "
                "alone; audio.channel chooses one"
            )
        yield from self._chunk(mono if self._soxr is None else self._soxr.resample_chunk(mono))

    def _skip(self, count: int, reason: GapReason) -> Iterator[Chunk | Gap]:
        if self._gap_reason != reason:
            yield from self._flush_soxr()
            self._gap_reason = reason
        self._frames += count

    def _end_gap(self) -> Iterator[Gap]:
        if self._gap_reason is not None:
            end = self._start + samples_after(self._frames, self._rate)
            gap, self._gap_reason = Gap(self.position, end, self._gap_reason), None
            self.position = gap.end
            if gap.length:
                yield gap

    def _chunk(self, samples: Samples) -> Iterator[Chunk]:
        if len(samples):
            start = self.position
            self.position += len(samples)
            arrived = None
            if self.newest is not None:
                # soxr has a delay: its newest sample arrived before the block's last.
                end, moment = self.newest
                arrived = moment - (end - self.position) / SAMPLE_RATE
            yield Chunk(start, samples, arrived)

    def _select(self, frames: Frames) -> Frames:
        channels = frames.shape[1]
        if self._channel >= channels:
            raise SourceError(
                f"{self._name}: audio.channel = {self._channel}, but there are {channels} channels, "
                f"counted from 0; -1 mixes them"
            )
        return frames if self._channel < 0 else frames[:, self._channel : self._channel + 1]


def checked(chunk: Chunk) -> Iterator[Chunk | Gap]:
    """Yield a chunk as it is, or in pieces with gaps where samples are not valid."""
    valid = np.abs(chunk.samples) <= MAX_AMPLITUDE
    if valid.all():
        yield chunk
        return
    for first, last in _runs(valid):
        start, end = chunk.start + first, chunk.start + last
        if valid[first]:
            arrived = None if chunk.arrived is None else chunk.arrived - (chunk.end - end) / SAMPLE_RATE
            yield Chunk(start, chunk.samples[first:last], arrived)
        else:
            yield Gap(start, end, "invalid")


def _soxr_stream(rate: int) -> soxr.ResampleStream | None:
    if rate == SAMPLE_RATE:
        return None
    import soxr

    return soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32", quality="HQ")


def _runs(valid: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Yield the first and one past the last index of each run of equal values."""
    if len(valid):
        edges = np.flatnonzero(np.diff(valid)) + 1
        yield from zip([0, *edges.tolist()], [*edges.tolist(), len(valid)], strict=True)
