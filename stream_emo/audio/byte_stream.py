"""Bytes of standard input or another descriptor, as soon as they come."""

from __future__ import annotations

import os
import select
import stat
import sys
from contextlib import suppress

from stream_emo.errors import SourceError

_EXAMPLE = "ffmpeg -i call.mp3 -f s16le -ac 1 -ar 16000 - | stream-emo run -"


class ByteStream:
    """Reads a descriptor, by default that of standard input; a wait for bytes can be ended."""

    def __init__(self, descriptor: int | None = None) -> None:
        """Prepare a stream. `descriptor`: None for standard input."""
        self._descriptor = descriptor
        self._wake: tuple[int, int] | None = None
        self.stopped = False
        """Whether `stop` was called."""

    def open(self) -> None:
        """Find the descriptor. Raises `SourceError` if standard input is closed, or a terminal."""
        if self._descriptor is None:
            try:
                self._descriptor = sys.stdin.fileno()
            except (AttributeError, OSError, ValueError) as error:  # None, not a file, closed.
                raise SourceError("stdin: closed; pipe PCM into it, or name a file") from error
            if os.isatty(self._descriptor):
                raise SourceError(f"stdin: is a terminal; pipe PCM into it, for example: {_EXAMPLE}")
        if sys.platform == "win32":
            import msvcrt

            msvcrt.setmode(self._descriptor, os.O_BINARY)
        self._wake = os.pipe()

    @property
    def is_file(self) -> bool:
        """Whether a file is read, all of which is there."""
        assert self._descriptor is not None, "open first"
        with suppress(OSError):
            return stat.S_ISREG(os.fstat(self._descriptor).st_mode)
        return False

    def read(self, size: int) -> bytes | None:
        """Return the next bytes, at most `size`, as soon as there are any; none: the end; None: stopped.

        Raises:
            SourceError: the read fails.
        """
        assert self._descriptor is not None, "open first"
        try:
            self._wait()
            return None if self.stopped else os.read(self._descriptor, size)
        except OSError as error:
            raise SourceError(f"stdin: {error.strerror or error}") from error

    def stop(self) -> None:
        """End a read that waits, where the system can; all later reads return None. Signal-safe."""
        self.stopped = True
        if self._wake is not None:
            os.write(self._wake[1], b"x")

    def close(self) -> None:
        """Release what `open` took. May be repeated."""
        wake, self._wake = self._wake, None
        for end in wake or ():
            os.close(end)

    def _wait(self) -> None:
        """Wait for bytes, the end or `stop`; where pipes cannot be polled (Windows), the read waits."""
        if self._wake is None or not hasattr(select, "poll"):
            return
        poll = select.poll()  # Unlike `select`, it takes descriptors beyond 1,024; unlike epoll, files.
        poll.register(self._wake[0], select.POLLIN)
        poll.register(self._descriptor or 0, select.POLLIN)
        poll.poll()
