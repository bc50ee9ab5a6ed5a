"""What the two clients have in common: requests, answers, and the stream of events."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit, urlunsplit

import httpx
import msgspec
from websockets.exceptions import ConnectionClosed, InvalidStatus

from stream_emo.audio.pcm import Encoding
from stream_emo.errors import EventError, StreamEmoError
from stream_emo.events import Event, decode
from stream_emo.serve.api_types import Problem

_RETRY_S = (0.2, 0.5, 1.0, 2.0, 5.0)
TIMEOUT = httpx.Timeout(10.0, read=30.0)
"""The server gives a sign of life every 15 s."""
T = TypeVar("T")


class ServerError(StreamEmoError):
    """The server refused a request or cannot be reached; the message says why."""

    exit_code = 1


class Stream:
    """Reads Server-Sent Events line by line, and remembers where to go on."""

    def __init__(self, after: int | None) -> None:
        self.after = after
        self.failures = 0
        self._kind, self._id = "message", after

    def headers(self) -> dict[str, str]:
        return {} if self.after is None else {"Last-Event-ID": str(self.after)}

    def feed(self, line: str) -> Event | None:
        """Return the event that the line completes."""
        self.failures = 0
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "id":
            self._id = int(value)
        elif name == "event":
            self._kind = value
        elif name == "data" and self._kind == "message":
            self.after = self._id
            return decode(value)
        elif name == "data" and self._kind == "missed":
            raise EventError(
                "events have left the server's replay log (serve.replay_s) before they were read"
            )
        elif not line:
            self._kind, self.after = "message", self._id
        return None

    def pause(self) -> float:
        """Return how long to wait before the next attempt, s."""
        self.failures += 1
        return _RETRY_S[min(self.failures, len(_RETRY_S)) - 1]


class Requests:
    """What both clients ask, and how answers are read."""

    def __init__(self, url: str, token: str | None) -> None:
        self.url = url.rstrip("/")
        self.headers = {} if token is None else {"Authorization": f"Bearer {token}"}

    @property
    def audio_url(self) -> str:
        parts = urlsplit(self.url)
        return urlunsplit(parts._replace(scheme={"https": "wss"}.get(parts.scheme, "ws"))) + "/audio"

    def start(
        self,
        call: str | None,
        rate: int,
        encoding: Encoding,
        roles: Sequence[str],
        config: Mapping[str, Any] | None,
    ) -> str:
        start = {"type": "start", "rate": rate, "encoding": encoding, "channels": len(roles)}
        start |= {"roles": list(roles), "config": dict(config or {})}
        return json.dumps(start if call is None else {**start, "call": call})


def events_path(call: str | None, channel: int | None) -> str:
    path = "/api/events" if call is None else f"{path_of(call)}/events"
    return path if channel is None else f"{path}?channel={channel}"


def path_of(call: str, what: str = "") -> str:
    return f"/api/calls/{quote(call, safe='')}{what}"


def checked(response: httpx.Response) -> httpx.Response:
    """Return a good answer. Raises `ServerError` with the reason of a bad one."""
    if response.status_code < 400:
        return response
    try:
        reason = msgspec.json.decode(response.content, type=Problem).error
    except msgspec.DecodeError:
        reason = response.reason_phrase
    raise ServerError(f"{response.request.url.path}: {response.status_code}: {reason}")


def read(response: httpx.Response, kind: type[T]) -> T:
    return msgspec.json.decode(checked(response).content, type=kind)


def retried(response: httpx.Response) -> bool:
    """Return whether a stream that was answered so is worth another attempt."""
    return response.status_code in (429, 502, 503, 504)


def refused(error: Exception) -> ServerError:
    """Return why the server ended the audio connection."""
    if isinstance(error, ConnectionClosed) and error.rcvd is not None:
        return ServerError(f"/audio: {error.rcvd.reason or 'closed'}")
    if isinstance(error, InvalidStatus):
        try:
            return ServerError(
                f"/audio: {msgspec.json.decode(error.response.body or b'', type=Problem).error}"
            )
        except msgspec.DecodeError:
            pass
    return ServerError(f"/audio: {error}")
