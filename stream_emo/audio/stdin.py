"""Standard input: raw PCM, or a container that is recognised by its first bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO, cast

from stream_emo.audio.base import Frames, ReadItem
from stream_emo.audio.byte_stream import ByteStream
from stream_emo.audio.containers import MoreBytesError, no_audio, recognise
from stream_emo.audio.file.stream import StreamDecoder
from stream_emo.audio.pcm import PcmFormat
from stream_emo.audio.pcm_check import PcmCheck
from stream_emo.errors import SourceError
from stream_emo.types import Notice

_BLOCK = 4096
_DECODED_S = 0.032
"""What a decoder collects at a time, s."""
_MP4_HINT = ", or let it begin with its index (ffmpeg -movflags +faststart)"
_PROBING = {"analyzeduration": "500000", "probesize": "65536"}
"""FFmpeg's defaults would read 5 s before the first sample."""


class StdinReader:
    """Reads frames from standard input, or from another descriptor."""

    name = "stdin"

    def __init__(
        self, pcm: PcmFormat | None = None, descriptor: int | None = None, *, track: int = -1
    ) -> None:
        """Prepare a reader.

        Args:
            pcm: format of raw PCM; None: 16 kHz, mono, s16le, unless a container is recognised.
            descriptor: None for standard input.
            track: audio track of a container, from 0; -1: its default.
        """
        self._track = track
        self._declared = pcm is not None
        self._pcm = pcm or PcmFormat()
        self._check = PcmCheck(self._pcm)
        self._notice: Notice | None = None
        self._bytes = ByteStream(descriptor)
        self._waiting = b""
        """Bytes that were read to recognise the input, or of an incomplete frame."""
        self._identified = self._ended = False
        self._decoder: StreamDecoder | None = None
        self._read_any = False

    @property
    def rate(self) -> int:
        """Frames per second; unless they were declared, it waits for the header of a container.

        Raises:
            SourceError: a container that cannot be decoded.
        """
        self._identify()
        return self._pcm.rate if self._decoder is None else self._decoder.rate

    @property
    def live(self) -> bool | None:
        """Whether the producer delivers in real time: not a file, all of which is there; None: unknown."""
        return False if self._bytes.is_file else None

    def open(self) -> None:
        """Find the descriptor. Raises `SourceError` if standard input is closed, or a terminal."""
        self._bytes.open()

    def read(self, count: int) -> ReadItem:
        """Return the next frames, at most `count`, as soon as there is one, or a notice; no frames: the end.

        Raises:
            SourceError: an incomplete frame at the end, or a failing read.
        """
        self._identify()
        if self._decoder is not None:
            return self._decoder.read(min(count, round(self._decoder.rate * _DECODED_S)))
        if self._notice is not None:
            notice, self._notice = self._notice, None
            return notice
        self._fill(count * self._pcm.width)
        if self._declared and not self._read_any and (container := self._looks_like()) is not None:
            self._read_any = True
            return Notice(
                f"begins like {container}, and is taken for raw PCM as it was declared; leave out the "
                "rate, channels and encoding to have it decoded"
            )
        return self._frames(count)

    def stop(self) -> None:
        """End a `read` that waits."""
        self._bytes.stop()

    def close(self) -> None:
        """Release what `open` took. May be repeated."""
        self._bytes.close()

    def _identify(self) -> None:
        """Recognise what comes unless it was declared, once."""
        if self._identified or self._declared:
            return
        self._identified = True
        while not self._ended:
            try:
                container = recognise(self._waiting)
            except MoreBytesError:
                self._waiting += self._more(_BLOCK)
                continue
            if container is not None:
                self._decoder = self._decode(container)
            elif (other := no_audio(self._waiting)) is not None:
                raise SourceError(f"{self.name}: is {other}, not audio; if it is raw PCM, say so with --rate")
            return

    def _decode(self, container: str) -> StreamDecoder:
        try:
            file = cast(IO[bytes], _BytesFile(self._take_waiting))
            return StreamDecoder(self.name, file, self._track, probing=_PROBING)
        except SourceError as error:
            hint = _MP4_HINT if container == "MP4" else ""
            reason = str(error).removeprefix(f"{self.name}: ")
            raise SourceError(
                f"{self.name}: begins like {container}, but {reason}; name the file{hint}, or say with "
                "--rate that it is raw PCM"
            ) from error

    def _looks_like(self) -> str | None:
        """Return the container that the first bytes look like, if that can be told."""
        try:
            return recognise(self._waiting)
        except MoreBytesError:
            return None

    def _take_waiting(self, size: int) -> bytes:
        """Return the next bytes for a decoder; none: the end."""
        if not self._waiting:
            return self._more(size)
        taken, self._waiting = self._waiting[:size], self._waiting[size:]
        return taken

    def _more(self, size: int) -> bytes:
        data = self._bytes.read(size)
        self._ended = not data
        return data or b""

    def _fill(self, size: int) -> None:
        """Wait until there is a frame, or the end."""
        while len(self._waiting) < self._pcm.width and not self._ended:
            self._waiting += self._more(size - len(self._waiting))

    def _frames(self, count: int) -> Frames:
        """Return the frames that are there, at most `count`; none: the end."""
        width = self._pcm.width
        whole = min(len(self._waiting) // width, count) * width
        if whole == 0:
            return self._end()
        wrong = self._check.feed(self._waiting[:whole])
        if wrong is not None:
            self._notice = Notice(wrong)
        frames = self._pcm.decode(self._waiting[:whole])
        self._waiting = self._waiting[whole:]
        self._read_any = True
        return frames

    def _end(self) -> Frames:
        left, self._waiting = len(self._waiting), b""
        if self._bytes.stopped:
            return self._pcm.decode(b"")
        if left:
            raise SourceError(
                f"stdin: ended within a frame, {left} of {self._pcm.width} bytes "
                f"({self._pcm.encoding}, channels: {self._pcm.channels}); "
                f"it was cut off, or the encoding or number of channels is wrong"
            )
        if not self._read_any:
            raise SourceError("stdin: no audio came; does the program that feeds it run?")
        return self._pcm.decode(b"")


class _BytesFile:
    """A file that can only be read on, for FFmpeg."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self.read = read
