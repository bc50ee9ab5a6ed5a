"""The TCP listener for Asterisk AudioSocket: each connection is the producer of one call.

AudioSocket knows no authentication: the listener belongs on the loopback interface; a telephone exchange on
another machine reaches it through a tunnel.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Protocol

from stream_emo.errors import StreamEmoError
from stream_emo.serve.protocols.audiosocket import HANG_UP, AudioSocketSerializer
from stream_emo.serve.protocols.base import AudioFrame, CallEnded, CallItem, CallStarted

_log = logging.getLogger(__name__)

SILENCE_S = 10.0
"""Time without a byte after which a connection is taken for dead, s; Asterisk sends a frame every 20 ms."""
_CHUNK = 16_384
"""Bytes that are read at once at most."""


class Producer(Protocol):
    """What takes the audio of a call; see `stream_emo.serve.live_call.Producer`."""

    def push(self, channel: int, data: bytes, position: int | None = None) -> None:
        """Deliver audio of a channel."""
        ...

    def end(self, reason: str) -> None:
        """End the call."""
        ...

    def lost(self) -> None:
        """Say that the connection broke; the call waits for another."""
        ...


Connect = Callable[[CallStarted, Callable[[str], object]], Awaitable[Producer]]
"""Opens a call; see `stream_emo.serve.live_calls.LiveCalls.connect`."""


class AudioSocketListener:
    """Listens for AudioSocket connections until it is closed."""

    def __init__(self, connect: Connect, *, role: str = "customer", max_connections: int = 1000) -> None:
        """Prepare to listen.

        Args:
            connect: opens a call.
            role: whose voice the connections carry.
            max_connections: connections beyond so many are closed at once.
        """
        self._connect = connect
        self._role = role
        self._most = max_connections
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self, host: str, port: int) -> int:
        """Begin to listen, and return the port, which the system chooses for port 0.

        Raises:
            OSError: the address cannot be bound.
        """
        self._server = await asyncio.start_server(self._accept, host, port)
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def close(self) -> None:
        """Stop listening, and close all connections; the calls that they belong to are lost."""
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "asyncio makes a task for each connection"
        self._connections.add(task)
        connection = _Connection(self._connect, self._role, writer)
        try:
            if len(self._connections) > self._most:
                _log.warning("AudioSocket: refused a connection, %d are open", self._most)
                return
            await connection.run(reader)
        except asyncio.CancelledError:
            pass  # By `close`; asyncio would log it as an error of the connection.
        finally:
            self._connections.discard(task)
            connection.close()


class _Connection:
    """One connection, from its first byte to its end."""

    def __init__(self, connect: Connect, role: str, writer: asyncio.StreamWriter) -> None:
        self._connect = connect
        self._writer = writer
        self._serializer = AudioSocketSerializer(role)
        self._producer: Producer | None = None
        self._ended = False

    async def run(self, reader: asyncio.StreamReader) -> None:
        """Read until the call or the connection ends."""
        try:
            while not self._ended:
                data = await asyncio.wait_for(reader.read(_CHUNK), SILENCE_S)
                if not data:  # The protocol allows to hang up so.
                    self._end("hung up")
                    return
                for item in self._serializer.feed(data):
                    await self._take(item)
        except StreamEmoError as error:
            _log.warning("AudioSocket: %s", error)
            self._end("protocol error")
        except (TimeoutError, ConnectionError):
            _log.warning("AudioSocket: a connection was lost")

    def close(self) -> None:
        """Hang up; a call that has not ended waits for another connection."""
        if self._producer is not None and not self._ended:
            self._producer.lost()
        self._ended = True
        with suppress(OSError, RuntimeError):
            self._writer.write(HANG_UP)
            self._writer.close()

    async def _take(self, item: CallItem) -> None:
        match item:
            case CallStarted():
                self._producer = await self._connect(item, self._dismissed)
            case AudioFrame() if self._producer is not None:
                self._producer.push(item.channel, item.data, item.position)
            case CallEnded():
                self._end(item.reason)

    def _dismissed(self, reason: str) -> None:
        """Hang up, as the server wants it."""
        self._ended = True
        self.close()

    def _end(self, reason: str) -> None:
        if self._producer is not None and not self._ended:
            self._producer.end(reason)
        self._ended = True
