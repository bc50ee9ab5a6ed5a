"""The client that blocks."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

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


class Client(Requests):
    """A client that blocks. Use one for each thread."""

    def __init__(self, url: str = "http://127.0.0.1:8765", token: str | None = None) -> None:
        """Prepare to ask the server at `url`; `token`: what it wants to be told."""
        super().__init__(url, token)
        self._http = httpx.Client(base_url=self.url, headers=self.headers, timeout=TIMEOUT)

    def calls(self) -> list[CallItem]:
        """Return all known calls, who needs attention first. Raises `ServerError`, as all of these."""
        return read(self._get("/api/calls"), list[CallItem])

    def item(self, call: str) -> CallItem:
        """Return how a call is now."""
        return read(self._get(path_of(call)), CallItem)

    def timeline(self, call: str) -> Timeline:
        """Return what happened in a call so far."""
        return read(self._get(path_of(call, "/timeline")), Timeline)

    def summary(self, call: str) -> Summary:
        """Return what a call came to."""
        return read(self._get(path_of(call, "/summary")), Summary)

    def note(self, call: str, text: str) -> Note:
        """Add a note to a call."""
        return read(self._request("POST", path_of(call, "/notes"), json={"text": text}), Note)

    def erase(self, call: str) -> None:
        """End a call, and erase all that is kept of it."""
        checked(self._request("DELETE", path_of(call)))

    def upload(self, path: Path, roles: str = "customer=0") -> str:
        """Analyse a recording as a call, and return the call's id; `roles`: as "agent=0,customer=1"."""
        with path.open("rb") as file:
            answer = self._request(
                "POST", "/api/recordings", params={"call": roles, "name": path.name}, content=file
            )
        return str(checked(answer).json()["id"])

    def events(
        self, call: str | None = None, channel: int | None = None, after: int | None = None
    ) -> Iterator[Event]:
        """Yield events for ever, of all calls or of one; reconnect where the connection broke.

        Args:
            call: id of a call; None: all.
            channel: number of a channel of it; None: all.
            after: id of the last event that was seen, as `Timeline.after`; None: from now on, 0: all
                that the server can replay.

        Raises:
            ServerError: the server refuses the request.
            EventError: more was missed than the server can replay.
        """
        stream = Stream(after)
        while True:
            try:
                with self._http.stream(
                    "GET", events_path(call, channel), headers=stream.headers()
                ) as response:
                    if not retried(response):
                        if response.is_error:
                            response.read()
                        for line in checked(response).iter_lines():
                            event = stream.feed(line)
                            if event is not None:
                                yield event
            except httpx.TransportError:
                pass
            time.sleep(stream.pause())

    @contextmanager
    def call(
        self,
        call: str | None = None,
        *,
        rate: int,
        encoding: Encoding = "s16le",
        roles: Sequence[str] = ("customer",),
        config: Mapping[str, Any] | None = None,
    ) -> Iterator[CallAudio]:
        """Open a call, or go on with one that is live; it ends with the block.

        Args:
            call: id of the call; None: a new one.
            rate: frames per second.
            encoding: format of the interleaved samples.
            roles: role of each channel.
            config: settings for this call alone, by key, as {"speech.language": "de"}.

        Raises:
            ServerError: the server refuses the call.
        """
        try:
            with connect(self.audio_url, additional_headers=self.headers, compression=None) as socket:
                socket.send(self.start(call, rate, encoding, roles, config))
                yield CallAudio(socket)
                socket.send('{"type": "stop"}')
                for _ in socket:  # Until the server closes.
                    pass
        except (ConnectionClosed, InvalidStatus, OSError) as error:
            raise refused(error) from error

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _get(self, path: str) -> httpx.Response:
        return self._request("GET", path)

    def _request(self, method: str, path: str, **more: Any) -> httpx.Response:
        try:
            return self._http.request(method, path, **more)
        except httpx.TransportError as error:
            raise ServerError(f"{self.url}: {error}") from error


class CallAudio:
    """The audio of a call that is open."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket

    def send(self, frames: bytes) -> None:
        """Deliver interleaved frames, cut anywhere, at the pace at which they were recorded."""
        self._socket.send(frames)
