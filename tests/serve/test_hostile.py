"""Clients that mean harm or know no better: each is refused in one line, and the others notice nothing."""

from __future__ import annotations

import asyncio
import json
import socket as sockets
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

import stream_emo.serve.http as http
from stream_emo.demo import CLIP
from stream_emo.serve.bodies import parts
from stream_emo.serve.http import LimitedHttp
from tests.serve.process import ServerProcess, hang_up, open_call

HOST = b"Host: localhost\r\n"
UPLOAD = b"POST /api/recordings HTTP/1.1\r\n" + HOST


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("state")) as server:
        yield server
        assert server.get("/healthz").status_code == 200
        assert not [line for line in server.said if "Traceback" in line or "Exception" in line]


def answered(port: int, request: bytes, timeout: float = 5.0) -> bytes:
    """Return the first line of the answer; nothing if the connection is just closed."""
    with sockets.create_connection(("127.0.0.1", port), timeout=timeout) as client:
        try:
            client.sendall(request)
            return client.recv(4096).split(b"\r\n")[0]
        except (BrokenPipeError, ConnectionResetError):
            return b""


@contextmanager
def upgraded(server: ServerProcess, path: str) -> Iterator[sockets.socket]:
    """Open a WebSocket whose frames the test writes itself."""
    with sockets.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        assert b" 101 " in client.recv(4096)
        yield client


@pytest.mark.weights
@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /api/calls HTTP/1.1\r\nHost: [::1\r\n\r\n", b"403"),
        (UPLOAD + b"Origin: http://[x\r\nContent-Length: 0\r\n\r\n", b"403"),
        (b"GET /api/calls HTTP/1.1\r\n\r\n", b"403"),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 300_000 + b"\r\n\r\n", b"431"),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: y\r\n" * 50_000 + b"\r\n", b"431"),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 3_000_000, b"431"),
        (b"GET /api/calls/%ff%00 HTTP/1.1\r\n" + HOST + b"\r\n", b"404"),
        (b"GET /%2e%2e/%2e%2e/app.py HTTP/1.1\r\n" + HOST + b"\r\n", b"404"),
        (b"\x00\xff" * 500, b"400"),
        (b"POST /api/recordings?call=customer=" + b"9" * 5000 + b" HTTP/1.1\r\n" + HOST
         + b"Content-Length: 0\r\n\r\n", b"400"),
    ],
    ids=range(10),
)  # fmt: skip
def test_odd_requests_are_refused(server: ServerProcess, head: bytes, status: bytes) -> None:
    answer = answered(server.port, head)
    assert status in answer or (answer == b"" and status == b"431")


@pytest.mark.weights
def test_uploads_that_are_cut_off_leave_nothing_behind(server: ServerProcess) -> None:
    before = set(Path(tempfile.gettempdir()).glob("stream_emo-*.upload"))
    head = UPLOAD + b"Content-Length: 100000\r\n\r\n"
    for _ in range(3):
        with sockets.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(head + CLIP.read_bytes()[:5000])
            time.sleep(0.1)
    time.sleep(0.3)
    assert set(Path(tempfile.gettempdir()).glob("stream_emo-*.upload")) <= before
    answer = httpx.post(f"{server.url}/api/recordings", content=CLIP.read_bytes(), timeout=20)
    assert answer.status_code == 202


@pytest.mark.weights
def test_a_flood_of_tiny_frames_is_refused_and_keeps_nobody_waiting(server: ServerProcess) -> None:
    reasons: list[str] = []

    def flood(number: int) -> None:
        with open_call(server, f"flood-{number}") as producer, suppress(ConnectionClosed):
            for _ in range(1_000_000):
                producer.send(b"\0")
        assert producer.protocol.close_rcvd is not None
        reasons.append(producer.protocol.close_rcvd.reason)

    threads = [threading.Thread(target=flood, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    slowest = 0.0
    while any(thread.is_alive() for thread in threads):
        begun = time.monotonic()
        assert server.get("/healthz").status_code == 200
        slowest = max(slowest, time.monotonic() - begun)
    assert reasons == ["10000 messages in less than 5 s; send 20 ms of audio in each"] * 2
    assert slowest < 5.0


@pytest.mark.weights
def test_a_flood_of_pings_keeps_nobody_waiting(server: ServerProcess) -> None:
    stop = threading.Event()

    def flood() -> None:
        with upgraded(server, "/api/events/ws") as client, suppress(OSError):
            while not stop.is_set():
                client.sendall(b"\x89\x80\0\0\0\0" * 10_000)
                client.setblocking(False)
                with suppress(BlockingIOError):
                    while client.recv(1 << 20):
                        pass
                client.settimeout(5)

    thread = threading.Thread(target=flood)
    thread.start()
    slowest = 0.0
    try:
        for _ in range(20):
            begun = time.monotonic()
            assert server.get("/healthz").status_code == 200
            slowest = max(slowest, time.monotonic() - begun)
    finally:
        stop.set()
        thread.join()
    assert slowest < 3.0


@pytest.mark.weights
def test_long_messages_arrive_whole_however_they_are_cut(server: ServerProcess) -> None:
    with open_call(server, "long") as producer:
        for _ in range(6):
            producer.send(bytes(300_000))
            producer.send(bytes(20_000))
            time.sleep(0.05)
        hang_up(producer)
    deadline = time.monotonic() + 20
    while server.get("/api/calls/long").json()["live"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    (stop,) = (event for event in server.get("/api/calls/long/timeline").json()["events"]
               if event["type"] == "stop")  # fmt: skip
    assert stop["stats"]["offered"] == 6 * 160_000


@pytest.mark.weights
def test_text_that_is_no_text_ends_the_connection(server: ServerProcess) -> None:
    with upgraded(server, "/audio") as client:
        client.sendall(b"\x81\x82\0\0\0\0\xff\xfe")
        assert client.recv(100)[:4] == b"\x88\x02\x03\xef"  # 1007


@pytest.mark.weights
@pytest.mark.parametrize(
    "start",
    [
        {"rate": 0}, {"rate": 10**9}, {"rate": 8000.5}, {"rate": "fast"}, {"channels": -1}, {"channels": 99},
        {"channels": 2}, {"channels": 2, "roles": ["customer"]}, {"roles": [""]}, {"encoding": "mp3"},
        {"config": {"serve.port": 1}}, {"config": {"calls.purpose": "x"}}, {"unknown": 1}, {"call": 5},
    ],
    ids=str,
)  # fmt: skip
def test_wrong_starts_are_refused_with_a_reason(server: ServerProcess, start: dict[str, Any]) -> None:
    with connect(f"{server.ws}/audio", compression=None) as producer:
        producer.send(json.dumps({"type": "start", **start}))
        with pytest.raises(Exception, match="1008"):
            producer.recv(timeout=5)
        assert producer.protocol.close_rcvd is not None
        assert producer.protocol.close_rcvd.reason


def test_a_head_that_does_not_come_in_time_ends_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "HEAD_S", 0.3)
    config = uvicorn.Config(Starlette(), port=0, http=LimitedHttp, log_level="critical", lifespan="off")
    web = uvicorn.Server(config)
    thread = threading.Thread(target=web.run)
    thread.start()
    try:
        while not web.started:
            time.sleep(0.01)
        port = web.servers[0].sockets[0].getsockname()[1]
        for begun in (b"", b"GET / HTTP/1.1\r\nHo", b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HT"):
            with sockets.create_connection(("127.0.0.1", port), timeout=5) as client:
                client.sendall(begun)
                at = time.monotonic()
                with suppress(ConnectionResetError):  # An orderly end is as good.
                    while client.recv(4096):
                        pass
                assert time.monotonic() - at < 3
        assert b"404" in answered(port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    finally:
        web.should_exit = True
        thread.join()


def test_a_body_that_stops_coming_is_given_up() -> None:
    async def stream() -> AsyncIterator[bytes]:
        yield b"some"
        await asyncio.sleep(60)

    async def read() -> None:
        found = [part async for part in parts(cast(Request, SimpleNamespace(stream=stream)), idle_s=0.05)]
        raise AssertionError(found)

    with pytest.raises(HTTPException, match="408"):
        asyncio.run(read())
