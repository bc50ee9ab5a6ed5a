"""HTTP as uvicorn speaks it, with limits on the head of a request.

Without them, 500 clients that send nothing more after half a line hold 500 connections for ever, and one that
never ends its headers fills the memory ("Slowloris", Hansen 2009; RFC 6585 for the status 431).
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_S = 10.0
"""Time in which the head of a request must have come, s."""
MAX_HEAD = 64 * 1024
"""Bytes of the head at most."""
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain\r\ncontent-length: 0\r\n"
    b"connection: close\r\n\r\n"
)


class LimitedHttp(HttpToolsProtocol):
    """One connection."""

    _deadline: asyncio.TimerHandle | None = None
    """Set while a head is awaited or incomplete."""
    _head = 0
    """Bytes of it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._end_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what has arrived, unless the head is too large."""
        if self._deadline is not None:
            end = data.find(b"\r\n\r\n")
            self._head += len(data) if end < 0 else end
            if self._head > MAX_HEAD:
                self.transport.write(_TOO_LARGE)
                self.transport.close()
                return
        super().data_received(data)

    def on_message_begin(self) -> None:
        """Begin a head."""
        super().on_message_begin()
        self._await_head()

    def on_headers_complete(self) -> None:
        """End it."""
        self._end_head()
        super().on_headers_complete()

    def _await_head(self) -> None:
        if self._deadline is None:
            self._head = 0
            self._deadline = self.loop.call_later(HEAD_S, self.transport.abort)

    def _end_head(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
