"""WebSockets as uvicorn speaks them, read in slices.

A flood of tiny frames, or of pings, which the application never sees, must not hold the event loop for as
long as 256 kB of them last.
"""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

SLICE = 16 * 1024
"""Bytes that are read at once: some thousand frames, or 10 to 30 ms."""


class SlicedWebSocket(WebSocketsSansIOProtocol):
    """One connection."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._rest = b""
        """What has arrived and was not read yet."""

    def data_received(self, data: bytes) -> None:
        """Read what has arrived, at most a slice; others have their turn before the rest."""
        if not self._rest and len(data) <= SLICE:
            super().data_received(data)
            return
        if not self._rest:
            self.loop.call_soon(self._read_on)
        self._rest += data
        self.transport.pause_reading()

    def _read_on(self) -> None:
        if self.disconnected or self.transport.is_closing():
            self._rest = b""
            return
        part, self._rest = self._rest[:SLICE], self._rest[SLICE:]
        super().data_received(part)
        if self._rest:
            self.loop.call_soon(self._read_on)
        elif not self.read_paused and not self.transport.is_closing():
            self.transport.resume_reading()
