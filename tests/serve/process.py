"""A real server in a process of its own, and calls to it."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import httpx
import numpy as np
from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from stream_emo.audio.samples import read
from stream_emo.client import AsyncClient
from stream_emo.demo import CLIP
from stream_emo.events import Event, decode

RATE = 16_000
_START_S = 60.0


class ServerProcess:
    """`stream-emo serve` on a port of its own; killed at the end of the block."""

    def __init__(self, state: Path, *options: str, port: int = 0) -> None:
        self._command = [
            *(sys.executable, "-m", "stream_emo", "serve", "--port", str(port)),
            *("--set", f"serve.state_dir={state}", *options),
        ]
        self.said: list[str] = []
        self.port = port

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.process.kill()
        self.process.wait()
        self._reading.join()

    def start(self) -> None:
        """Start, or start again on the same port, and wait until requests are answered."""
        command = [str(self.port) if part == "0" else part for part in self._command]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        listening = threading.Event()
        self._reading = threading.Thread(target=self._read, args=(listening,))
        self._reading.start()
        assert listening.wait(_START_S), self.said

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()
        self.process.wait()
        self._reading.join()

    def terminate(self) -> int:
        """Ask it to end, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, timeout=20)

    def _read(self, listening: threading.Event) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as stream:
            for line in stream:
                self.said.append(line.rstrip())
                match = re.search(r"listening on http://\S+:(\d+)/", line)
                if match:
                    self.port = int(match[1])
                    listening.set()
        listening.set()


def speech(length_s: float) -> bytes:
    """Return the beginning of the demonstration clip as 16-bit PCM at 16 kHz."""
    return (read(CLIP)[: round(length_s * RATE)] * 32767).astype("<i2").tobytes()


def both_sides(customer: bytes) -> bytes:
    """Return two channels: a silent agent and this customer."""
    samples = np.frombuffer(customer, "<i2")
    return np.stack([np.zeros_like(samples), samples], axis=1).tobytes()


@contextmanager
def open_call(
    server: ServerProcess, call: str, roles: tuple[str, ...] = ("customer",)
) -> Iterator[ClientConnection]:
    """Connect as the producer of a call."""
    start = {"type": "start", "call": call, "rate": RATE, "channels": len(roles), "roles": roles}
    with connect(f"{server.ws}/audio", compression=None) as socket:
        socket.send(json.dumps(start))
        yield socket


def send_paced(socket: ClientConnection, audio: bytes, channels: int = 1) -> None:
    """Send audio at the pace at which it was recorded."""
    begin, size = time.monotonic(), RATE // 10 * 2 * channels
    for number, first in enumerate(range(0, len(audio), size), 1):
        socket.send(audio[first : first + size])
        time.sleep(max(0.0, begin + number / 10 - time.monotonic()))


def hang_up(socket: ClientConnection) -> str:
    """End the call, and return why the server closed the connection."""
    socket.send('{"type": "stop"}')
    return closed(socket)


def closed(socket: ClientConnection) -> str:
    """Wait until the server closes the connection, and return why."""
    with suppress(ConnectionClosed):
        for _ in socket:
            pass
    assert socket.protocol.close_rcvd is not None
    return socket.protocol.close_rcvd.reason


class Listener:
    """Collects the events of a stream on a thread, until the end of the block."""

    def __init__(self, events: AsyncIterator[Event]) -> None:
        self.events: list[Event] = []
        self._source = events
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._collect()))

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(5)
        time.sleep(0.3)  # Until the server has answered.
        return self

    def __exit__(self, *error: object) -> None:
        with suppress(RuntimeError):  # The stream has ended by itself.
            self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join()

    def wait(self, condition: Callable[[list[Event]], object], timeout: float = 20.0) -> list[Event]:
        """Return all events once they meet the condition."""
        deadline = time.monotonic() + timeout
        while not condition(self.events):
            assert time.monotonic() < deadline, self.events
            time.sleep(0.02)
        return list(self.events)

    async def _collect(self) -> None:
        self._loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._ready.set()
        with suppress(asyncio.CancelledError):
            async for event in self._source:
                self.events.append(event)


async def over_sse(server: ServerProcess, after: int | None = None) -> AsyncIterator[Event]:
    """Yield events as the client does, which reconnects for ever."""
    async with AsyncClient(server.url) as client:
        async for event in client.events(after=after):
            yield event


async def over_websocket(server: ServerProcess, after: int | None = None) -> AsyncIterator[Event]:
    """Yield the events of a WebSocket until it is closed."""
    query = "" if after is None else f"?after={after}"
    async with connect_async(f"{server.ws}/api/events/ws{query}", compression=None) as socket:
        assert json.loads(await socket.recv())["type"] == "begin"
        with suppress(ConnectionClosed):
            async for message in socket:
                yield decode(json.dumps(json.loads(message)["event"]))
