from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pytest

from stream_emo.audio.arrays import ArrayReader, ChunksReader, as_frames
from stream_emo.audio.source import open_source
from stream_emo.config import AudioConfig
from stream_emo.errors import ConfigError, SourceError
from stream_emo.types import SAMPLE_RATE, Chunk, Samples

FLOATS = np.array([0.0, 0.5, -0.5, -1.0], np.float32)


def heard(spec: Any, **options: Any) -> Samples:
    """Return the items that the pipeline receives."""
    source = open_source(spec, AudioConfig(), **options)
    source.open()
    try:
        return np.concatenate([item.samples for item in source if isinstance(item, Chunk)])
    finally:
        source.close()


@pytest.mark.parametrize(
    "samples",
    [
        FLOATS,
        FLOATS.astype(np.float16),
        FLOATS.astype(np.float64),
        (FLOATS * 2**15).astype(np.int16),
        (FLOATS * 2**15).astype(">i2"),
        (FLOATS.astype(np.float64) * 2**31).astype(np.int32),
        (FLOATS * 128 + 128).astype(np.uint8),
    ],
    ids=lambda samples: str(samples.dtype),
)
def test_every_pcm_dtype_is_scaled_by_its_full_scale(samples: Any) -> None:
    np.testing.assert_array_equal(heard(samples, rate=SAMPLE_RATE), FLOATS)
    np.testing.assert_array_equal(heard(ArrayReader(samples, SAMPLE_RATE)), FLOATS)


def test_channels_are_columns_and_the_array_is_not_changed() -> None:
    stereo = np.stack([FLOATS, np.zeros(4, np.float32)], axis=1)
    before = stereo.copy()
    np.testing.assert_array_equal(heard(stereo, rate=SAMPLE_RATE), FLOATS / 2)
    np.testing.assert_array_equal(stereo, before)


@pytest.mark.parametrize("realtime", [False, True])
@pytest.mark.parametrize("rate", [8000, 44_100])
def test_chunks_of_any_size_give_what_the_whole_array_gives(rate: int, realtime: bool) -> None:
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, rate // 10)
    sizes = (1, 0, 700, 33, len(samples))
    cuts = np.cumsum(sizes)[:-1]
    whole = heard(samples, rate=rate)
    assert len(whole) == len(samples) * SAMPLE_RATE // rate
    np.testing.assert_array_equal(heard(np.split(samples, cuts), rate=rate, realtime=realtime), whole)
    np.testing.assert_array_equal(heard(ChunksReader(iter(np.split(samples, cuts)), rate)), whole)


def test_an_infinite_generator_is_read_only_as_far_as_it_is_listened_to() -> None:
    made = []

    def endless() -> Iterator[Samples]:
        while True:
            made.append(np.zeros(1600, np.float32))
            yield made[-1]

    source = open_source(endless(), AudioConfig(), rate=SAMPLE_RATE)
    source.open()
    items = iter(source)
    for _ in range(3):
        next(items)
    source.stop()
    assert list(items) == []
    assert len(made) == 3


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros(4, np.int64), "x: dtype int64; give float in"),
        (np.zeros(4, np.int8), "x: dtype int8; give float in"),
        (np.zeros(4, np.complex64), "x: dtype complex64; give float in"),
        (np.zeros(4, bool), "x: dtype bool; give float in"),
        (np.array(["a"]), "x: dtype <U1; give float in"),
        (np.float32(0.5), r"x: shape \(\); give \[samples\] or \[samples, channels"),
        (np.zeros((2, 48_000)), r"x: shape \(2, 48000\); give \[samples\]"),
        (np.zeros((4, 0)), r"x: shape \(4, 0\)"),
        (np.zeros((2, 2, 2)), r"x: shape \(2, 2, 2\)"),
        ([0.0, 0.5], "x: list is not an array of samples; give float in"),
        (b"\0\0", "x: bytes is not an array of samples"),
        (None, "x: NoneType is not an array"),
    ],
)
def test_what_is_not_an_array_of_samples_is_named(samples: Any, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        as_frames(samples, "x")


class OnAnotherDevice:
    def __array__(self, *arguments: Any) -> Any:
        raise TypeError("can't convert cuda:0 device type tensor to numpy")


class BreaksOff:
    def __iter__(self) -> Iterator[Samples]:
        yield FLOATS
        raise OSError("socket closed")


@pytest.mark.parametrize(
    ("chunks", "message"),
    [
        ([FLOATS, np.zeros(4, np.int64)], "chunks: chunk 1: dtype int64"),
        ([FLOATS, np.zeros((4, 2))], "chunks: chunk 1 has 2 channels, those before have 1"),
        ([FLOATS, b"\0\0"], "chunks: chunk 1: bytes is not an array"),
        ([0.0, 0.5], "chunks: chunk 0: float is not an array"),
        ({"left": FLOATS}, "chunks: chunk 0: str is not an array"),
        ([OnAnotherDevice()], "chunks: chunk 0: OnAnotherDevice is not an array of samples .*cuda:0"),
        (BreaksOff(), "chunks: OSError: socket closed"),
        ([], "chunks: no audio in it"),
    ],
)
@pytest.mark.parametrize("realtime", [False, True])
def test_a_bad_chunk_is_one_clear_error(chunks: Any, message: str, realtime: bool) -> None:
    with pytest.raises(SourceError, match=message):
        heard(chunks, rate=SAMPLE_RATE, realtime=realtime)


def test_what_came_before_a_bad_chunk_is_heard() -> None:
    source = open_source([FLOATS, None], AudioConfig(), rate=SAMPLE_RATE)  # type: ignore[list-item]
    source.open()
    items = iter(source)
    assert isinstance(next(items), Chunk)
    with pytest.raises(SourceError, match="chunk 1: NoneType"):
        next(items)


class Unreadable:
    def __iter__(self) -> Iterator[Samples]:
        raise OSError("no such call")


def test_an_iterable_that_cannot_begin_says_so_when_opened() -> None:
    chunks: Iterable[Samples] = Unreadable()
    with pytest.raises(SourceError, match="chunks: OSError: no such call"):
        open_source(chunks, AudioConfig(), rate=SAMPLE_RATE).open()


@pytest.mark.parametrize("rate", [0, 7999, 192_001, 16_000.0, "16000", True])
@pytest.mark.parametrize("spec", [FLOATS, [FLOATS]])
def test_a_rate_that_cannot_be_is_an_error(spec: Any, rate: Any) -> None:
    with pytest.raises(ConfigError, match=r"^rate = .*: must be an integer between 8000 and 192000$"):
        open_source(spec, AudioConfig(), rate=rate)


def test_an_empty_array_is_an_error() -> None:
    with pytest.raises(SourceError, match=r"^array: no audio in it$"):
        heard(np.zeros(0, np.float32), rate=SAMPLE_RATE)
