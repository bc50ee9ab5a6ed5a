"""The event stream to clients: Server-Sent Events and WebSockets, with replay after a reconnect."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress

import msgspec
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from stream_emo.serve.answers import problem, unknown_call
from stream_emo.serve.api_types import Begin, StreamMessage
from stream_emo.serve.event_log import Entry, EventLog
from stream_emo.serve.readers import Reader, ReaderDropped, Readers, Selection

_MOST_MESSAGES = 10_000
"""Messages that a reader, who has nothing to say, may send."""
_IDLE_S = 15.0
"""A sign of life is sent after so long without an event, s."""
_GOING_AWAY, _TOO_SLOW = 1001, 1008

Abort = Callable[[Scope], object]
"""Ends the connection of a client at once, without waiting for it."""


class EventStreams:
    """Serves the readers of the event stream."""

    def __init__(
        self, log: EventLog, readers: Readers, knows: Callable[[str], bool], patience_s: float
    ) -> None:
        """Serve `readers`.

        Args:
            log: what they read.
            readers: all of them.
            knows: tells whether there is a call with this id.
            patience_s: time that a client may take nothing, s.
        """
        self._patience_s = patience_s
        self._log, self._readers, self._knows = log, readers, knows
        self.abort: Abort = lambda scope: None

    async def sse(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve Server-Sent Events: `id` is the number in the log, `data` the event."""
        request = Request(scope, receive)
        try:
            reader = self._reader(request, request.headers.get("last-event-id"))
        except ValueError as error:
            await problem(400, str(error))(scope, receive, send)
            return
        if reader is None:
            await self._why_not(request)(scope, receive, send)
            return
        headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"x-accel-buffering", b"no")]
        body = {"type": "http.response.body", "more_body": True}
        leaving = asyncio.create_task(_left(receive))
        leaving.add_done_callback(lambda _: reader.leave())
        try:
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({**body, "body": self._sse_greeting(reader)})
            async with aclosing(self._readers.batches(reader, _IDLE_S)) as batches:
                async for batch in batches:
                    text = b"".join(map(_sse, batch)) if batch else b": idle\n\n"
                    await self._sent(reader, scope, send({**body, "body": text}))
        except ReaderDropped as dropped:
            with suppress(ReaderDropped):
                text = f"event: dropped\ndata: {msgspec.json.encode(str(dropped)).decode()}\n\n".encode()
                last = {"type": "http.response.body", "body": text}
                await self._sent(reader, scope, send(last))
        finally:
            leaving.cancel()

    async def websocket(self, socket: WebSocket) -> None:
        """Serve JSON messages `{"id": number in the log, "event": {...}}`; `?after=` as Last-Event-ID."""
        try:
            reader = self._reader(socket, None)
        except ValueError as error:
            await socket.send_denial_response(problem(400, str(error)))
            return
        if reader is None:
            await socket.send_denial_response(self._why_not(socket))
            return
        await socket.accept()
        leaving = asyncio.create_task(_hung_up(socket))
        leaving.add_done_callback(lambda _: reader.leave())
        try:
            begin = Begin(after=reader.cursor, missed=self._readers.missed(reader))
            await socket.send_text(msgspec.json.encode(begin).decode())
            async with aclosing(self._readers.batches(reader, _IDLE_S)) as batches:
                async for batch in batches:
                    for entry in batch:
                        await self._sent(reader, socket.scope, socket.send_text(_message(entry)))
        except ReaderDropped as dropped:
            closing = self._readers.closing is not None
            with suppress(ReaderDropped, RuntimeError, WebSocketDisconnect):
                code = _GOING_AWAY if closing else _TOO_SLOW
                await self._sent(reader, socket.scope, socket.close(code, str(dropped)[:120]))
        except WebSocketDisconnect:
            pass
        finally:
            leaving.cancel()

    def _reader(self, connection: HTTPConnection, last_seen: str | None) -> Reader | None:
        """Return a new reader, None if there is no such call or no room.

        Raises:
            ValueError: a parameter is no number.
        """
        call = connection.path_params.get("call_id")
        if self._readers.full or (call is not None and not self._knows(call)):
            return None
        after = _number("after", last_seen or connection.query_params.get("after"))
        channel = _number("channel", connection.query_params.get("channel"))
        return self._readers.open(Selection(call, channel), after)

    def _why_not(self, connection: HTTPConnection) -> Response:
        if self._readers.full:
            self._readers.drops["refused"] += 1
            return problem(
                503,
                "as many clients read events as serve.max_clients allows, or the server is shutting down",
            )
        return unknown_call(connection.path_params["call_id"])

    def _sse_greeting(self, reader: Reader) -> bytes:
        """Return what comes first: when to reconnect and after which event, and whether any were missed."""
        greeting = b"retry: 1000\nid: %d\n\n" % reader.cursor
        if self._readers.missed(reader):
            greeting += b"event: missed\ndata: %d\n\n" % self._log.gone
        return greeting

    async def _sent(self, reader: Reader, scope: Scope, sending: Awaitable[object]) -> None:
        """Wait until the client has room for a message.

        Raises:
            ReaderDropped: it takes nothing.
        """
        try:
            async with asyncio.timeout(self._patience_s):
                await sending
        except TimeoutError:
            self._readers.stuck(reader)
            self.abort(scope)
            raise ReaderDropped(reader.dropped or f"nothing was read for {self._patience_s:g} s") from None


def _sse(entry: Entry) -> bytes:
    return b"id: %d\ndata: %b\n\n" % (entry.id, entry.json)


def _message(entry: Entry) -> str:
    return msgspec.json.encode(StreamMessage(entry.id, msgspec.Raw(entry.json))).decode()


async def _left(receive: Receive) -> None:
    """Return when the client has closed its connection."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _hung_up(socket: WebSocket) -> None:
    """Return when the client has closed its connection, or has sent too much; what it sends is ignored."""
    with suppress(WebSocketDisconnect, RuntimeError):
        for _ in range(_MOST_MESSAGES):
            if socket.client_state is not WebSocketState.CONNECTED:
                return
            await socket.receive()


def _number(name: str, text: str | None) -> int | None:
    if text is None or text == "":
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise ValueError(f"{name}: must be a whole number from 0")
    return int(text)
