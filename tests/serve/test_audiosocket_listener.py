from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from stream_emo.errors import SourceError
from stream_emo.serve.audiosocket_listener import AudioSocketListener
from stream_emo.serve.protocols.base import CallStarted

CALL = uuid.UUID("12345678-1234-5678-9abc-123456789abc")


def frame(kind: int, payload: bytes = b"") -> bytes:
    return bytes([kind]) + len(payload).to_bytes(2, "big") + payload


class Calls:
    """Records what a server would do; refuses calls at 16 kHz."""

    def __init__(self) -> None:
        self.happened: list[Any] = []
        self.dismiss: Callable[[str], object] = print

    async def connect(self, started: CallStarted, dismiss: Callable[[str], object]) -> Calls:
        if started.rate == 16_000:
            raise SourceError("refused")
        self.happened.append(started.call_id)
        self.dismiss = dismiss
        return self

    def push(self, channel: int, data: bytes, position: int | None = None) -> None:
        self.happened.append((channel, data))

    def end(self, reason: str) -> None:
        self.happened.append(reason)

    def lost(self) -> None:
        self.happened.append("lost")


Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def run(talk: Callable[[AudioSocketListener, Calls, Stream], Awaitable[None]], most: int = 10) -> list[Any]:
    """Return what happens at a listener while a client talks to it, and after."""

    async def session() -> list[Any]:
        calls = Calls()
        listener = AudioSocketListener(calls.connect, max_connections=most)
        port = await listener.start("127.0.0.1", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.timeout(20):
            await talk(listener, calls, (reader, writer))
        writer.close()
        await listener.close()
        return calls.happened

    return asyncio.run(session())


async def heard(calls: Calls, count: int) -> None:
    while len(calls.happened) < count:
        await asyncio.sleep(0.005)


NAMED = frame(1, CALL.bytes) + frame(0x10, b"ab")


def test_a_call_that_hangs_up() -> None:
    async def talk(listener: AudioSocketListener, calls: Calls, stream: Stream) -> None:
        reader, writer = stream
        writer.write(NAMED + frame(0x10, b"cd") + frame(0))
        assert await reader.read() == frame(0)

    assert run(talk) == [str(CALL), (0, b"ab"), (0, b"cd"), "hung up"]


def test_a_closed_socket_hangs_up_too() -> None:
    async def talk(listener: AudioSocketListener, calls: Calls, stream: Stream) -> None:
        reader, writer = stream
        writer.write(NAMED)
        writer.write_eof()
        await reader.read()

    assert run(talk) == [str(CALL), (0, b"ab"), "hung up"]


def test_a_malformed_frame_ends_the_call() -> None:
    async def talk(listener: AudioSocketListener, calls: Calls, stream: Stream) -> None:
        reader, writer = stream
        writer.write(NAMED)
        await heard(calls, 2)
        writer.write(frame(0x77))
        await reader.read()

    assert run(talk) == [str(CALL), (0, b"ab"), "protocol error"]


def test_a_refused_call_is_hung_up() -> None:
    async def talk(listener: AudioSocketListener, calls: Calls, stream: Stream) -> None:
        reader, writer = stream
        writer.write(frame(1, CALL.bytes) + frame(0x12, b"ab"))
        assert await reader.read() == frame(0)

    assert run(talk) == []


def test_the_server_dismisses_a_connection() -> None:
    async def talk(listener: AudioSocketListener, calls: Calls, stream: Stream) -> None:
        reader, writer = stream
        writer.write(NAMED)
        await heard(calls, 2)
        calls.dismiss("replaced")
        assert await reader.read() == frame(0)

    assert run(talk) == [str(CALL), (0, b"ab")]


def test_closing_the_listener_loses_its_calls() -> None:
    async def talk(listener: AudioSocketListener, calls: Calls, stream: Stream) -> None:
        reader, writer = stream
        writer.write(NAMED)
        await heard(calls, 2)
        await listener.close()
        await reader.read()

    assert run(talk) == [str(CALL), (0, b"ab"), "lost"]


def test_connections_are_limited() -> None:
    async def talk(listener: AudioSocketListener, calls: Calls, stream: Stream) -> None:
        reader, _ = stream
        assert await reader.read() == frame(0)

    assert run(talk, most=0) == []
