"""PCM that is not what was declared, on the demo's speech."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from stream_emo.audio.pcm import Encoding, PcmFormat
from stream_emo.audio.pcm_check import PcmCheck
from stream_emo.audio.source import open_source
from stream_emo.config import AudioConfig
from stream_emo.demo import CLIP
from stream_emo.types import SAMPLE_RATE, Chunk


@pytest.fixture(scope="module")
def integers() -> NDArray[np.int16]:
    source = open_source(str(CLIP), AudioConfig())
    source.open()
    samples = np.concatenate([item.samples for item in source if isinstance(item, Chunk)])
    source.close()
    return (samples[: 12 * SAMPLE_RATE] * 32767).astype("<i2")


def companded(integers: NDArray[np.int16], encoding: Encoding) -> bytes:
    """Return the codes that decode to the nearest values."""
    values = PcmFormat(encoding=encoding).decode(bytes(range(256)))[:, 0]
    order = np.argsort(values)
    nearest = np.searchsorted(values[order], integers / 32768).clip(0, 255)
    return order[nearest].astype(np.uint8).tobytes()


def coded(integers: NDArray[np.int16], what: str) -> bytes:
    noise = np.random.default_rng(0).integers(0, 2**16, len(integers))
    match what:
        case "s16le":
            return integers.tobytes()
        case "s16be":
            return integers.astype(">i2").tobytes()
        case "s16le, cut":
            return integers.tobytes()[1:]
        case "s32le":
            return (integers.astype("<i4") * 2**16 + noise).astype("<i4").tobytes()
        case "f32le":
            return (integers / 32768 * 0.9).astype("<f4").tobytes()
        case "stereo":
            return np.repeat(integers, 2).tobytes()
        case "two voices":
            return np.stack([integers, np.roll(integers, 30_000) // 2], 1).astype("<i2").tobytes()
    return companded(integers, "mulaw" if what == "mulaw" else "alaw")


def judged(data: bytes, pcm: PcmFormat, block: int = 9600) -> list[str]:
    check = PcmCheck(pcm)
    data = data[: len(data) // pcm.width * pcm.width]
    return [
        wrong for first in range(0, len(data), block) if (wrong := check.feed(data[first : first + block]))
    ]


@pytest.mark.parametrize(
    ("true", "declared", "remedy"),
    [
        ("mulaw", "s16le", "encoding = mulaw"),
        ("alaw", "s16le", "encoding = alaw"),
        ("f32le", "s16le", "encoding = f32le"),
        ("s32le", "s16le", "encoding = s32le"),
        ("s16be", "s16le", "converted first"),
        ("s16le, cut", "s16le", "a byte is lost"),
        ("stereo", "s16le", "channels = 2"),
        ("two voices", "s16le", "channels = 2"),
        ("s16le", "mulaw", "encoding = s16le"),
        ("s16le", "alaw", "encoding = s16le"),
        ("f32le", "s32le", "encoding = f32le"),
        ("s16le", "f32le", "encoding = s16le"),
        ("s32le", "f32le", "encoding = s32le"),
    ],
)
def test_a_contradiction_is_told_once_with_the_remedy(
    integers: NDArray[np.int16], true: str, declared: Encoding, remedy: str
) -> None:
    (wrong,) = judged(coded(integers, true), PcmFormat(encoding=declared))
    assert wrong.startswith(f"declared as {declared}, 1 channel, but it looks like")
    assert remedy in wrong


@pytest.mark.parametrize("encoding", ["s16le", "s32le", "f32le", "mulaw", "alaw"])
@pytest.mark.parametrize("rate", [8000, 16_000])
def test_what_was_declared_is_believed(integers: NDArray[np.int16], encoding: Encoding, rate: int) -> None:
    assert judged(coded(integers, encoding), PcmFormat(rate, encoding=encoding)) == []


def test_noise_and_silence_contradict_nothing() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 10 * SAMPLE_RATE)
    assert judged((noise * 32767).astype("<i2").tobytes(), PcmFormat()) == []
    check = PcmCheck(PcmFormat())
    assert check.feed(bytes(20 * 2 * SAMPLE_RATE)) is None
    assert not check.done
