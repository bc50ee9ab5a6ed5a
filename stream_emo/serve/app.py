"""The web application: routes, and what surrounds them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from stream_emo.config import Config
from stream_emo.engine import Engine
from stream_emo.errors import ConfigError
from stream_emo.events import Event
from stream_emo.serve.alerting import Alerting
from stream_emo.serve.answers import problem
from stream_emo.serve.audio_sockets import AudioSockets
from stream_emo.serve.audiosocket_listener import AudioSocketListener
from stream_emo.serve.event_log import EventLog
from stream_emo.serve.event_streams import EventStreams
from stream_emo.serve.live_calls import LiveCalls
from stream_emo.serve.metrics import Metrics
from stream_emo.serve.protocols.base import CALL_ID_RULE
from stream_emo.serve.readers import Readers
from stream_emo.serve.recordings import Recordings
from stream_emo.serve.rest import Rest
from stream_emo.serve.security import Security, is_loopback

PAGE = Path(__file__).parent / "page"
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Secrets:
    """What the server must not tell."""

    token: str | None = None
    """What clients state; None: they need none."""
    twilio_token: str | None = None
    """Auth token of the Twilio account, which signs its requests; None: they are not checked."""


class Player(Protocol):
    """Delivers calls from within the server."""

    def start(self) -> None:
        """Begin; on the event loop."""
        ...


@dataclass
class Server:
    """The parts of a server, made for one engine."""

    engine: Engine
    config: Config
    log: EventLog
    """Every event of every call, so that clients can go on where they left off."""
    secrets: Secrets = field(default_factory=Secrets)
    play: Callable[[LiveCalls], Player] | None = None
    """Makes what delivers calls from within, as the demonstration does."""

    def __post_init__(self) -> None:
        serve = self.config.serve
        self.alerting = Alerting(self.config)
        self.calls = LiveCalls(self.engine, self.config, self.log, [self.alerting])
        self.readers = Readers(self.log, capacity=serve.client_queue, most=serve.max_clients)
        self.streams = EventStreams(
            self.log,
            self.readers,
            lambda call: self.calls.view(call) is not None,
            serve.client_patience_s,
        )
        self.recordings = Recordings(self.engine, self.calls)
        self.audio = AudioSockets(self.calls, self.secrets.twilio_token)
        self.audiosocket = AudioSocketListener(self.calls.connect, max_connections=2 * serve.max_calls)
        self.metrics = Metrics()
        self._player: Player | None = None
        self.calls.on_event = self._note
        self.metrics.gauge("live_calls", "Calls that have not ended", lambda: self.calls.count)
        self.metrics.gauge("opened_calls", "Calls since the start", lambda: self.calls.opened)
        self.metrics.gauge("event_readers", "Clients of the event stream", lambda: self.readers.count)
        self.metrics.gauge("audio_connections", "WebSockets that deliver audio", lambda: self.audio.count)
        self.metrics.gauge("replay_log_bytes", "Events that can be replayed", lambda: self.log.size)
        for kind in ("slow", "stuck", "refused"):
            self.metrics.gauge(
                f"{kind}_readers", f"Clients dropped as {kind}", partial(self.readers.drops.__getitem__, kind)
            )

    def app(self) -> Starlette:
        """Return the ASGI application."""

        @asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[None]:
            await self.start()
            yield
            await self.drain()

        serve = self.config.serve
        origins = [origin.strip() for origin in serve.origins.split(",") if origin.strip()]
        guard = Middleware(
            Security,
            token=self.secrets.token,
            hosts=_LOOPBACK_NAMES if self.secrets.token is None and is_loopback(serve.host) else None,
            origins=origins,
            public=self._is_public,
        )
        return Starlette(
            routes=self._routes(),
            middleware=[guard],
            exception_handlers={HTTPException: _refused, ClientDisconnect: _gone},
            lifespan=lifespan,
        )

    async def start(self) -> None:
        """Begin to pass on events, to watch over calls, and to listen for AudioSocket connections.

        Raises:
            ConfigError: the port for AudioSocket cannot be used.
        """
        self.readers.start()
        self.calls.start()
        port = self.config.serve.audiosocket_port
        if port:
            try:
                await self.audiosocket.start("127.0.0.1", port)
            except OSError as error:
                raise ConfigError(f"serve.audiosocket_port: cannot listen on port {port}: {error}") from error
        if self.play is not None:
            self._player = self.play(self.calls)
            self._player.start()

    async def drain(self) -> None:
        """Finish all calls, give readers their last events, and end the streams."""
        if self.calls.draining:
            return
        await self.audiosocket.close()
        await self.calls.drain()
        await self.recordings.close()
        self.readers.close("the server was shut down")
        await asyncio.to_thread(self.alerting.close)

    def _note(self, event: Event) -> None:
        self.metrics.count(event)
        self.alerting.deliver(event)

    def _routes(self) -> list[BaseRoute]:
        rest = Rest(self.calls, self.readers, self.metrics)
        streams, audio, one = self.streams, self.audio, "/api/calls/{call_id}"
        return [
            *rest.routes(),
            Route("/api/events", _Asgi(streams.sse)),
            Route(f"{one}/events", _Asgi(streams.sse)),
            WebSocketRoute("/api/events/ws", streams.websocket),
            WebSocketRoute(f"{one}/events/ws", streams.websocket),
            WebSocketRoute("/audio", audio.raw),
            WebSocketRoute("/genesys", audio.genesys),
            WebSocketRoute("/twilio", audio.twilio),
            WebSocketRoute("/vonage", audio.vonage),
            Route("/api/recordings", self.recordings.upload, methods=["POST"]),
            Mount("/", StaticFiles(directory=PAGE, html=True, check_dir=False)),
        ]

    def _is_public(self, path: str) -> bool:
        """Return whether a path needs no token: the page holds no data, and Twilio signs its requests."""
        if path == "/twilio":
            return self.secrets.twilio_token is not None
        if path in ("/healthz", "/readyz"):
            return True
        private = ("/api", "/audio", "/genesys", "/metrics", "/schema", "/openapi", "/twilio", "/vonage")
        return not path.startswith(private)


async def _refused(request: Request, error: Exception) -> Response:
    """Answer what fits no route; an id with a slash in it is one of those."""
    assert isinstance(error, HTTPException)
    if error.status_code not in (404, 405):
        return problem(error.status_code, error.detail)
    if request.url.path.startswith("/api/calls/"):
        return problem(error.status_code, f"{error.detail}, see /openapi.json; {CALL_ID_RULE}")
    return problem(error.status_code, f"{error.detail}, see /openapi.json")


async def _gone(request: Request, error: Exception) -> Response:
    """Answer nobody: the client has gone before its request was complete."""
    return Response(status_code=400)


class _Asgi:
    """Lets Starlette take a bound method as an ASGI application and not as an endpoint."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)
