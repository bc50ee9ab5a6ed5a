from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_emo.errors import ProtocolError
from stream_emo.serve.protocols.base import AudioFrame, CallEnded, CallStarted, Dtmf, Mark
from stream_emo.serve.protocols.raw import RawSerializer

TWO = {"call": "line-7", "rate": 8000, "encoding": "mulaw", "channels": 2, "roles": ["agent", "customer"]}


def start(**fields: Any) -> str:
    return json.dumps({"type": "start"} | fields)


def test_a_start_without_fields_is_the_customer_at_16_khz() -> None:
    assert RawSerializer(lambda: "new").feed(start()) == [CallStarted("new", 16_000, "s16le", ("customer",))]


def test_a_start_says_all_about_the_call() -> None:
    fields = TWO | {"config": {"speech.language": "de"}, "details": {"queue": "billing"}}
    assert RawSerializer().feed(start(**fields)) == [
        CallStarted(
            "line-7",
            8000,
            "mulaw",
            ("agent", "customer"),
            {"queue": "billing"},
            {"speech.language": "de"},
        )
    ]


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"channels": 2}, "roles"),
        ({"channels": 2, "roles": ["customer"]}, "roles"),
        ({"roles": []}, "roles"),
        ({"channels": 9}, "channels"),
        ({"rate": 7999}, "rate"),
        ({"rate": "fast"}, "rate"),
        ({"encoding": "mp3"}, "encoding"),
        ({"call": "../../etc"}, "call id"),
        ({"call": ""}, "call id"),
        ({"call": "x" * 129}, "call id"),
        ({"speed": 1}, "speed"),
    ],
)
def test_a_wrong_start_is_named(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(ProtocolError, match=f"raw: .*{problem}"):
        RawSerializer().feed(start(**fields))


@settings(deadline=None)
@given(
    channels=st.integers(1, 4),
    encoding=st.sampled_from([("s16le", 2), ("mulaw", 1), ("f32le", 4)]),
    frames=st.integers(0, 50),
    cuts=st.lists(st.integers(0, 800), max_size=5),
)
def test_interleaved_audio_cut_anywhere_comes_back_channel_by_channel(
    channels: int, encoding: tuple[str, int], frames: int, cuts: list[int]
) -> None:
    name, width = encoding
    audio = bytes(number % 251 for number in range(frames * channels * width))
    serializer = RawSerializer()
    serializer.feed(start(encoding=name, channels=channels, roles=[f"role{n}" for n in range(channels)]))
    got = [b""] * channels
    bounds = [0, *sorted(cuts), len(audio)]
    for first, last in pairwise(bounds):
        for item in serializer.feed(audio[first:last]):
            assert isinstance(item, AudioFrame)
            got[item.channel] += item.data
    samples = [audio[at : at + width] for at in range(0, len(audio), width)]
    assert got == [b"".join(samples[channel::channels]) for channel in range(channels)]


def test_digits_marks_and_the_end() -> None:
    serializer = RawSerializer()
    serializer.feed(start(**TWO))
    assert serializer.feed('{"type": "dtmf", "digit": "a", "channel": 1}') == [Dtmf("A", 1)]
    assert serializer.feed('{"type": "mark", "name": "transferred"}') == [Mark("transferred")]
    assert serializer.feed('{"type": "stop"}') == [CallEnded("stopped by the sender")]
    with pytest.raises(ProtocolError, match="after the end"):
        serializer.feed(b"1234")


@pytest.mark.parametrize(
    "early", [b"1234", '{"type": "dtmf", "digit": "1"}', '{"type": "mark", "name": "m"}']
)
def test_nothing_comes_before_the_start(early: str | bytes) -> None:
    with pytest.raises(ProtocolError, match="before the start"):
        RawSerializer().feed(early)


@pytest.mark.parametrize(
    "wrong", ['{"type": "dtmf", "digit": "12"}', '{"type": "dtmf", "digit": "1", "channel": 2}']
)
def test_a_wrong_digit_is_named(wrong: str) -> None:
    serializer = RawSerializer()
    serializer.feed(start(**TWO))
    with pytest.raises(ProtocolError, match="dtmf"):
        serializer.feed(wrong)


def packet(channel: int, position: int, data: bytes) -> bytes:
    return bytes([channel]) + position.to_bytes(4, "big") + data


def test_packets_carry_their_channel_and_position() -> None:
    serializer = RawSerializer()
    serializer.feed(start(**TWO, packets=True))
    assert serializer.feed(packet(1, 320, b"abc")) == [AudioFrame(1, b"abc", 320)]
    assert serializer.feed(packet(0, 0, b"")) == []


@pytest.mark.parametrize(("codec", "rate"), [("g722", 16_000), ("opus", 48_000)])
def test_coded_packets_are_decoded(codec: str, rate: int) -> None:
    sound = np.sin(np.arange(16_000) * 2 * np.pi * 300 / 16_000).astype(np.float32) / 4
    serializer = RawSerializer()
    (started,) = serializer.feed(start(encoding=codec, packets=True, call="c"))
    assert started == CallStarted("c", rate, "s16le", ("customer",))
    decoded = b""
    for number, coded in enumerate(encoded(codec, sound)):
        (item,) = serializer.feed(packet(0, number * rate // 50, coded))
        assert isinstance(item, AudioFrame)
        assert item.position == number * rate // 50
        decoded += item.data
    samples = np.frombuffer(decoded, "<i2") / 2**15
    assert len(samples) == rate
    spectrum = np.abs(np.fft.rfft(samples[rate // 2 :]))
    assert int(spectrum.argmax()) == 150
    assert np.sqrt(np.mean(np.square(samples[rate // 2 :]))) == pytest.approx(0.25 / 2**0.5, rel=0.1)


def encoded(codec: str, sound: Any) -> list[bytes]:
    """Return packets of 20 ms."""
    context = av.CodecContext.create("libopus" if codec == "opus" else codec, "w")
    context.sample_rate, context.layout, context.format = 16_000, "mono", "s16"
    context.open()
    packets = []
    for first in range(0, len(sound), 320):
        piece = (sound[None, first : first + 320] * 2**15).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(piece, format="s16", layout="mono")
        frame.sample_rate, frame.pts = 16_000, first
        packets += [bytes(part) for part in context.encode(frame)]
    return packets


@pytest.mark.parametrize(
    ("fields", "message", "problem"),
    [
        ({"encoding": "opus"}, None, "packets"),
        ({"encoding": "opus", "packets": True, "rate": 8000}, None, "rate"),
        ({"packets": True}, b"\0\0\0\0", "header"),
        ({"packets": True}, packet(1, 0, b"ab"), "channel"),
        ({"packets": True}, packet(0, 0, b"abc"), "sample"),
        ({"packets": True, "encoding": "opus"}, packet(0, 0, b"\xff" * 3), "decoded"),
    ],
)
def test_wrong_packets_are_named(fields: dict[str, Any], message: bytes | None, problem: str) -> None:
    serializer = RawSerializer()
    if message is None:
        with pytest.raises(ProtocolError, match=f"raw: .*{problem}"):
            serializer.feed(start(**fields))
        return
    serializer.feed(start(**fields))
    with pytest.raises(ProtocolError, match=f"raw: .*{problem}"):
        serializer.feed(message)
