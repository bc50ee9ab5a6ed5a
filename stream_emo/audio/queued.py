"""Sources whose audio arrives on a clock of its own, behind a bounded queue.

producer (device callback, pacing thread, your code) =[frame queue]=> resampler -> chunks, gaps

The producer never waits: what does not fit into the queue is dropped, counted, and becomes a `Gap`.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import astuple

from stream_emo.audio.base import SourceCounts
from stream_emo.audio.frame_queue import Clock, FrameItem, FrameQueue, joined
from stream_emo.audio.resample import Resampler
from stream_emo.audio.stalls import StallClock
from stream_emo.config import AudioConfig
from stream_emo.runtime.bounded_queue import Closed
from stream_emo.types import SAMPLE_RATE, Chunk, Gap, Notice, SourceItem


class FrameStream:
    """Frames of one rate: the queue that a producer fills, and the resampler that empties it."""

    def __init__(
        self,
        name: str,
        rate: int,
        config: AudioConfig,
        clock: Clock = time.monotonic,
        *,
        realtime: bool = True,
    ) -> None:
        """Build a stream of frames at `rate` Hz.

        `name`: for errors. `clock`: seconds. `realtime`: whether the producer follows the wall clock, so that
        it has stalled when nothing comes.
        """
        self.name = name
        self.rate = rate
        self.queue = FrameQueue(rate, 0, clock)
        self._clock = clock
        self.set_realtime(realtime)
        self._polled = False
        """Whether `poll` has returned everything."""
        self.configure(config)

    def configure(self, config: AudioConfig) -> None:
        """Take the channel and the size of the buffer from `config`; before `items`."""
        self._channel = config.channel
        self._resampler = Resampler(self.rate, self._channel, self.name)
        self.queue.capacity = round(config.buffer_s * SAMPLE_RATE)

    @property
    def position(self) -> int:
        """End of the samples and gaps that `items` has yielded."""
        return self._resampler.position

    def items(self, start: int = 0) -> Iterator[Chunk | Gap | Notice]:
        """Yield the audio until the queue is closed; the first frame is at position `start`.

        Raises:
            SourceError: the configured channel is not there.
        """
        self._resampler = Resampler(self.rate, self._channel, self.name, start)
        for item in self.frame_items():
            yield from self._resampler.feed_item(item)
        yield from self._resampler.flush()

    def poll(self) -> list[Chunk | Gap | Notice] | None:
        """Return what has arrived, and gaps for what the producer owes, without waiting.

        None: the queue was closed, and all was returned before.

        Raises:
            SourceError: the configured channel is not there.
        """
        if self._polled:
            return None
        items: list[FrameItem] = []
        try:
            while came := self.next_items(self._clock()):
                items += came
        except Closed:
            self._polled = True
        found = [part for item in joined(items) for part in self._resampler.feed_item(item)]
        return [*found, *self._resampler.flush()] if self._polled else found

    def frame_items(self) -> Iterator[FrameItem]:
        """Yield what the producer delivers and gaps for what it owes, until the queue is closed."""
        while True:
            try:
                items = self.next_items()
            except Closed:
                return
            yield from items

    def next_items(self, deadline: float | None = None) -> list[FrameItem]:
        """Return what comes until `deadline`, seconds of the clock; nothing: it may have passed.

        Raises:
            Closed: the queue is closed and empty.
        """
        moments = [deadline, None if self._stalls is None else self._stalls.due]
        until = min((moment for moment in moments if moment is not None), default=None)
        try:
            item = self.queue.get(None if until is None else max(0.0, until - self._clock()))
        except TimeoutError:
            gap = None if self._stalls is None else self._stalls.check()
            return [] if gap is None else [gap]
        return [item] if self._stalls is None else self._stalls.take(item)

    def set_realtime(self, realtime: bool) -> None:
        """Say whether the producer follows the wall clock; before `items`."""
        self._stalls = StallClock(self.rate, self._clock) if realtime else None

    def set_paused(self, paused: bool) -> None:
        """Say whether audio is wanted: nothing counts as stalled in a pause."""
        if self._stalls is not None:
            self._stalls.set_paused(paused)
            if not paused:
                self.queue.mark_resumed()

    def end(self) -> None:
        """Accept no more frames; what has arrived is still yielded."""
        self.queue.close()

    def close(self) -> None:
        """Release what the stream holds; what has not been yielded is dropped."""
        self.queue.cancel()

    def counts(self) -> SourceCounts:
        """Return the counters now."""
        counts = self.queue.counts
        return SourceCounts(
            counts.offered, counts.taken, counts.dropped, counts.queued, clipped=self._resampler.clipped
        )


class QueuedSource(ABC):
    """Base of the live sources.

    A source has one `FrameStream` at a time (a microphone has a new one each time its device is opened);
    their counts are added up.
    """

    live = True

    def __init__(self, config: AudioConfig) -> None:
        self._config = config
        self._ended = threading.Event()
        """Set when no more audio will arrive."""
        self._stopped = False
        self._resumed = threading.Event()
        """Cleared while paused."""
        self._resumed.set()
        self._lock = threading.Lock()
        self._stream: FrameStream | None = None
        self._past = SourceCounts()
        """Counts of the streams before this one."""
        self._min_batch = 0

    @property
    @abstractmethod
    def name(self) -> str:
        """Name of the source in messages."""

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called before the audio ended by itself."""
        return self._stopped

    @abstractmethod
    def open(self) -> None:
        """Start the producer. Raises `SourceError` if it cannot deliver audio."""

    def __iter__(self) -> Iterator[SourceItem]:
        """Yield the audio until the end or `stop`."""
        assert self._stream is not None, "open first"
        yield from self._stream.items()

    def coalesce(self, samples: int) -> None:
        """Collect so many samples at 16 kHz before they are yielded, to reduce wake-ups; 0: none."""
        self._min_batch = samples
        if self._stream is not None:
            self._stream.queue.set_min_batch(samples)

    def pause(self) -> None:
        """Take no audio until `resume`; does nothing after the end."""
        self._resumed.clear()
        if self._ended.is_set():
            self._resumed.set()  # Nobody would resume it.
        elif self._stream is not None:
            self._stream.set_paused(True)

    def resume(self) -> None:
        """Continue after `pause`; does nothing if it was not paused."""
        if not self._resumed.is_set() and self._stream is not None:
            self._stream.set_paused(False)
        self._resumed.set()

    def stop(self) -> None:
        """End the iteration after what has arrived. May be called from any thread or signal handler."""
        self._stopped = self._stopped or not self._ended.is_set()
        self._end()

    def close(self) -> None:
        """Stop, and release what `open` took; what has not been yielded is dropped. May be repeated."""
        self.stop()
        if self._stream is not None:
            self._stream.close()

    def counts(self) -> SourceCounts:
        """Return the counters now, in samples at 16 kHz: offered = taken + dropped + queued."""
        with self._lock:
            return self._past if self._stream is None else _sum(self._past, self._stream.counts())

    def _use(self, stream: FrameStream) -> None:
        """Make `stream` the current one."""
        with self._lock:
            self._past = self._past if self._stream is None else _sum(self._past, self._stream.counts())
            self._stream = stream
        stream.queue.set_min_batch(self._min_batch)
        if self._ended.is_set():
            stream.end()  # `stop` may not have seen this one.

    def _end(self) -> None:
        """End the audio and all waiting, without the lock: a signal handler may interrupt its holder."""
        self._ended.set()
        self._resumed.set()
        if self._stream is not None:
            self._stream.end()


def _sum(first: SourceCounts, second: SourceCounts) -> SourceCounts:
    return SourceCounts(*map(sum, zip(astuple(first), astuple(second), strict=True)))
