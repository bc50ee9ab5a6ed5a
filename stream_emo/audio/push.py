"""A live source that your own code fills: audio from a socket, a call, a WebRTC track."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from numpy.typing import NDArray

from stream_emo.audio.arrays import as_frames
from stream_emo.audio.base import Frames
from stream_emo.audio.frame_queue import Clock
from stream_emo.audio.pcm import Encoding, PcmFormat
from stream_emo.audio.pcm_check import PcmCheck
from stream_emo.audio.queued import FrameStream, QueuedSource
from stream_emo.config import AudioConfig
from stream_emo.errors import SourceError
from stream_emo.runtime.bounded_queue import Closed
from stream_emo.types import Notice, SourceItem


class PushSource(QueuedSource):
    """Audio that a producer in this process pushes, in real time, from one thread; `push` never waits.

        source = PushSource(rate=8000, encoding="mulaw")
        with Monitor(config, source) as monitor:
            monitor.subscribe(print)
            for packet in call:
                source.push(packet)
            source.end()
            monitor.wait()

    What does not fit into `audio.buffer_s` is dropped and counted, and becomes a gap with the reason
    "overflow"; what is pushed during a pause becomes a gap with the reason "paused". When nothing is pushed
    for 0.5 s, the open utterance ends, and the time becomes gaps with the reason "stalled". For audio that
    can wait, give the monitor the array or the iterable itself.
    """

    def __init__(
        self,
        rate: int,
        *,
        channels: int = 1,
        encoding: Encoding = "s16le",
        name: str = "push",
        clock: Clock = time.monotonic,
    ) -> None:
        """Prepare a source; what is pushed before the monitor opens it waits in the queue, too.

        Args:
            rate: frames per second, 8,000 to 192,000.
            channels: number of interleaved channels, 1 to 64.
            encoding: format of bytes; the format of an array follows from its dtype.
            name: what the source is called in messages.
            clock: tells when frames arrive; seconds, as `time.monotonic`.

        Raises:
            ConfigError: one of these is out of range.
        """
        super().__init__(AudioConfig())
        self._format = PcmFormat(rate, channels, encoding)
        self._name = name
        self._clock = clock
        self._check = PcmCheck(self._format)
        self._rest = b""
        """Bytes of an incomplete frame."""
        self._frames_stream = FrameStream(name, rate, self._config, clock)
        self._use(self._frames_stream)
        self._opened = False

    @property
    def name(self) -> str:
        """Name of the source in messages."""
        return self._name

    def configure(self, config: AudioConfig) -> None:
        """Take the channel and the size of the buffer from the session's configuration; before `open`."""
        self._frames_stream.configure(config)

    def open(self) -> None:
        """Do nothing, as audio can be pushed at any time. Raises `SourceError` the second time."""
        if self._opened:
            raise SourceError(
                f"{self._name}: this PushSource already belongs to a monitor; make one for each, "
                f"and push to both"
            )
        self._opened = True

    def push(self, data: bytes | bytearray | memoryview | NDArray[Any]) -> bool:
        """Deliver the audio that came next; never wait.

        Args:
            data: bytes in `encoding`, cut anywhere; or an array [n] or [n, channels], float in [-1, 1] or
                uint8, int16 or int32. It is copied.

        Returns:
            Whether all of it was accepted; False: the queue was full, or the source is paused or has ended.

        Raises:
            SourceError: the array has another dtype, shape or number of channels.
        """
        frames = self._decode(data)
        queue, most = self._frames_stream.queue, self._format.rate // 2
        accepted, now = True, self._clock()
        try:
            # In parts of at most 0.5 s: of much at once, as much as fits is kept.
            for first in range(0, len(frames), most):
                part = frames[first : first + most]
                if self._resumed.is_set():
                    later = len(frames) - first - len(part)
                    accepted &= queue.push(part, now - later / self._format.rate)
                else:
                    queue.skip(len(part), "paused")
                    accepted = False
        except Closed:
            return False
        return accepted

    def missing(self, count: int) -> None:
        """Say that the next `count` frames were lost on their way; they become a gap, "missing"."""
        with suppress(Closed):
            self._frames_stream.queue.skip(count, "missing")

    def poll(self) -> Sequence[SourceItem] | None:
        """Return what has arrived, without waiting; None: the audio has ended, and all was returned.

        Raises:
            SourceError: the configured channel is not there.
        """
        return self._frames_stream.poll()

    def end(self) -> None:
        """End the audio after what has been pushed; an incomplete frame is left out."""
        self._end()

    def _decode(self, data: bytes | bytearray | memoryview | NDArray[Any]) -> Frames:
        if isinstance(data, bytes | bytearray | memoryview):
            waiting = self._rest + bytes(data)
            whole = len(waiting) // self._format.width * self._format.width
            self._rest = waiting[whole:]
            wrong = self._check.feed(waiting[:whole])
            if wrong is not None:
                with suppress(Closed):
                    self._frames_stream.queue.notice(Notice(f"{self._name}: {wrong}"))
            return self._format.decode(waiting[:whole])
        frames = as_frames(data, self._name)
        if frames.shape[1] != self._format.channels:
            raise SourceError(
                f"{self._name}: an array with {frames.shape[1]} channels was pushed; "
                f"channels = {self._format.channels} was given"
            )
        return frames
