"""Sound files of any format: FFmpeg reads what it knows, libsndfile the rest."""

from __future__ import annotations

import io
import os
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from stream_emo.audio.base import ReadItem
from stream_emo.audio.ffmpeg import FfmpegDecoder
from stream_emo.audio.sndfile import SndfileDecoder
from stream_emo.config import AudioConfig
from stream_emo.errors import SourceError

_MP4 = b"ftyp"
"""Byte 4 of MP4 and its relatives, whose index may come last."""
_STREAMED = 0x7FFF0000
"""Sizes in a WAV's header from this on are no promise..."""
_SLACK = 1000
"""...and so many bytes less than the size are none that matter."""


class FileReader:
    """Decodes a file block by block; a file of any length takes the same memory."""

    def __init__(self, path: str | os.PathLike[str], config: AudioConfig | None = None) -> None:
        """Prepare to read `path`; `config` says which track and which channel."""
        self._path = Path(os.path.expanduser(path))
        self._config = config or AudioConfig()
        self._decoder: FfmpegDecoder | SndfileDecoder | None = None
        self._cut_off = False
        self._done = 0
        """Frames read."""
        self._undo = ExitStack()

    @property
    def name(self) -> str:
        """Path of the file; what is not UTF-8 in it is replaced."""
        return shown(self._path)

    @property
    def rate(self) -> int:
        """Frames per second."""
        assert self._decoder is not None, "open first"
        return self._decoder.rate

    @property
    def duration_s(self) -> float | None:
        """Length as the header says it, s; None where it does not."""
        assert self._decoder is not None, "open first"
        return self._decoder.duration_s

    def open(self) -> None:
        """Open the file and decode its first frame.

        Raises:
            SourceError: it is missing, a folder, a pipe, empty, unreadable, or not audio; it has no such
                track or channel.
        """
        with ExitStack() as undo:
            file = undo.enter_context(self._opened())
            try:
                self._decoder = FfmpegDecoder(self.name, file, self._config.track)
            except SourceError as error:
                file.seek(0)
                self._decoder = self._other_decoder(file, error)
            undo.callback(self._decoder.close)
            if self._config.channel >= self._decoder.channels > 0:
                raise SourceError(
                    f"{self.name}: audio.channel = {self._config.channel}, but there are "
                    f"{self._decoder.channels} channels, counted from 0; -1 mixes them"
                )
            self._cut_off = _riff_cut_off(file)
            self._undo = undo.pop_all()

    def read(self, count: int) -> ReadItem:
        """Return the next frames, float32 [up to `count`, channels], what is lost, or a notice.

        Raises:
            SourceError: the file breaks off here.
        """
        assert self._decoder is not None, "open first"
        item = self._decoder.read(count)
        if isinstance(item, np.ndarray):
            self._done += len(item)
            if len(item) == 0 and self._cut_off:
                after = f"{self._done / self.rate:.1f} s"
                raise SourceError(f"{self.name}: breaks off after {after}, its header promises more")
        return item

    def stop(self) -> None:
        """Do nothing: reading a file does not wait."""

    def close(self) -> None:
        """Close the file; may be repeated."""
        self._undo.close()

    def _opened(self) -> _File:
        path = self._path
        try:
            if path.is_dir():
                raise SourceError(f"{self.name}: is a folder; name a sound file")
            file = _File(path)
        except OSError as error:
            raise SourceError(f"{self.name}: {error.strerror or error}") from error
        except ValueError as error:  # A null character in the path.
            raise SourceError(f"{self.name!r}: is not a path ({error})") from error
        if not file.seekable():
            file.close()
            raise SourceError(f"{self.name}: is a pipe; feed it to standard input instead")
        return file

    def _other_decoder(self, file: _File, failure: SourceError) -> SndfileDecoder:
        """Return libsndfile's decoder for what FFmpeg does not know; else raise why it cannot be read."""
        try:
            head = file.read(8)
            file.seek(0)
        except OSError as error:
            raise SourceError(f"{self.name}: {error.strerror or error}") from error
        if not head:
            raise SourceError(f"{self.name}: is empty")
        if self._config.track > 0:
            raise failure
        try:
            return SndfileDecoder(self.name, file)
        except SourceError:
            if head[4:] == _MP4:
                raise SourceError(f"{failure}; if it was cut off, its index is missing") from failure
            raise failure from None


class _File(io.FileIO):
    """A file in which a seek beyond its end, as a broken header may ask for, has no effect."""

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        try:
            return super().seek(offset, whence)
        except OSError:
            return self.tell()


def _riff_cut_off(file: _File) -> bool:
    """Return whether a WAV is shorter than its header says, which FFmpeg does not tell."""
    position = file.tell()
    file.seek(0)
    head = file.read(8)
    length = file.seek(0, os.SEEK_END)
    file.seek(position)
    size = int.from_bytes(head[4:], "little")
    # The header of a stream that was never finished promises the most that fits into its field.
    return head[:4] == b"RIFF" and length + _SLACK < size < _STREAMED


def shown(path: str | os.PathLike[str]) -> str:
    """Return a path as text for messages and events: bytes that are not UTF-8 are replaced."""
    return os.fsencode(path).decode("utf-8", "replace")
