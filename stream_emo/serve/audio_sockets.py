"""Audio in over WebSockets: raw PCM, Twilio Media Streams, Vonage, Genesys AudioHook."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress

from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket, WebSocketDisconnect

from stream_emo.errors import ConfigError, ProtocolError, StreamEmoError
from stream_emo.serve.answers import problem
from stream_emo.serve.live_call import Producer
from stream_emo.serve.live_calls import CallRefused, LiveCalls
from stream_emo.serve.protocols.base import AudioFrame, CallEnded, CallStarted, Reply, Serializer
from stream_emo.serve.protocols.genesys import GenesysSerializer
from stream_emo.serve.protocols.raw import RawSerializer
from stream_emo.serve.protocols.twilio import TwilioSerializer, is_signed
from stream_emo.serve.protocols.vonage import VonageSerializer

_log = logging.getLogger(__name__)

_NORMAL, _WRONG, _TRY_AGAIN, _FAILED = 1000, 1008, 1013, 1011
_MOST_MESSAGES, _MOST_IN_S = 10_000, 5.0
"""A connection may not send so many messages in so short a time, s: a line of 8 channels sends 800 a second,
and a flood of single samples keeps all calls waiting."""
_START_S = 10.0
"""A connection that starts no call for so long is closed, s."""


class AudioSockets:
    """Takes the audio of one call from each connection."""

    def __init__(self, calls: LiveCalls, twilio_token: str | None) -> None:
        """`twilio_token`: the auth token that signs Twilio's requests; None: they are not checked."""
        self._calls, self._twilio_token = calls, twilio_token
        self.count = 0
        """Connections now."""

    async def raw(self, socket: WebSocket) -> None:
        """Serve `/audio`: JSON and PCM, see `protocols.raw`."""
        await self._serve(socket, RawSerializer())

    async def twilio(self, socket: WebSocket) -> None:
        """Serve `/twilio`: Media Streams, see `protocols.twilio`."""
        if self._twilio_token is not None:
            given = socket.headers.get("x-twilio-signature", "")
            if not is_signed(self._twilio_token, public_url(socket), given):
                await socket.send_denial_response(problem(403, "X-Twilio-Signature: wrong for this address"))
                return
        await self._serve(socket, TwilioSerializer())

    async def vonage(self, socket: WebSocket) -> None:
        """Serve `/vonage`: the WebSockets of the Voice API, see `protocols.vonage`."""
        await self._serve(socket, VonageSerializer())

    async def genesys(self, socket: WebSocket) -> None:
        """Serve `/genesys`: AudioHook sessions, see `protocols.genesys`."""
        await self._serve(socket, GenesysSerializer())

    async def _serve(self, socket: WebSocket, serializer: Serializer) -> None:
        if self.count >= 2 * self._calls.config.serve.max_calls:
            await socket.send_denial_response(problem(503, "too many connections deliver audio"))
            return
        self.count += 1
        await socket.accept()
        connection = _Connection(socket, self._calls)
        code, reason = _FAILED, "the server failed"
        try:
            code, reason = await connection.run(serializer)
        finally:
            self.count -= 1
            connection.leave()
            with suppress(RuntimeError, WebSocketDisconnect):
                await socket.close(code, _short(reason))


class _Connection:
    """One WebSocket that delivers the audio of one call."""

    def __init__(self, socket: WebSocket, calls: LiveCalls) -> None:
        self._socket, self._calls = socket, calls
        self._producer: Producer | None = None
        self._dismissed: str | None = None
        self._loop_task: asyncio.Task[tuple[int, str]] | None = None
        self._messages, self._since = 0, time.monotonic()
        """Number of messages, and since when."""

    async def run(self, serializer: Serializer) -> tuple[int, str]:
        """Feed the call until either side ends; return the code and reason to close with."""
        receiving = self._loop_task = asyncio.create_task(self._receive(serializer))
        try:
            return await receiving
        except ProtocolError as error:
            return _WRONG, str(error)
        except ConfigError as error:
            return _WRONG, str(error)
        except CallRefused as error:
            return _TRY_AGAIN, str(error)
        except StreamEmoError as error:
            _log.warning("audio: %s", error)
            return _FAILED, str(error)
        except TimeoutError:
            return _WRONG, f"no call was started for {_START_S:g} s"
        except asyncio.CancelledError:
            if self._dismissed is None:
                raise
            return _NORMAL, self._dismissed
        finally:
            receiving.cancel()

    def leave(self) -> None:
        """Leave the call open for a producer that connects again, unless it has ended."""
        if self._producer is not None:
            self._producer.lost()

    async def _receive(self, serializer: Serializer) -> tuple[int, str]:
        while True:
            message = await self._next()
            if message is None:
                return _NORMAL, ""
            self._check_pace()
            for item in serializer.feed(message):
                match item:
                    case AudioFrame() if self._producer is not None:
                        self._producer.push(item.channel, item.data, item.position)
                    case CallStarted():
                        self._producer = await self._calls.connect(item, self._dismiss)
                    case Reply():
                        await self._socket.send_text(item.message)
                    case CallEnded():
                        if self._producer is not None:
                            self._producer.end(item.reason)
                        return _NORMAL, item.reason

    def _check_pace(self) -> None:
        """Raise `ProtocolError` when messages come faster than those of any line."""
        self._messages += 1
        if self._messages == _MOST_MESSAGES:
            now = time.monotonic()
            if now - self._since < _MOST_IN_S:
                raise ProtocolError(
                    f"{_MOST_MESSAGES} messages in less than {_MOST_IN_S:g} s; send 20 ms of audio in each"
                )
            self._messages, self._since = 0, now

    async def _next(self) -> str | bytes | None:
        """Return the next message, None when the other side has gone."""
        if self._producer is None:
            async with asyncio.timeout(_START_S):
                message = await self._socket.receive()
        else:
            message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            return None
        data: bytes | None = message.get("bytes")
        return data if data is not None else str(message["text"])

    def _dismiss(self, reason: str) -> None:
        if self._loop_task is not None and asyncio.current_task() is not self._loop_task:
            self._dismissed = reason
            self._loop_task.cancel()


def public_url(connection: HTTPConnection) -> str:
    """Return the address by which the other side knows this one, as Twilio signs it.

    Behind a proxy that ends TLS, `X-Forwarded-Proto` names the scheme.
    """
    url = connection.url
    forwarded = connection.headers.get("x-forwarded-proto")
    scheme = {"https": "wss", "http": "ws"}.get(forwarded or "", url.scheme)
    return str(url.replace(scheme=scheme))


def _short(reason: str) -> str:
    """Return a reason as a closing frame holds it: 123 bytes at most."""
    return reason.encode()[:120].decode(errors="ignore")
