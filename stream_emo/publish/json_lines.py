"""Events as JSON lines: one object per line, written at once."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from pathlib import Path
from typing import BinaryIO, Self

from stream_emo.errors import ConfigError
from stream_emo.events import Event


class JsonLines:
    """Writes each event as a line of UTF-8 to a binary stream."""

    def __init__(self, stream: BinaryIO, name: str = "JSON lines") -> None:
        """Write to `stream`, which stays open, as it belongs to the caller; messages call it `name`."""
        self.name = name
        self._stream = stream
        self._owned = self._failed = False

    @classmethod
    def to_file(cls, path: Path) -> Self:
        """Create or overwrite the file at once; `close` closes it.

        Raises:
            ConfigError: the file cannot be written.
        """
        try:
            lines = cls(path.open("wb"), str(path))
        except OSError as error:
            raise ConfigError(f"{path}: cannot be written: {error.strerror or error}") from error
        lines._owned = True
        return lines

    def write(self, event: Event) -> None:
        """Write `event` and flush. Raises `OSError` if the pipe is closed or the disk is full."""
        try:
            self._stream.write(event.to_json().encode() + b"\n")
            self._stream.flush()
        except OSError:
            self._failed = True
            raise

    def close(self) -> None:
        """Flush, and close a file that was opened here."""
        # What could not be written is tried once more by both; its failure is known already.
        with suppress(OSError) if self._failed else nullcontext():
            if self._owned:
                self._stream.close()
            else:
                self._stream.flush()
