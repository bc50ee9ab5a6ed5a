"""Where audio comes from: a microphone, a file and a pipe behind one interface.

reader (file, pipe)  ──────────────▶ convert ──▶ chunks, gaps     waits, loses nothing
reader, paced        ─▶ live queue ─▶ convert ──▶ chunks, gaps     never waits, drops and says so
microphone callback  ─▶ live queue ─▶ convert ──▶ ... and device changes
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stream_emo.audio.frame_queue import Frames, LiveQueue
from stream_emo.audio.pcm import PcmFormat, PcmReader
from stream_emo.audio.resample import Converter
from stream_emo.config import AudioConfig
from stream_emo.errors import SourceError
from stream_emo.types import SAMPLE_RATE, SourceItem

_AHEAD = 16  # Blocks that a paced reader decodes at a time.
_BLOCK_S = 0.032  # What a paced reader delivers at a time, like a sound card.


@dataclass(frozen=True, slots=True)
class SourceCounts:
    """Samples at 16 kHz, exact: offered = taken + dropped + queued."""

    offered: int = 0
    taken: int = 0
    dropped: int = 0
    queued: int = 0
    status_flags: int = 0
    """Overflows that the audio driver reported."""
    clipped: int = 0
    """Samples at or beyond full scale, before conversion."""


class Source(Protocol):
    """Audio on the 16 kHz clock. Used once: `open`, iterate to the end, `close`."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def live(self) -> bool:
        """Whether time goes on by itself: a live source never waits for the pipeline."""

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""

    def open(self) -> None:
        """Raises `SourceError` when there is nothing to read."""

    def __iter__(self) -> Iterator[SourceItem]:
        """Until the end or `stop`. Raises `SourceError` when it ends badly, after all that could be read."""

    def coalesce(self, samples: int) -> None:
        """A hint: nobody is in a hurry, so many may come together before they are given on; 0: at once."""

    def pause(self) -> None:
        """Take no audio until `resume`: a device is released, and its time is a gap; what can wait, waits."""

    def resume(self) -> None: ...

    def stop(self) -> None:
        """Let the iteration end soon. From any thread or signal handler."""

    def close(self) -> None:
        """Release what `open` took."""

    def counts(self) -> SourceCounts: ...


class Reader(Protocol):
    """Audio that waits until it is read, in its own rate and channels."""

    @property
    def name(self) -> str: ...

    @property
    def rate(self) -> int:
        """Hz; known once open."""

    def open(self) -> None: ...

    def read(self, count: int) -> NDArray[np.float32]:
        """The next frames, float32 [up to `count`, channels]; none: the end. Raises `SourceError`."""

    def stop(self) -> None:
        """Let a waiting `read` return."""

    def close(self) -> None: ...


def open_source(
    spec: str | os.PathLike[str] | Source,
    config: AudioConfig,
    *,
    pcm: PcmFormat | None = None,
    realtime: bool = False,
) -> Source:
    """The source that `spec` names, not opened yet: "mic", "-" (PCM on standard input), or a path.

    `realtime`: pace a file or pipe like a microphone.
    """
    if not isinstance(spec, str | os.PathLike):
        return spec
    if spec == "mic":
        from stream_emo.audio.microphone import Microphone

        return Microphone(config)
    reader: Reader
    if spec == "-":
        reader = PcmReader(pcm or PcmFormat())
    else:
        from stream_emo.audio.file import FileReader

        reader = FileReader(spec)
    return PacedSource(reader, config) if realtime else ReaderSource(reader, config)


class ReaderSource:
    """A reader, as fast as the pipeline takes it."""

    live = False

    def __init__(self, reader: Reader, config: AudioConfig) -> None:
        self._reader = reader
        self._channel = config.channel
        self._stopped = False
        self._flowing = threading.Event()
        self._flowing.set()
        self._converter: Converter | None = None

    @property
    def name(self) -> str:
        return self._reader.name

    @property
    def stopped(self) -> bool:
        return self._stopped

    def open(self) -> None:
        self._reader.open()

    def __iter__(self) -> Iterator[SourceItem]:
        rate = self._reader.rate
        converter = self._converter = Converter(rate, self._channel, self.name)
        try:
            while self._flowing.wait() and not self._stopped:
                frames = self._reader.read(rate // 2)
                if len(frames) == 0:
                    break
                yield from converter.feed(frames)
        except SourceError:
            yield from converter.flush()
            raise
        yield from converter.flush()
        _check_any(self, converter)

    def coalesce(self, samples: int) -> None:
        pass  # As fast as it is taken.

    def pause(self) -> None:
        self._flowing.clear()

    def resume(self) -> None:
        self._flowing.set()

    def stop(self) -> None:
        self._stopped = True
        self._reader.stop()
        self._flowing.set()

    def close(self) -> None:
        self._reader.close()

    def counts(self) -> SourceCounts:
        converter = self._converter
        if converter is None:
            return SourceCounts()
        taken = converter.end
        return SourceCounts(offered=taken, taken=taken, clipped=converter.clipped)


class PacedSource:
    """A reader at the pace of a microphone, through the same queue: what is not taken in time is lost."""

    live = True

    def __init__(self, reader: Reader, config: AudioConfig) -> None:
        self._reader = reader
        self._config = config
        self._ended = threading.Event()
        self._flowing = threading.Event()
        self._flowing.set()
        self._stopped = False
        self._failure: Exception | None = None
        self._queue: LiveQueue | None = None
        self._converter: Converter | None = None

    @property
    def name(self) -> str:
        return self._reader.name

    @property
    def stopped(self) -> bool:
        return self._stopped

    def open(self) -> None:
        self._reader.open()
        self._queue = LiveQueue(self._reader.rate, round(self._config.buffer_s * SAMPLE_RATE))

    def __iter__(self) -> Iterator[SourceItem]:
        queue = self._queue
        assert queue is not None, "open first"
        converter = self._converter = Converter(self._reader.rate, self._config.channel, self.name)
        pacer = threading.Thread(target=self._pace, args=(queue,), name="stream_emo-pace", daemon=True)
        pacer.start()
        try:
            for item in queue:
                yield from converter.take(item)
            yield from converter.flush()
        finally:
            self.stop()
            pacer.join()
        if self._failure is not None:
            raise self._failure
        _check_any(self, converter)

    def coalesce(self, samples: int) -> None:
        if self._queue is not None:
            self._queue.set_min_batch(samples)

    def pause(self) -> None:
        self._flowing.clear()

    def resume(self) -> None:
        self._flowing.set()

    def stop(self) -> None:
        self._stopped = self._stopped or not self._ended.is_set()
        self._ended.set()
        self._reader.stop()
        self._flowing.set()

    def close(self) -> None:
        self._reader.close()

    def counts(self) -> SourceCounts:
        queue, converter = self._queue, self._converter
        if queue is None or converter is None:
            return SourceCounts()
        counts = queue.counts
        return SourceCounts(
            counts.offered, counts.taken, counts.dropped, counts.queued, clipped=converter.clipped
        )

    def _pace(self, queue: LiveQueue) -> None:
        rate = self._reader.rate
        block = round(rate * _BLOCK_S)
        begun, frames_read = time.monotonic(), 0
        try:
            while not self._ended.is_set():
                ahead: Frames = self._reader.read(_AHEAD * block)
                if len(ahead) == 0:
                    break
                for first in range(0, len(ahead), block):
                    frames = ahead[first : first + block]
                    frames_read += len(frames)
                    # A block has arrived when its last sample has been spoken.
                    self._ended.wait(begun + frames_read / rate - time.monotonic())
                    if not self._flowing.is_set():
                        paused = time.monotonic()
                        self._flowing.wait()
                        begun += time.monotonic() - paused
                    if self._ended.is_set():
                        break
                    queue.offer(frames)
        except Exception as error:
            self._failure = error  # For the one who iterates.
        finally:
            self._ended.set()
            queue.close()


def _check_any(source: Source, converter: Converter) -> None:
    if converter.position == 0 and not source.stopped:
        raise SourceError(f"{source.name}: no audio in it")
