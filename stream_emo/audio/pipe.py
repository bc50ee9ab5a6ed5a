"""A pipe, read on a thread of its own: live, or as fast as the pipeline takes the audio."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol

import numpy as np

from stream_emo.audio.base import Lost, Reader, ReadItem
from stream_emo.audio.frame_queue import Clock
from stream_emo.audio.pace import BURST_S, Pace, PaceCheck
from stream_emo.audio.queued import FrameStream, QueuedSource
from stream_emo.config import AudioConfig
from stream_emo.errors import SourceError
from stream_emo.runtime.bounded_queue import Closed
from stream_emo.types import SAMPLE_RATE, Chunk, Notice, SourceItem

_FIRST_S = 3.0
"""Time in which a file's audio has begun to come, s."""
_JOIN_S = 1.0


class PipeReader(Reader, Protocol):
    """A reader of what a producer delivers."""

    @property
    def live(self) -> bool | None:
        """Whether the producer delivers in real time; known once open. None: only its pace can tell."""


class PipeSource(QueuedSource):
    """Reads a pipe on a thread.

    Live, it never makes the producer wait: what does not fit is dropped and counted, and a stall is noticed.
    Else it waits and loses nothing. Which of them is decided from the producer's pace unless it is said.
    """

    def __init__(
        self,
        reader: PipeReader,
        config: AudioConfig,
        *,
        live: bool | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        """Prepare a source; `live`: None decides from the pace. `clock`: seconds, as `time.monotonic`."""
        super().__init__(config)
        self._reader = reader
        self._clock = clock
        self._pace = Pace(clock)
        self._pace_check = PaceCheck(clock)
        self._live = live
        self._may_drop = live is True
        """Whether the producer is known not to wait."""
        self._opened_at = 0.0
        self._changed = threading.Condition()
        """Notified when the pace, the stream or the end becomes known."""
        self._finished = self._closed = False
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._read, name="stream_emo-pipe", daemon=True)

    @property
    def name(self) -> str:
        """Name of the reader in messages."""
        return self._reader.name

    @property
    def live(self) -> bool:  # type: ignore[override]
        """Whether the producer delivers in real time; waits until that is known, about 1 s."""
        with self._changed:
            while self._live is None:
                due = self._pace.due or self._opened_at + _FIRST_S
                left = due - self._clock()
                if left <= 0:
                    self._live = True  # Nothing has come, or not more than real time.
                else:
                    self._changed.wait(left)
            return self._live

    def open(self) -> None:
        """Open the reader, and begin to read. Raises `SourceError`."""
        self._reader.open()
        if self._live is None:
            self._live = self._reader.live
            self._may_drop = self._live is True
        self._opened_at = self._clock()
        self._thread.start()

    def __iter__(self) -> Iterator[SourceItem]:
        """Yield the audio until its end or `stop`. Raises `SourceError`, after all that could be read."""
        live = self.live
        with self._changed:
            self._changed.wait_for(lambda: self._stream is not None or self._finished)
        stream = self._stream
        try:
            if stream is not None:
                stream.set_realtime(live)
                for item in stream.items():
                    yield item if live or not isinstance(item, Chunk) else replace(item, arrived=None)
        finally:
            self.stop()
            self._thread.join(_JOIN_S)
        if self._stopped:
            return
        if self._failure is not None:
            raise self._failure
        if stream is None or stream.position == 0:
            raise SourceError(f"{self.name}: no audio in it")

    def coalesce(self, samples: int) -> None:
        """Collect so many samples before they are yielded, if live; else do nothing."""
        super().coalesce(samples if self.live else 0)

    def stop(self) -> None:
        """Let the iteration end after what has arrived."""
        super().stop()
        self._reader.stop()

    def close(self) -> None:
        """Stop, and close the reader; while that still waits for its producer, its thread closes it."""
        super().close()
        if self._thread.ident is not None:
            self._thread.join(_JOIN_S)
        with self._changed:
            self._closed = True
            reading = self._thread.is_alive() and not self._finished
        if not reading:
            self._reader.close()

    def _read(self) -> None:
        """Read until the end, on the thread."""
        try:
            rate = self._reader.rate
            stream = FrameStream(self.name, rate, self._config, self._clock)
            # Until the pace is known it must be possible to see that it is not that of real time.
            stream.queue.capacity = max(stream.queue.capacity, round(1.5 * BURST_S * SAMPLE_RATE))
            self._use(stream)
            self._tell()
            while not self._ended.is_set():
                item = self._reader.read(rate // 2)
                if isinstance(item, np.ndarray) and len(item) == 0:
                    break
                self._deliver(stream, item)
        except Closed:
            pass  # Stopped meanwhile.
        except Exception as error:
            self._failure = error  # Raised by the iteration.
        finally:
            with self._changed:
                self._finished = True
                self._live = bool(self._live)  # A short input that was all there.
                closed = self._closed
            if closed:
                self._reader.close()
            self._tell()
            self._end()

    def _deliver(self, stream: FrameStream, item: ReadItem) -> None:
        if isinstance(item, Notice):
            stream.queue.notice(item)
            return
        if isinstance(item, Lost):
            stream.queue.skip(item.count, item.reason)
            return
        full = stream.queue.counts.queued > stream.queue.capacity // 2
        wrong = self._pace_check.add(len(item) / stream.rate, waited=full or not self._resumed.is_set())
        if wrong is not None:
            stream.queue.notice(Notice(f"{self.name}: {wrong}"))
        if not self._may_drop:
            self._resumed.wait()
            self._observe(len(item) / stream.rate)
            stream.queue.push_waiting(item)
        elif self._resumed.is_set():
            stream.queue.push(item)
        else:
            stream.queue.skip(len(item), "paused")

    def _observe(self, seconds: float) -> None:
        """Decide from the pace whether the producer is live, once."""
        if self._live is False:
            return
        known = self._pace.add(seconds)
        if known is not None:
            with self._changed:
                self._live = known if self._live is None else self._live
                self._may_drop = known
            self._tell()

    def _tell(self) -> None:
        with self._changed:
            self._changed.notify_all()
