"""The bytes of a file as native libraries see them: part of a file, and safe against their wishes."""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path

_FLAC = b"fLaC\x00\x00\x00\x22"
"""A native FLAC stream begins with its mark and a STREAMINFO block of 34 bytes (RFC 9639, 8)."""
_BLOCK = 1 << 20
_MAX_CHUNKS = 1000
"""Chunks of a WAV before its audio; more are damage."""
UNFINISHED = 0x7FFF0000
"""A header that promises at least so many bytes was written before the length was known."""


class Section(io.RawIOBase):
    """Bytes [start, end) of an open file. Seeking outside, as a broken header may ask for, has no effect."""

    def __init__(self, file: io.FileIO, start: int, end: int, path: Path) -> None:
        """Take the section of `file`, which remains open when this is closed."""
        super().__init__()
        self._file, self._start, self._size = file, start, max(0, end - start)
        self._at = 0
        suffix = path.suffix.lower()
        # FFmpeg recognises some formats (say .gsm) by the name alone; it gets nothing else of it.
        self.name = f"audio{suffix}" if suffix.isascii() and suffix[1:].isalnum() else "audio"
        self.failure: OSError | None = None
        """The first failure to read, which native code cannot pass on."""

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: object) -> int:
        """Read into a writable buffer; return the number of bytes, 0 at the end or after a failure."""
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        size = min(len(view), self._size - self._at)
        if size <= 0 or self.failure is not None:
            return 0
        try:
            self._file.seek(self._start + self._at)
            count = self._file.readinto(view[:size]) or 0
        except OSError as error:
            self.failure = error
            return 0
        self._at += count
        return count

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move, if that remains within the section; return the position."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        if 0 <= base + offset <= self._size:
            self._at = base + offset
        return self._at

    def tell(self) -> int:
        """Return the position."""
        return self._at


def flac_links(file: io.FileIO, size: int) -> list[int]:
    """Return where each of the FLAC streams begins that were written one behind the other into `file`."""
    starts, base, tail = [0], 0, b""
    file.seek(0)
    while base < size:
        block = file.read(_BLOCK)
        if not block:
            break
        data = tail + block
        at = data.find(_FLAC)
        while at >= 0:
            if base - len(tail) + at > 0:
                starts.append(base - len(tail) + at)
            at = data.find(_FLAC, at + 1)
        base += len(block)
        tail = data[-(len(_FLAC) - 1) :]
    return starts


def wav_share(file: io.FileIO, size: int) -> float:
    """Return which share of the audio that its header promises is in a WAV file; 1: all, or not known."""
    at = 12
    for _ in range(_MAX_CHUNKS):
        if at + 8 > size:
            break
        file.seek(at)
        mark, length = struct.unpack("<4sI", file.read(8))
        if mark == b"data":
            known = 0 < length < UNFINISHED
            return min(1.0, (size - at - 8) / length) if known else 1.0
        at += 8 + length + length % 2
    return 1.0
