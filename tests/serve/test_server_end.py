"""A real server that is ended, killed, guarded by a token, or read by clients that do not read."""

from __future__ import annotations

import socket as sockets
import subprocess
import sys
import time
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from stream_emo.client import Client
from stream_emo.events import Error, Gap, Score, Speech, Start, Stop
from tests.serve.process import (
    Listener,
    ServerProcess,
    both_sides,
    closed,
    hang_up,
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


def test_a_call_goes_on_after_the_server_was_killed(tmp_path: Path) -> None:
    sides = ("agent", "customer")
    audio = both_sides(speech(4.5))
    with ServerProcess(tmp_path) as server, Listener(over_sse(server)) as listener:
        with open_call(server, "call", sides) as producer:
            send_paced(producer, audio, channels=2)
            before = listener.wait(lambda events: any(isinstance(e, Score) and e.final for e in events))
            server.kill()
        server.start()
        with open_call(server, "call", sides) as producer:
            send_paced(producer, audio, channels=2)
            assert server.get("/api/calls/call").json()["live"]
            hang_up(producer)
        events = listener.wait(lambda events: sum(isinstance(event, Stop) for event in events) == 2)
        with Client(server.url) as client:
            timeline = client.timeline("call")
    for channel in (0, 1):
        own = [event for event in events if event.channel == channel]
        assert [event.seq for event in own] == list(range(len(own)))
        starts = [event for event in own if isinstance(event, Start)]
        assert len(starts) == 2
        began = [datetime.fromisoformat(start.started_at) for start in starts]
        assert abs((began[1] - began[0]).total_seconds()) < 2  # A busy server opens a call late.
        hole = next(event for event in own if isinstance(event, Gap) and event.end - event.start > 1)
        assert hole.reason == "missing"
        assert hole.start == pytest.approx(max(event.time for event in before), abs=1.5)
    finals = [event for event in events if isinstance(event, Score) and event.final]
    assert [final.utterance for final in finals] == list(range(len(finals)))
    assert len(finals) >= 2
    assert finals[0].end <= hole.start
    assert finals[-1].start >= hole.end
    assert [event for event in timeline.events if isinstance(event, Score) and event.final] == finals
    assert timeline.call.ended_reason == "stopped by the sender"


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
        assert httpx.get(f"{server.url}/api/calls", headers=right).status_code == 200


def test_many_calls_end_within_a_stated_time_each_with_a_reason(tmp_path: Path) -> None:
    """Those that cannot finish are cut off; here nearly all, as there is no time."""
    with ServerProcess(tmp_path, "--set", "publish.shutdown_s=0.1") as server, ExitStack() as stack:
        listener = stack.enter_context(Listener(over_websocket(server)))
        producers = [stack.enter_context(open_call(server, f"call-{number}")) for number in range(8)]
        for producer in producers:
            producer.send(speech(8.0))
        listener.wait(lambda events: sum(isinstance(event, Speech) for event in events) >= 1)
        begun = time.monotonic()
        assert server.terminate() == 0
        assert time.monotonic() - begun < 10
        events = listener.wait(lambda events: sum(isinstance(event, Stop) for event in events) == 8)
        assert {closed(producer) for producer in producers} == {"the server was shut down"}
    failed = {event.session for event in events if isinstance(event, Stop) and event.reason == "failed"}
    told = [event for event in events if isinstance(event, Error) and event.fatal]
    assert failed
    assert {error.session for error in told} == failed
    assert {error.message for error in told} == {"the server was shut down; the rest was not scored in time"}
