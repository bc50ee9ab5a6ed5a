from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_emo.errors import ProtocolError
from stream_emo.serve.protocols.base import AudioFrame, CallEnded, CallStarted, Dtmf, Mark
from stream_emo.serve.protocols.twilio import TwilioSerializer, is_signed, signature
from tests.serve.twilio_stream import CALL, STREAM, media, start, stop, stream


def started(*tracks: str) -> TwilioSerializer:
    serializer = TwilioSerializer()
    serializer.feed(json.dumps(start(tracks or ("inbound", "outbound"))))
    return serializer


@settings(deadline=None)
@given(inbound=st.binary(max_size=1000), outbound=st.binary(min_size=1, max_size=1000))
def test_a_stream_comes_back_track_by_track_with_positions(inbound: bytes, outbound: bytes) -> None:
    serializer = TwilioSerializer()
    items = [
        item
        for message in stream({"inbound": inbound, "outbound": outbound})
        for item in serializer.feed(message)
    ]
    assert items[0] == CallStarted(CALL, 8000, "mulaw", ("customer", "agent"))
    assert items[-1] == CallEnded("stopped by the sender")
    got = [bytearray(), bytearray()]
    for item in items[1:-1]:
        assert isinstance(item, AudioFrame)
        assert item.position == len(got[item.channel])
        got[item.channel] += item.data
    assert got == [inbound, outbound]


def test_parameters_of_the_stream_name_other_roles() -> None:
    message = start(
        ("outbound", "inbound"), parameters={"inbound": "agent", "outbound": "customer", "queue": "b"}
    )
    (item,) = TwilioSerializer().feed(json.dumps(message))
    assert isinstance(item, CallStarted)
    assert item.roles == ("customer", "agent")
    assert item.details["queue"] == "b"


def test_digits_and_marks() -> None:
    serializer = started()
    dtmf = {
        "event": "dtmf",
        "streamSid": STREAM,
        "sequenceNumber": "5",
        "dtmf": {"track": "inbound_track", "digit": "1"},
    }
    assert serializer.feed(json.dumps(dtmf)) == [Dtmf("1", 0)]
    mark = {"event": "mark", "streamSid": STREAM, "sequenceNumber": "6", "mark": {"name": "said"}}
    assert serializer.feed(json.dumps(mark)) == [Mark("said")]


def changed(message: dict[str, Any], path: str, value: object) -> str:
    """Return the message as JSON with another value at `a.b.c`; None: without it."""
    copy = json.loads(json.dumps(message))
    *parents, last = path.split(".")
    place = copy
    for parent in parents:
        place = place[parent]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return json.dumps(copy)


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("start.callSid", None, "callSid"),
        ("start.callSid", "a b", "call id"),
        ("start.tracks", [], "tracks"),
        ("start.tracks", ["inbound", "inbound"], "tracks"),
        ("start.tracks", ["sideways"], "tracks"),
        ("start.mediaFormat.encoding", "audio/opus", "mediaFormat"),
        ("start.mediaFormat.sampleRate", 16_000, "mediaFormat"),
        ("start.customParameters", {"a": 1}, "customParameters"),
    ],
)
def test_a_wrong_start_is_named(path: str, value: object, problem: str) -> None:
    with pytest.raises(ProtocolError, match=f"twilio: .*{problem}"):
        TwilioSerializer().feed(changed(start(), path, value))


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("media.payload", None, "payload"),
        ("media.payload", "@@@@", "payload"),
        ("media.payload", "é", "payload"),
        ("media.timestamp", "-1", "timestamp"),
        ("media.timestamp", "9" * 30, "timestamp"),
        ("media.timestamp", "soon", "timestamp"),
        ("media.track", "outbound", "track"),
        ("streamSid", "MZother", "streamSid"),
    ],
)
def test_wrong_media_is_named(path: str, value: object, problem: str) -> None:
    serializer = started("inbound")
    with pytest.raises(ProtocolError, match=f"twilio: .*{problem}"):
        serializer.feed(changed(media(b"1234", time_ms=0), path, value))


def test_order_of_messages() -> None:
    with pytest.raises(ProtocolError, match="before the start"):
        TwilioSerializer().feed(json.dumps(media(b"1", time_ms=0)))
    with pytest.raises(ProtocolError, match="already"):
        started().feed(json.dumps(start()))
    with pytest.raises(ProtocolError, match="binary"):
        started().feed(b"1")
    serializer = started()
    serializer.feed(json.dumps(stop()))
    with pytest.raises(ProtocolError, match="after the end"):
        serializer.feed(json.dumps(stop()))


URLS = [
    "wss://example.com/twilio",
    "wss://example.com:443/twilio",
    "wss://example.com:8443/twilio?a=b",
    "https://user:word@example.com/x",
    "https://[::1]:8000/x",
]


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("form", [{}, {"CallSid": "CA1", "Body": "ä", "A": ""}])
def test_the_signature_is_that_of_twilios_own_library(url: str, form: dict[str, str]) -> None:
    from twilio.request_validator import RequestValidator

    validator = RequestValidator("token")
    theirs = validator.compute_signature(url, form)
    assert signature("token", url, form) == theirs
    assert is_signed("token", url, theirs, form)
    assert validator.validate(url, form, signature("token", url, form))


def test_the_signature_may_cover_the_standard_port_or_not() -> None:
    with_port, without = "wss://example.com:443/twilio", "wss://example.com/twilio"
    assert is_signed("token", without, signature("token", with_port))
    assert is_signed("token", with_port, signature("token", without))


@settings(deadline=None)
@given(given_signature=st.text(), url=st.text())
def test_any_other_signature_is_refused(given_signature: str, url: str) -> None:
    assert not is_signed("token", url, given_signature)
    assert not is_signed("token", url, signature("other", url))
