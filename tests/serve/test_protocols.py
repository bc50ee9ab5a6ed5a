"""What all protocols have in common: nothing that is fed does more than raise `ProtocolError`."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_emo.errors import ProtocolError
from stream_emo.serve.protocols.audiosocket import AudioSocketSerializer
from stream_emo.serve.protocols.base import CallEnded, CallItem, CallStarted, Serializer
from stream_emo.serve.protocols.genesys import GenesysSerializer
from stream_emo.serve.protocols.raw import RawSerializer
from stream_emo.serve.protocols.twilio import TwilioSerializer
from stream_emo.serve.protocols.vonage import VonageSerializer
from tests.serve.twilio_stream import stream

SERIALIZERS: list[Callable[[], Serializer]] = [
    RawSerializer,
    TwilioSerializer,
    AudioSocketSerializer,
    VonageSerializer,
    GenesysSerializer,
]
VALID: list[str | bytes] = [
    *stream({"inbound": b"\xff" * 320}),
    '{"type": "start", "channels": 2, "roles": ["agent", "customer"]}',
    '{"type": "stop"}',
    b"\x01\x00\x10" + bytes(16) + b"\x10\x00\x04abcd",
    b"\x00\x00\x00",
]
ANY = st.one_of(st.sampled_from(VALID), st.text(), st.binary(), st.just("[" * 10_000))

each = pytest.mark.parametrize("make", SERIALIZERS)


def feed_all(serializer: Serializer, messages: list[str | bytes]) -> list[CallItem]:
    """Return what the messages say up to the first that is malformed."""
    items: list[CallItem] = []
    errors: list[str] = []
    for message in messages:
        try:
            items += serializer.feed(message)
        except ProtocolError as error:
            errors.append(str(error))
            break
    assert all(text.startswith(serializer.name) and "\n" not in text for text in errors)
    return items


@each
@settings(deadline=None)
@given(messages=st.lists(ANY, max_size=8))
def test_any_messages_give_one_start_first_and_one_end_last(
    make: Callable[[], Serializer], messages: list[str | bytes]
) -> None:
    items = feed_all(make(), messages)
    assert sum(isinstance(item, CallStarted) for item in items) == bool(
        items and isinstance(items[0], CallStarted)
    )
    assert not any(isinstance(item, CallEnded) for item in items[:-1])


@each
@pytest.mark.parametrize(
    "message", ['"\ud800"', "[" * 10_000, "{}", "null", "", "1" * 2_000_000, '{"event": "secret words"}']
)
def test_what_is_no_message_is_named_without_repeating_it(
    make: Callable[[], Serializer], message: str
) -> None:
    with pytest.raises(ProtocolError) as raised:
        make().feed(message)
    assert "secret" not in str(raised.value)
    assert len(str(raised.value)) < 200
