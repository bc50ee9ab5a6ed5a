from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from stream_emo.audio.base import Source, SourceCounts
from stream_emo.audio.pcm import Encoding, PcmFormat
from stream_emo.audio.push import PushSource
from stream_emo.audio.source import open_source
from stream_emo.config import AudioConfig
from stream_emo.errors import ConfigError, SourceError
from stream_emo.types import SAMPLE_RATE, Chunk, Gap, Samples, SourceItem

NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, SAMPLE_RATE).astype(np.float32)


def opened(source: PushSource, **config: Any) -> PushSource:
    """The source as a monitor opens it."""
    assert open_source(source, AudioConfig(**config)) is source
    source.open()
    return source


def audio(items: list[SourceItem]) -> Samples:
    return np.concatenate([item.samples for item in items if isinstance(item, Chunk)])


def test_is_a_live_source() -> None:
    source: Source = PushSource(8000, name="call 7")
    assert source.live
    assert source.name == "call 7"
    assert source.counts() == SourceCounts()


@pytest.mark.parametrize(("encoding", "cut"), [("s16le", 333), ("f32le", 1001), ("mulaw", 160), ("s16le", 1)])
def test_bytes_cut_anywhere_give_every_frame_in_order(encoding: Encoding, cut: int) -> None:
    data = np.random.default_rng(0).integers(0, 60, 8 * 500, np.uint8).tobytes()
    source = opened(PushSource(SAMPLE_RATE, channels=2, encoding=encoding))
    expected = PcmFormat(SAMPLE_RATE, 2, encoding).decode(data).mean(1)
    for first in range(0, len(data), cut):
        assert source.push(data[first : first + cut])
    source.end()
    items = list(source)
    np.testing.assert_array_equal(audio(items), expected)
    assert source.counts() == SourceCounts(offered=len(expected), taken=len(expected))
    assert not source.stopped


@pytest.mark.parametrize("rate", [8000, 48_000])
def test_arrays_are_resampled_and_copied(rate: int) -> None:
    source = opened(PushSource(rate))
    buffer = np.full(rate // 10, 0.25, np.float32)
    source.push(buffer)
    buffer[:] = 1.0
    source.push((np.full(rate // 10, 2**13)).astype(np.int16))
    source.end()
    heard = audio(list(source))
    assert len(heard) == SAMPLE_RATE // 5
    np.testing.assert_allclose(heard[500:-500], 0.25, atol=1e-3)


def test_chunks_say_when_they_arrived() -> None:
    source = opened(PushSource(SAMPLE_RATE, clock=lambda: 12.5))
    source.push(NOISE[:160])
    source.end()
    assert [item.arrived for item in source if isinstance(item, Chunk)] == [12.5]


def test_what_does_not_fit_is_dropped_counted_and_a_gap_and_push_never_waits() -> None:
    source = opened(PushSource(SAMPLE_RATE), buffer_s=1.0)
    assert source.push(NOISE)
    assert not source.push(NOISE[:100])
    assert not source.push(NOISE[:60])
    assert source.counts() == SourceCounts(offered=16_160, dropped=160, queued=16_000)
    items = iter(source)
    heard = [next(items), next(items)]
    assert source.push(NOISE[:10])
    source.end()
    heard += items
    assert heard[2:3] == [Gap(16_000, 16_160, "overflow")]
    np.testing.assert_array_equal(audio(heard), np.concatenate([NOISE, NOISE[:10]]))
    assert source.counts() == SourceCounts(offered=16_170, taken=16_010, dropped=160)


def test_of_much_at_once_as_much_as_fits_is_kept() -> None:
    source = opened(PushSource(SAMPLE_RATE), buffer_s=1.0)
    assert not source.push(np.concatenate([NOISE] * 3))
    source.end()
    items = list(source)
    assert len(audio(items)) == SAMPLE_RATE
    assert items[-1] == Gap(SAMPLE_RATE, 3 * SAMPLE_RATE, "overflow")


def test_what_is_pushed_before_the_monitor_opens_it_is_heard() -> None:
    source = PushSource(SAMPLE_RATE)
    source.push(NOISE)
    source.end()
    np.testing.assert_array_equal(audio(list(opened(source))), NOISE)


def test_the_configured_channel_is_heard_and_one_that_is_not_there_is_named() -> None:
    stereo = np.stack([NOISE, -NOISE], axis=1)
    source = opened(PushSource(SAMPLE_RATE, channels=2), channel=1)
    source.push(stereo)
    source.end()
    np.testing.assert_array_equal(audio(list(source)), -NOISE)
    source = opened(PushSource(SAMPLE_RATE, name="call"), channel=1)
    source.push(NOISE)
    with pytest.raises(SourceError, match=r"^call: audio\.channel = 1, but there are 1 channels"):
        next(iter(source))


def test_what_is_pushed_during_a_pause_is_a_gap_of_its_length() -> None:
    source = opened(PushSource(SAMPLE_RATE))
    source.push(NOISE[:100])
    source.pause()
    assert not source.push(NOISE[:50])
    assert not source.push(NOISE[:30])
    source.resume()
    source.push(NOISE[:20])
    source.end()
    items = list(source)
    assert [item for item in items if isinstance(item, Gap)] == [Gap(100, 180, "paused")]
    assert source.counts() == SourceCounts(offered=120, taken=120)


@pytest.mark.parametrize("how", ["stop", "close", "end"])
def test_pushing_into_a_source_that_has_ended_is_refused_without_an_error(how: str) -> None:
    source = opened(PushSource(SAMPLE_RATE))
    getattr(source, how)()
    assert not source.push(NOISE)
    assert list(source) == []
    assert source.stopped is (how != "end")


def test_stop_ends_the_wait_for_a_silent_producer() -> None:
    source = opened(PushSource(SAMPLE_RATE))
    items: list[SourceItem] = []
    consumer = threading.Thread(target=lambda: items.extend(source))
    consumer.start()
    source.push(NOISE)
    source.stop()
    consumer.join(5)
    assert not consumer.is_alive()
    np.testing.assert_array_equal(audio(items), NOISE)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.zeros((4, 2)), "push: an array with 2 channels was pushed; channels = 1 was given"),
        (np.zeros(4, np.int64), "push: dtype int64"),
        ("audio", "push: str is not an array of samples"),
        (None, "push: NoneType is not an array of samples"),
    ],
)
def test_what_is_not_audio_is_an_error_for_the_producer(data: Any, message: str) -> None:
    source = opened(PushSource(SAMPLE_RATE))
    with pytest.raises(SourceError, match=message):
        source.push(data)
    assert source.counts() == SourceCounts()


@pytest.mark.parametrize(
    "options",
    [{"rate": 100}, {"rate": 8000.5}, {"rate": 8000, "channels": 0}, {"rate": 8000, "encoding": "mp3"}],
)
def test_a_format_that_cannot_be_is_an_error(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        PushSource(**options)
