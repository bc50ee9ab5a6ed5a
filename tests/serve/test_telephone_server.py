"""Telephone lines into a real server: Twilio Media Streams with faults, and Asterisk AudioSocket."""

from __future__ import annotations

import socket
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soxr
from websockets.sync.client import connect

from stream_emo.audio.pcm import companded
from stream_emo.client import Client
from stream_emo.events import Event, Gap, Score
from tests.serve.process import ServerProcess
from tests.serve.process import speech as wide_speech
from tests.serve.twilio_stream import FRAME, stream

pytestmark = pytest.mark.weights

_LOST = range(100, 115)
"""Packets of the customer's track that never arrive: 300 ms."""


@pytest.fixture(scope="module")
def audiosocket_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, audiosocket_port: int) -> Iterator[ServerProcess]:
    state: Path = tmp_path_factory.mktemp("state")
    with ServerProcess(state, "--audiosocket-port", str(audiosocket_port)) as started:
        yield started


def speech(length_s: float) -> np.ndarray:
    """Return the beginning of the demonstration clip at 8 kHz."""
    samples = np.frombuffer(wide_speech(length_s), "<i2") / np.float32(2**15)
    return soxr.resample(samples, 16_000, 8_000)


def events(server: ServerProcess, call: str) -> list[Event]:
    with Client(server.url) as client:
        return list(client.timeline(call).events)


def wait_for(condition: Callable[[], object], most_s: float = 30.0) -> None:
    until = time.monotonic() + most_s
    while not condition():
        assert time.monotonic() < until, "it did not come about"
        time.sleep(0.1)


def test_a_twilio_call_with_lost_repeated_and_reordered_packets(server: ServerProcess) -> None:
    customer = companded(speech(6.0), "mulaw")
    messages = list(stream({"inbound": customer, "outbound": b"\xff" * len(customer)}, call="CA77"))
    # After the two that begin the stream, the customer's and the agent's packets take turns.
    packets = [messages[2 + 2 * row : 4 + 2 * row] for row in range(len(customer) // FRAME)]
    order = [row for row in range(len(packets)) if row not in _LOST]
    order[50:52] = order[51:49:-1]
    order.insert(60, order[58])
    with connect(f"{server.ws}/twilio", compression=None) as line:
        for message in messages[:2]:
            line.send(message)
        for row in order:
            for message in packets[row]:
                line.send(message)
            time.sleep(0.02)
        line.send(messages[-1])
        wait_for(lambda: not server.get("/api/calls/CA77").json()["live"])
    scores = [event for event in events(server, "CA77") if isinstance(event, Score)]
    assert scores
    assert {score.channel for score in scores} == {0}
    gaps = [event for event in events(server, "CA77") if isinstance(event, Gap) and event.reason == "missing"]
    assert {(gap.channel, round(gap.end - gap.start, 2)) for gap in gaps} == {(0, 0.24), (1, 0.24)}


def test_an_asterisk_call(server: ServerProcess, audiosocket_port: int) -> None:
    call = uuid.uuid4()
    audio = (speech(4.0) * 32767).astype("<i2").tobytes()

    def frame(kind: int, payload: bytes) -> bytes:
        return bytes([kind]) + len(payload).to_bytes(2, "big") + payload

    with socket.create_connection(("127.0.0.1", audiosocket_port), timeout=30) as line:
        line.sendall(frame(0x01, call.bytes))
        for first in range(0, len(audio), 2 * FRAME):
            line.sendall(frame(0x10, audio[first : first + 2 * FRAME]))
            time.sleep(0.02)
        line.sendall(frame(0x00, b""))
        assert line.recv(3) == frame(0x00, b"")
    wait_for(lambda: not server.get(f"/api/calls/{call}").json()["live"])
    assert any(isinstance(event, Score) for event in events(server, str(call)))
