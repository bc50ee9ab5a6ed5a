"""The client for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from stream_emo.audio.pcm import Encoding
from stream_emo.client.shared import (
    TIMEOUT,
    Requests,
    ServerError,
    Stream,
    checked,
    events_path,
    path_of,
    read,
    refused,
    retried,
)
from stream_emo.events import Event
from stream_emo.serve.api_types import CallItem, Note, Summary, Timeline


class AsyncCallAudio:
    """The audio of a call that is open."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket

    async def send(self, frames: bytes) -> None:
        """Deliver interleaved frames, cut anywhere, at the pace at which they were recorded."""
        await self._socket.send(frames)


class AsyncClient(Requests):
    """The same for asyncio; see `Client` for arguments and exceptions."""

    def __init__(self, url: str = "http://127.0.0.1:8765", token: str | None = None) -> None:
        """Prepare to ask the server at `url`; `token`: what it wants to be told."""
        super().__init__(url, token)
        self._http = httpx.AsyncClient(base_url=self.url, headers=self.headers, timeout=TIMEOUT)

    async def calls(self) -> list[CallItem]:
        """Return all known calls, who needs attention first."""
        return read(await self._request("GET", "/api/calls"), list[CallItem])

    async def item(self, call: str) -> CallItem:
        """Return how a call is now."""
        return read(await self._request("GET", path_of(call)), CallItem)

    async def timeline(self, call: str) -> Timeline:
        """Return what happened in a call so far."""
        return read(await self._request("GET", path_of(call, "/timeline")), Timeline)

    async def summary(self, call: str) -> Summary:
        """Return what a call came to."""
        return read(await self._request("GET", path_of(call, "/summary")), Summary)

    async def note(self, call: str, text: str) -> Note:
        """Add a note to a call."""
        return read(await self._request("POST", path_of(call, "/notes"), json={"text": text}), Note)

    async def erase(self, call: str) -> None:
        """End a call, and erase all that is kept of it."""
        checked(await self._request("DELETE", path_of(call)))

    async def events(
        self, call: str | None = None, channel: int | None = None, after: int | None = None
    ) -> AsyncIterator[Event]:
        """Yield events for ever; reconnect where the connection broke."""
        stream = Stream(after)
        while True:
            try:
                async with self._http.stream(
                    "GET", events_path(call, channel), headers=stream.headers()
                ) as response:
                    if not retried(response):
                        if response.is_error:
                            await response.aread()
                        async for line in checked(response).aiter_lines():
                            event = stream.feed(line)
                            if event is not None:
                                yield event
            except httpx.TransportError:
                pass
            await asyncio.sleep(stream.pause())

    @asynccontextmanager
    async def call(
        self,
        call: str | None = None,
        *,
        rate: int,
        encoding: Encoding = "s16le",
        roles: Sequence[str] = ("customer",),
        config: Mapping[str, Any] | None = None,
    ) -> AsyncIterator[AsyncCallAudio]:
        """Open a call, or go on with one that is live; it ends with the block."""
        try:
            async with connect(self.audio_url, additional_headers=self.headers, compression=None) as socket:
                await socket.send(self.start(call, rate, encoding, roles, config))
                yield AsyncCallAudio(socket)
                await socket.send('{"type": "stop"}')
                async for _ in socket:
                    pass
        except (ConnectionClosed, InvalidStatus, OSError) as error:
            raise refused(error) from error

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _request(self, method: str, path: str, **more: Any) -> httpx.Response:
        try:
            return await self._http.request(method, path, **more)
        except httpx.TransportError as error:
            raise ServerError(f"{self.url}: {error}") from error
