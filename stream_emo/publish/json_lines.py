"""Events as JSON lines: one object per line, the same over every transport."""

from __future__ import annotations

from typing import BinaryIO

from stream_emo.events import Event


class JsonLines:
    """A sink that writes each event as a line, at once."""

    def __init__(self, stream: BinaryIO, name: str = "JSON lines") -> None:
        self._stream = stream
        self.name = name

    def write(self, event: Event) -> None:
        """Write one line. Raises `OSError` when nobody reads, or the disk is full."""
        self._stream.write(event.to_json().encode() + b"\n")
        self._stream.flush()

    def close(self) -> None:
        """Flush; the stream stays open, as it belongs to the caller."""
        self._stream.flush()
