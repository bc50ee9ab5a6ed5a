"""The WebSockets of the telephony protocols, up to where the call begins."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from stream_emo.config import Config
from stream_emo.serve.audio_sockets import AudioSockets
from stream_emo.serve.protocols.base import CallStarted
from stream_emo.serve.protocols.twilio import signature
from tests.serve.test_genesys import CONVERSATION, STEREO, message, opening
from tests.serve.test_vonage import connected
from tests.serve.twilio_stream import CALL, stream


class Calls:
    """Stands for `LiveCalls`; records what would happen to calls."""

    config = Config()

    def __init__(self) -> None:
        self.happened: list[Any] = []

    async def connect(self, started: CallStarted, dismiss: Callable[[str], object]) -> Calls:
        self.happened.append(started.call_id)
        return self

    def push(self, channel: int, data: bytes, position: int | None = None) -> None:
        self.happened.append((channel, data, position))

    def end(self, reason: str) -> None:
        self.happened.append(reason)

    def lost(self) -> None:
        self.happened.append("lost")


def client(calls: Calls, twilio_token: str | None = None) -> TestClient:
    audio = AudioSockets(calls, twilio_token)  # type: ignore[arg-type]
    paths = {"/twilio": audio.twilio, "/vonage": audio.vonage, "/genesys": audio.genesys}
    return TestClient(Starlette(routes=[WebSocketRoute(path, serve) for path, serve in paths.items()]))


def test_a_signed_twilio_stream() -> None:
    calls, address = Calls(), "ws://testserver/twilio"
    headers = {"X-Twilio-Signature": signature("token", address)}
    with client(calls, "token").websocket_connect("/twilio", headers=headers) as socket:
        for text in stream({"inbound": b"\xff" * 320}):
            socket.send_text(text)
        with pytest.raises(WebSocketDisconnect):
            socket.receive_text()
    assert calls.happened[:3] == [CALL, (0, b"\xff" * 160, 0), (0, b"\xff" * 160, 160)]
    assert calls.happened[3] == "stopped by the sender"


def test_a_twilio_stream_with_a_wrong_signature_is_refused() -> None:
    with pytest.raises(WebSocketDenialResponse), client(Calls(), "token").websocket_connect("/twilio"):
        pass


def test_a_genesys_session_is_answered() -> None:
    calls = Calls()
    with client(calls).websocket_connect("/genesys") as socket:
        socket.send_text(opening(STEREO))
        assert json.loads(socket.receive_text())["type"] == "opened"
        socket.send_bytes(b"\x01\x81")
        socket.send_text(message("close", 2, {"reason": "end"}))
        assert json.loads(socket.receive_text())["type"] == "closed"
    assert calls.happened[:4] == [CONVERSATION, (0, b"\x01", 0), (1, b"\x81", 0), "closed: end"]


def test_a_vonage_call_whose_socket_closes_is_lost() -> None:
    calls = Calls()
    with client(calls).websocket_connect("/vonage") as socket:
        socket.send_text(connected(call="c-1"))
        socket.send_bytes(b"ab")
    assert calls.happened == ["c-1", (0, b"ab", None), "lost"]


def test_a_malformed_message_closes_the_connection_and_says_why() -> None:
    with client(Calls()).websocket_connect("/vonage") as socket:
        socket.send_bytes(b"ab")
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_text()
    assert (closed.value.code, closed.value.reason) == (
        1008,
        "vonage: audio: came before the start of the call",
    )
