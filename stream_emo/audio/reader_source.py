"""Sources that wrap a reader: as fast as the pipeline takes audio, or paced like a microphone."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import numpy as np

from stream_emo.audio.base import Lost, Reader, SourceCounts
from stream_emo.audio.queued import FrameStream, QueuedSource
from stream_emo.audio.resample import Resampler
from stream_emo.config import AudioConfig
from stream_emo.errors import SourceError
from stream_emo.runtime.bounded_queue import Closed
from stream_emo.types import Notice, SourceItem

_AHEAD = 16  # Blocks that a paced reader decodes at a time.
_BLOCK_S = 0.032  # What a paced reader delivers at a time, like a sound card.


class ReaderSource:
    """Reads as fast as the pipeline takes the audio; it waits, and loses nothing."""

    live = False

    def __init__(self, reader: Reader, config: AudioConfig) -> None:
        self._reader = reader
        self._channel = config.channel
        self._stopped = False
        self._resumed = threading.Event()
        """Cleared while paused."""
        self._resumed.set()
        self._resampler: Resampler | None = None

    @property
    def name(self) -> str:
        """Name of the reader in messages."""
        return self._reader.name

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stopped

    def open(self) -> None:
        """Open the reader. Raises `SourceError`."""
        self._reader.open()

    def __iter__(self) -> Iterator[SourceItem]:
        """Yield the audio until its end or `stop`. Raises `SourceError`, after all that could be read."""
        rate = self._reader.rate
        resampler = self._resampler = Resampler(rate, self._channel, self.name)
        try:
            while self._resumed.wait() and not self._stopped:
                item = self._reader.read(rate // 2)
                if isinstance(item, np.ndarray) and len(item) == 0:
                    break
                yield from resampler.feed_read(item)
        except SourceError:
            yield from resampler.flush()
            raise
        yield from resampler.flush()
        if not self._stopped:
            _check_any(self.name, resampler.position)

    def coalesce(self, samples: int) -> None:
        """Do nothing: audio comes as fast as it is taken."""

    def pause(self) -> None:
        """Read nothing until `resume`; does nothing after `stop`."""
        self._resumed.clear()
        if self._stopped:
            self._resumed.set()  # Nobody would resume it.

    def resume(self) -> None:
        """Go on after `pause`."""
        self._resumed.set()

    def stop(self) -> None:
        """Let the iteration end after what has been read."""
        self._stopped = True
        self._reader.stop()
        self._resumed.set()

    def close(self) -> None:
        """Close the reader."""
        self._reader.close()

    def counts(self) -> SourceCounts:
        """Return the counters now, in samples at 16 kHz; nothing is ever dropped."""
        resampler = self._resampler
        if resampler is None:
            return SourceCounts()
        taken = resampler.end
        return SourceCounts(offered=taken, taken=taken, clipped=resampler.clipped)


class PacedSource(QueuedSource):
    """Reads at the pace of a microphone: what is not taken in time is lost; a pause loses nothing."""

    def __init__(self, reader: Reader, config: AudioConfig) -> None:
        super().__init__(config)
        self._reader = reader
        self._failure: Exception | None = None

    @property
    def name(self) -> str:
        """Name of the reader in messages."""
        return self._reader.name

    def open(self) -> None:
        """Open the reader. Raises `SourceError`."""
        self._reader.open()
        self._use(FrameStream(self.name, self._reader.rate, self._config, realtime=False))

    def __iter__(self) -> Iterator[SourceItem]:
        """Yield the audio until its end or `stop`. Raises `SourceError`, after all that could be read."""
        stream = self._stream
        assert stream is not None, "open first"
        pacer = threading.Thread(target=self._pace, args=(stream,), name="stream_emo-pace", daemon=True)
        pacer.start()
        try:
            yield from stream.items()
        finally:
            self.stop()
            pacer.join()
        if self._failure is not None:
            raise self._failure
        if not self._stopped:
            _check_any(self.name, stream.position)

    def stop(self) -> None:
        """Let the iteration end after what has arrived."""
        super().stop()
        self._reader.stop()

    def close(self) -> None:
        """Stop, and close the reader."""
        super().close()
        self._reader.close()

    def _pace(self, stream: FrameStream) -> None:
        rate = stream.rate
        block = round(rate * _BLOCK_S)
        begun, frames_read = time.monotonic(), 0
        try:
            while not self._ended.is_set():
                item = self._reader.read(_AHEAD * block)
                if isinstance(item, Notice):
                    stream.queue.notice(item)
                    continue
                length = item.count if isinstance(item, Lost) else len(item)
                if length == 0:
                    break
                for first in range(0, length, block):
                    size = min(block, length - first)
                    frames_read += size
                    # A block is due at the time of its last sample.
                    begun += self._wait(begun + frames_read / rate)
                    if self._ended.is_set():
                        return
                    if isinstance(item, Lost):
                        stream.queue.skip(size, item.reason)
                    else:
                        stream.queue.push(item[first : first + size])
        except Closed:
            pass  # Stopped meanwhile.
        except Exception as error:
            self._failure = error  # Raised by the iteration.
        finally:
            self._end()

    def _wait(self, due: float) -> float:
        """Wait until `due` and until nobody has paused the source; return for how long it was paused, s."""
        self._ended.wait(due - time.monotonic())
        if self._resumed.is_set():
            return 0.0
        paused = time.monotonic()
        self._resumed.wait()
        return time.monotonic() - paused


def _check_any(name: str, position: int) -> None:
    if position == 0:
        raise SourceError(f"{name}: no audio in it")
