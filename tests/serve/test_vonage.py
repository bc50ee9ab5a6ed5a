from __future__ import annotations

import json
from typing import Any

import pytest

from stream_emo.errors import ProtocolError
from stream_emo.serve.protocols.base import AudioFrame, CallStarted, Dtmf
from stream_emo.serve.protocols.vonage import VonageSerializer


def connected(**headers: Any) -> str:
    return json.dumps({"event": "websocket:connected", "content-type": "audio/l16;rate=16000"} | headers)


def test_a_call_with_headers() -> None:
    serializer = VonageSerializer()
    message = connected(call="c-1", role="agent", queue="billing", **{"content-type": "audio/l16;rate=8000"})
    assert serializer.feed(message) == [CallStarted("c-1", 8000, "s16le", ("agent",), {"queue": "billing"})]
    assert serializer.feed(b"ab" * 320) == [AudioFrame(0, b"ab" * 320)]
    assert serializer.feed('{"event": "websocket:dtmf", "digit": "5", "duration": 260}') == [Dtmf("5")]
    assert serializer.feed('{"event": "websocket:cleared"}') == []


def test_without_headers_it_is_a_new_call_of_the_customer() -> None:
    assert VonageSerializer(lambda: "new").feed(connected()) == [
        CallStarted("new", 16_000, "s16le", ("customer",))
    ]


@pytest.mark.parametrize(
    ("messages", "problem"),
    [
        ([b"ab"], "before the start"),
        (['{"event": "websocket:dtmf", "digit": "5"}'], "before the start"),
        ([connected(**{"content-type": "audio/opus"})], "content-type"),
        ([connected(**{"content-type": "audio/l16;rate=4000"})], "content-type"),
        ([connected(**{"content-type": 7})], "content-type"),
        ([connected(call="a/b")], "call id"),
        ([connected(), connected()], "already"),
        ([connected(), b"abc"], "audio"),
        ([connected(), '{"event": "websocket:dtmf", "digit": 5}'], "digit"),
        ([connected(), '{"event": 5}'], "event"),
    ],
)
def test_what_is_wrong_is_named(messages: list[str | bytes], problem: str) -> None:
    serializer = VonageSerializer()
    for message in messages[:-1]:
        serializer.feed(message)
    with pytest.raises(ProtocolError, match=f"vonage: .*{problem}"):
        serializer.feed(messages[-1])
