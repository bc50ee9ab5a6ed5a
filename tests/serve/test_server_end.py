"""A real server that is ended, killed, guarded by a token, or read by clients that do not read."""

from __future__ import annotations

import socket as sockets
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from stream_emo.events import Score, Stop
from tests.serve.process import (
    Listener,
    ServerProcess,
    open_call,
    over_sse,
    over_websocket,
    send_paced,
    speech,
)

pytestmark = pytest.mark.weights


def test_a_server_that_is_told_to_end_finishes_the_utterance(tmp_path: Path) -> None:
    with (
        ServerProcess(tmp_path) as server,
        Listener(over_websocket(server)) as listener,
        open_call(server, "call") as producer,
    ):
        send_paced(producer, speech(2.5))
        assert server.terminate() == 0
        events = listener.wait(lambda events: any(isinstance(event, Stop) for event in events))
    assert any(isinstance(event, Score) and event.final for event in events)


def test_clients_miss_nothing_when_the_server_is_killed_and_restarted(tmp_path: Path) -> None:
    with (
        ServerProcess(tmp_path, "--set", "publish.stats_s=0.1") as server,
        Listener(over_sse(server)) as listener,
    ):
        with open_call(server, "call") as producer:
            send_paced(producer, speech(3.0))
            server.kill()
        server.start()
        with Listener(over_sse(server, after=0)) as everything:
            written = everything.wait(lambda events: len(events) > 3)
            time.sleep(2.5)
            events = list(listener.events)
            written = list(everything.events)
        assert events == written
        assert [event.seq for event in events] == list(range(len(events)))
        item = server.get("/api/calls/call").json()
        assert not item["live"]
        assert item["ended_reason"] == "the server was restarted"


def test_a_client_that_never_reads_is_dropped_alone(tmp_path: Path) -> None:
    options = ("--set", "serve.client_patience_s=2", "--set", "publish.stats_s=0.1")
    with (
        ServerProcess(tmp_path, *options) as server,
        Listener(over_websocket(server)) as reading,
        sockets.socket() as idle,
        ExitStack() as stack,
    ):
        idle.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 1)
        idle.connect(("127.0.0.1", server.port))
        idle.sendall(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        calls = [f"call-{number}" for number in range(8)]
        producers = [stack.enter_context(open_call(server, call)) for call in calls]
        deadline = time.monotonic() + 90
        while "stream_emo_stuck_readers 1.0" not in server.get("/metrics").text:
            assert time.monotonic() < deadline
            for producer in producers:
                producer.send(bytes(64_000))
            time.sleep(0.25)
        for call in calls:
            own = [event for event in reading.events if event.session == call]
            assert [event.seq for event in own] == list(range(len(own)))
        assert "stream_emo_event_readers 1.0" in server.get("/metrics").text


def test_any_other_address_needs_a_token(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "stream_emo", "serve", "--host", "0.0.0.0", "--port", "0"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 2
    assert "--token-file" in result.stderr


def test_a_token_guards_everything_but_the_page(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("0123456789abcdef0123\n")
    with ServerProcess(tmp_path / "state", "--token-file", str(token), "--host", "0.0.0.0") as server:
        assert server.get("/").status_code in (200, 404)
        assert server.get("/healthz").status_code == 200
        for path in ("/api/calls", "/api/events", "/metrics", "/openapi.json"):
            assert server.get(path).status_code == 401
        right = {"Authorization": "Bearer 0123456789abcdef0123"}
        assert httpx.get(f"{server.url}/api/calls", headers=right).status_code == 200
        with connect(f"{server.ws}/api/events/ws?token=0123456789abcdef0123"):
            pass
        with pytest.raises(InvalidStatus, match="401"), connect(f"{server.ws}/audio?token=wrong"):
            pass
        statuses = [
            httpx.get(f"{server.url}/api/calls", headers={"Authorization": "Bearer no"}).status_code
            for _ in range(40)
        ]
        assert statuses[-1] == 429
