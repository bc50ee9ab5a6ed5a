"""Runs the server until it is told to stop, and then lets every call finish its utterance."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs
import uvicorn
from starlette.types import Scope

from stream_emo.errors import ConfigError, PipelineError
from stream_emo.serve.app import Server
from stream_emo.serve.http import LimitedHttp
from stream_emo.serve.websocket import SlicedWebSocket

_MAX_MESSAGE = 1 << 20  # Bytes.
_SEND_BUFFER = 256 * 1024  # Bytes.
_LINGER_S = 2
"""Time that clients have to take their last events, s."""
_ECHO_S = 0.5
"""A process and its group may be sent the same signal; so soon it is no second one, s."""


def state_folder(configured: str, port: int) -> Path:
    """Return the folder of the replay log of a server on this port."""
    if configured:
        return Path(configured).expanduser()
    # In memory where the system has a place for that, which only the user can read.
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    folder = Path(runtime) / "stream_emo" if runtime else Path(platformdirs.user_state_dir("stream_emo"))
    return folder / f"serve-{port}"


def listening_socket(host: str, port: int) -> socket.socket:
    """Return a socket that is bound, and not yet listening.

    Raises:
        ConfigError: the address cannot be used.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, socket.SOCK_STREAM)
        if os.name == "posix":
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Connections inherit it: what a client that reads nothing can hold.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        bound.bind(address)
    except OSError as error:
        raise ConfigError(
            f"serve.host, serve.port: cannot listen on {host}, port {port} ({error.strerror or error}); "
            "end what uses it, or name another port with --port"
        ) from error
    return bound


def event_loop() -> asyncio.AbstractEventLoop:
    """Return a new event loop: uvloop's where it is installed, which serves twice the messages."""
    try:
        import uvloop
    except ImportError:  # There is none for Windows.
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


async def run(server: Server, bound: socket.socket, ready: Callable[[], object]) -> None:
    """Serve on a bound socket until SIGTERM or SIGINT; `ready` is called once requests are answered."""
    web = _Web(
        uvicorn.Config(
            server.app(),
            http=LimitedHttp,
            ws=SlicedWebSocket,
            ws_max_size=_MAX_MESSAGE,
            ws_per_message_deflate=False,
            access_log=False,
            log_level="warning",
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=_LINGER_S,
        )
    )
    server.streams.abort = web.abort
    logging.getLogger("uvicorn.error").addFilter(_is_no_refusal)
    with _signals(_Stop(server, web)):
        serving = asyncio.create_task(web.serve(sockets=[bound]))
        while not web.started and not serving.done():
            await asyncio.sleep(0.01)
        if web.started:
            ready()
        await serving


def _is_no_refusal(record: logging.LogRecord) -> bool:
    """Return False for what uvicorn says of a WebSocket that was answered with an HTTP error."""
    if "Invalid UTF-8" in record.msg:
        record.exc_info = None  # The fault is the client's.
    return "without completing handshake" not in record.msg


class _Web(uvicorn.Server):
    """Uvicorn's server with this program's signals."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone: calls end before connections do."""
        yield

    def abort(self, scope: Scope) -> None:
        """End the connection of a request at once: a client that reads nothing must not hold it."""
        for connection in list(self.server_state.connections):
            client = getattr(connection, "client", None)
            if client is not None and tuple(client) == tuple(scope["client"] or ()):
                connection.transport.abort()


class _Stop:
    """Ends the server, on the event loop."""

    def __init__(self, server: Server, web: _Web) -> None:
        self._server, self._web = server, web
        self._begun = 0.0
        self._task: asyncio.Task[None] | None = None

    def __call__(self) -> None:
        """Begin to end it; a second call, which comes later than an echo of the first, does not wait."""
        if self._task is None:
            self._begun = time.monotonic()
            self._task = asyncio.create_task(self._stop())
        elif time.monotonic() - self._begun > _ECHO_S:
            os.write(2, b"stream-emo: left without finishing\n")
            os._exit(PipelineError.exit_code)

    async def _stop(self) -> None:
        try:
            await self._server.drain()
            await asyncio.sleep(0.2)
        finally:
            self._web.should_exit = True


@contextmanager
def _signals(stop: Callable[[], None]) -> Iterator[None]:
    """Let SIGINT, SIGTERM and SIGHUP call `stop` on the event loop."""
    loop = asyncio.get_running_loop()
    numbers = [
        getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)
    ]
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
