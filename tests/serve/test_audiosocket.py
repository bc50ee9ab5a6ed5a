from __future__ import annotations

import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_emo.errors import ProtocolError
from stream_emo.serve.protocols.audiosocket import AudioSocketSerializer
from stream_emo.serve.protocols.base import AudioFrame, CallEnded, CallItem, CallStarted, Dtmf

CALL = uuid.UUID("12345678-1234-5678-9abc-123456789abc")


def frame(kind: int, payload: bytes = b"") -> bytes:
    return bytes([kind]) + len(payload).to_bytes(2, "big") + payload


NAMED = frame(1, CALL.bytes)


@settings(deadline=None)
@given(
    parts=st.lists(
        st.binary(min_size=2, max_size=40).map(lambda part: part[: len(part) // 2 * 2]), min_size=1
    ),
    size=st.integers(1, 100),
)
def test_a_stream_cut_anywhere(parts: list[bytes], size: int) -> None:
    stream = NAMED + b"".join(frame(0x10, part) for part in parts) + frame(3, b"7") + frame(0)
    serializer = AudioSocketSerializer()
    items: list[CallItem] = []
    for first in range(0, len(stream), size):
        items += serializer.feed(stream[first : first + size])
    assert items == [
        CallStarted(str(CALL), 8000, "s16le", ("customer",)),
        *(AudioFrame(0, part) for part in parts),
        Dtmf("7"),
        CallEnded("hung up"),
    ]


@pytest.mark.parametrize(
    ("kind", "rate"),
    [
        (0x10, 8_000),
        (0x11, 12_000),
        (0x12, 16_000),
        (0x13, 24_000),
        (0x14, 32_000),
        (0x15, 44_100),
        (0x16, 48_000),
    ],
)
def test_the_type_of_audio_tells_the_rate(kind: int, rate: int) -> None:
    started, _ = AudioSocketSerializer("agent").feed(NAMED + frame(kind, b"ab"))
    assert started == CallStarted(str(CALL), rate, "s16le", ("agent",))


def test_digits_before_the_audio_follow_the_start() -> None:
    serializer = AudioSocketSerializer()
    assert serializer.feed(NAMED + frame(3, b"1")) == []
    assert serializer.feed(frame(0x10, b"ab"))[1:] == [Dtmf("1"), AudioFrame(0, b"ab")]


@pytest.mark.parametrize(("payload", "reason"), [(b"", "code 0"), (b"\x01", "hung up"), (b"\x09", "code 9")])
def test_an_error_ends_the_call(payload: bytes, reason: str) -> None:
    (ended,) = AudioSocketSerializer().feed(frame(0xFF, payload))
    assert isinstance(ended, CallEnded)
    assert reason in ended.reason


@pytest.mark.parametrize(
    ("stream", "problem"),
    [
        (frame(0x10, b"ab"), "before the UUID"),
        (frame(1, b"short"), "UUID"),
        (NAMED + NAMED, "second time"),
        (NAMED + frame(0x10, b"abc"), "odd number"),
        (NAMED + frame(0x10, b"ab") + frame(0x12, b"ab"), "rate"),
        (frame(0x42), "0x42"),
        (frame(3, b"xy"), "dtmf"),
        (frame(0) + frame(0), "after the end"),
    ],
)
def test_what_is_wrong_is_named(stream: bytes, problem: str) -> None:
    with pytest.raises(ProtocolError, match=f"audiosocket: .*{problem}"):
        AudioSocketSerializer().feed(stream)
