from __future__ import annotations

import json
from typing import Any

import pytest

from stream_emo.errors import ProtocolError
from stream_emo.serve.protocols.base import AudioFrame, CallEnded, CallStarted, Reply
from stream_emo.serve.protocols.genesys import GenesysSerializer

SESSION = "e160e428-53e2-487c-977d-96989bf5c99d"
CONVERSATION = "090eaa2f-72fa-480a-83e0-8667ff89c0ec"
STEREO = {"type": "audio", "format": "PCMU", "channels": ["external", "internal"], "rate": 8000}
MONO = STEREO | {"channels": ["external"]}


def message(kind: str, seq: int, parameters: dict[str, Any] | None = None, **fields: Any) -> str:
    base = {"version": "2", "id": SESSION, "type": kind, "seq": seq, "serverseq": 0, "position": "PT0S"}
    return json.dumps(base | {"parameters": parameters or {}} | fields)


def opening(*media: dict[str, Any], conversation: str = CONVERSATION) -> str:
    offer = {"organizationId": SESSION, "conversationId": conversation, "media": media, "language": "de-DE"}
    return message("open", 1, offer)


def replied(items: list[Any]) -> dict[str, Any]:
    (reply,) = (item for item in items if isinstance(item, Reply))
    answer: dict[str, Any] = json.loads(reply.message)
    return answer


def test_a_session_from_open_to_close() -> None:
    serializer = GenesysSerializer()
    items = serializer.feed(opening(MONO, STEREO))
    assert items[0] == CallStarted(CONVERSATION, 8000, "mulaw", ("customer", "agent"), {"language": "de-DE"})
    opened = replied(items)
    assert (opened["type"], opened["id"], opened["seq"], opened["clientseq"]) == ("opened", SESSION, 1, 1)
    assert opened["parameters"]["media"] == [STEREO]
    assert serializer.feed(b"\x01\x81\x02\x82") == [
        AudioFrame(0, b"\x01\x02", 0),
        AudioFrame(1, b"\x81\x82", 0),
    ]
    assert replied(serializer.feed(message("ping", 2)))["type"] == "pong"
    assert serializer.feed(message("discarded", 3, {"start": "PT0S", "discarded": "PT1.5S"})) == []
    assert serializer.feed(b"\x03\x83")[0] == AudioFrame(0, b"\x03", 2 + 12_000)
    closed = serializer.feed(message("close", 4, {"reason": "end"}))
    assert replied(closed) | {"parameters": {}} == {
        "version": "2",
        "id": SESSION,
        "type": "closed",
        "seq": 3,
        "clientseq": 4,
        "parameters": {},
    }
    assert closed[-1] == CallEnded("closed: end")


def test_a_probe_is_answered_and_is_no_call() -> None:
    items = GenesysSerializer().feed(opening(STEREO, conversation="00000000-0000-0000-0000-000000000000"))
    assert [type(item) for item in items] == [Reply]


@pytest.mark.parametrize(
    ("messages", "problem"),
    [
        ([message("ping", 1)], "before open"),
        ([b"1234"], "before the start"),
        ([opening()], "media"),
        ([opening(STEREO | {"format": "L16"})], "media"),
        ([opening(STEREO | {"channels": ["external", "external"]})], "media"),
        ([opening(STEREO, conversation="../x")], "call id"),
        ([opening(STEREO), opening(STEREO)], "second time"),
        ([opening(STEREO), b"123"], "audio"),
        ([opening(STEREO), message("ping", 2, id=CONVERSATION)], "id"),
        ([opening(STEREO), message("ping", -2)], "seq"),
        ([opening(STEREO), message("close", 2, {"reason": "bored"})], "reason"),
        ([opening(STEREO), message("discarded", 2, {"discarded": "PT" + "9" * 40 + "S"})], "discarded"),
        ([message("open", 1, version="3")], "version"),
    ],
)
def test_what_is_wrong_is_named(messages: list[str | bytes], problem: str) -> None:
    serializer = GenesysSerializer()
    for previous in messages[:-1]:
        serializer.feed(previous)
    with pytest.raises(ProtocolError, match=f"genesys: .*{problem}"):
        serializer.feed(messages[-1])
