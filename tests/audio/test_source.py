from __future__ import annotations

import io
import os
import threading
import time
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from stream_emo.audio.base import Frames, Lost, Reader, ReadItem, Source, SourceCounts
from stream_emo.audio.file.reader import FileReader
from stream_emo.audio.microphone import Microphone
from stream_emo.audio.pcm import PcmFormat
from stream_emo.audio.pipe import PipeSource
from stream_emo.audio.push import PushSource
from stream_emo.audio.reader_source import PacedSource, ReaderSource
from stream_emo.audio.source import check_options, open_source
from stream_emo.audio.stdin import StdinReader
from stream_emo.config import AudioConfig
from stream_emo.errors import ConfigError, SourceError
from stream_emo.types import SAMPLE_RATE, Chunk, Gap, Notice, Samples, SourceItem
from tests.sources import ListSource

Start = Callable[..., Source]

CONFIG = AudioConfig()
BLOCK = 512
"""What `PacedSource` reads at a time, at 16 kHz."""


class ArrayReader:
    """Yields an array without waiting, then ends or raises `failure`; `ended` is set at that point."""

    name = "array"

    def __init__(self, frames: Frames, rate: int = SAMPLE_RATE, failure: Exception | None = None) -> None:
        self.rate = rate
        self.ended = threading.Event()
        self.opened = self.stopped = self.closed = 0
        self._frames = frames
        self._failure = failure

    def open(self) -> None:
        self.opened += 1

    def read(self, count: int) -> Frames:
        frames, self._frames = self._frames[:count], self._frames[count:]
        if len(frames) == 0:
            self.ended.set()
            if self._failure is not None:
                raise self._failure
        return frames

    def stop(self) -> None:
        self.stopped += 1

    def close(self) -> None:
        self.closed += 1


class GatedReader(ArrayReader):
    """Gives the first block at once, the others after `gate` was set."""

    def __init__(self, frames: Frames) -> None:
        super().__init__(frames)
        self.gate = threading.Event()
        self._reads = 0

    def read(self, count: int) -> Frames:
        self._reads += 1
        if self._reads > 1:
            self.gate.wait(5)
        return super().read(count)


class EndlessReader(ArrayReader):
    def read(self, count: int) -> Frames:
        return np.zeros((count, 1), np.float32)


def noise(count: int, channels: int = 1) -> Frames:
    return np.random.default_rng(0).uniform(-0.5, 0.5, (count, channels)).astype(np.float32)


def joined(items: Iterable[SourceItem]) -> Samples:
    return np.concatenate([item.samples for item in items if isinstance(item, Chunk)])


def paced(reader: Reader, config: AudioConfig = CONFIG) -> PacedSource:
    source = PacedSource(reader, config)
    source.open()
    return source


def fast(reader: Reader, config: AudioConfig = CONFIG) -> ReaderSource:
    source = ReaderSource(reader, config)
    source.open()
    return source


def outcome(source: Source) -> tuple[list[SourceItem], str]:
    """What it gives, and what it raises then."""
    items: list[SourceItem] = []
    try:
        items.extend(source)
    except SourceError as error:
        return items, str(error)
    return items, ""


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "stream_emo-pace"]


@pytest.mark.parametrize(
    ("spec", "realtime", "kind", "name"),
    [
        ("mic", False, Microphone, "mic"),
        ("-", False, PipeSource, "stdin"),
        ("-", True, PacedSource, "stdin"),
        ("call.wav", False, ReaderSource, "call.wav"),
        ("./mic", False, ReaderSource, "mic"),
        (Path("mic"), False, ReaderSource, "mic"),
        (Path("call.wav"), True, PacedSource, "call.wav"),
    ],
)
def test_open_source_finds_the_kind(spec: str | Path, realtime: bool, kind: type[Source], name: str) -> None:
    source = open_source(spec, CONFIG, realtime=realtime)
    assert isinstance(source, kind)
    assert (source.name, source.live) == (name, kind is not ReaderSource)
    assert source.counts() == SourceCounts()


def test_open_source_takes_a_source_as_it_is() -> None:
    source = ListSource([])
    assert open_source(source, CONFIG, realtime=True) is source


@pytest.mark.parametrize(
    "spec",
    [b"\0\0", bytearray(2), memoryview(b""), None, 7, 1.5, io.BytesIO(b"RIFF"), object(), PushSource, len],
    ids=lambda spec: type(spec).__name__,
)
@pytest.mark.parametrize("rate", [None, SAMPLE_RATE])
def test_anything_else_is_one_error_that_names_its_type_and_the_remedy(spec: Any, rate: int | None) -> None:
    with pytest.raises(SourceError) as caught:
        open_source(spec, CONFIG, rate=rate)
    assert str(caught.value) == (
        f"source: {type(spec).__name__} cannot be listened to; "
        'give "mic", a path, an array or an iterable of arrays with their rate, '
        "or a PushSource, which takes bytes"
    )


@pytest.mark.parametrize("spec", [np.zeros(4), [np.zeros(4)], iter([np.zeros(4)])])
def test_an_array_without_a_rate_is_asked_for_it(spec: Any) -> None:
    with pytest.raises(SourceError, match=r"does not say its rate; give it too, for example rate=16000$"):
        open_source(spec, CONFIG)


def test_a_reader_of_ones_own_is_a_source() -> None:
    frames = noise(1000)
    source = open_source(ArrayReader(frames), CONFIG)
    assert isinstance(source, ReaderSource)
    np.testing.assert_array_equal(joined(source), frames[:, 0])
    assert isinstance(open_source(FileReader("a.wav"), CONFIG, realtime=True), PacedSource)


@pytest.mark.parametrize(
    ("spec", "options", "message"),
    [
        ("a.wav", {"pcm": PcmFormat()}, "describe PCM on standard input (-); they do not apply to a.wav"),
        ("mic", {"pcm": PcmFormat()}, "describe PCM on standard input (-); they do not apply to mic"),
        (np.zeros(4), {"pcm": PcmFormat()}, "they do not apply to ndarray"),
        ("a.wav", {"device": "USB"}, "a device applies to the microphone (mic) only, not to a.wav"),
        ("-", {"device": "USB"}, "a device applies to the microphone (mic) only, not to -"),
        (Path("mic"), {"rate": 8000}, "does not apply to mic"),
        ("-", {"rate": 8000}, "does not apply to -"),
        (ListSource([]), {"rate": 8000}, "does not apply to ListSource"),
        (FileReader("a.wav"), {"rate": 8000}, "does not apply to FileReader"),
    ],
)
def test_an_option_that_does_not_apply_is_an_error(spec: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_options(spec, **options)
    assert message in str(caught.value)
    if "device" not in options:
        with pytest.raises(ConfigError):
            open_source(spec, CONFIG, **options)


@pytest.mark.parametrize(
    ("spec", "options"),
    [
        ("mic", {"device": "USB"}),
        ("-", {"pcm": PcmFormat()}),
        (np.zeros(4), {"rate": 8000}),
        ([], {"rate": 8000}),
        ("a.wav", {}),
    ],
)
def test_an_option_that_applies_is_accepted(spec: Any, options: dict[str, Any]) -> None:
    check_options(spec, **options)


@pytest.mark.parametrize("spec", ["a\0b.wav", "", "x" * 5000])
def test_what_is_no_path_is_an_error_when_opened(spec: str) -> None:
    with pytest.raises(SourceError):
        open_source(spec, CONFIG).open()


def test_a_file_comes_through_resampled_in_order_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(100_000, channels=2), 48_000)
    source = open_source(path, CONFIG)
    source.open()
    items = list(source)
    source.close()
    chunks = [item for item in items if isinstance(item, Chunk)]
    assert len(chunks) == len(items)
    assert [0, *(chunk.end for chunk in chunks)] == [*(chunk.start for chunk in chunks), 33_333]
    assert source.counts() == SourceCounts(offered=33_333, taken=33_333)
    assert not source.stopped


def test_a_missing_file_is_found_missing_when_opened(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="No such file or directory"):
        open_source(tmp_path / "no.wav", CONFIG).open()


@pytest.mark.parametrize("channel", [0, 1, -1])
def test_the_configured_channel_is_heard(channel: int) -> None:
    frames = noise(2000, channels=2)
    heard = joined(fast(ArrayReader(frames), AudioConfig(channel=channel)))
    expected = frames.mean(1) if channel < 0 else frames[:, channel]
    np.testing.assert_array_equal(heard, expected)


@pytest.mark.parametrize("start", [fast, paced])
def test_the_channel_that_is_not_there_is_named(start: Start) -> None:
    source = start(ArrayReader(noise(2000)), AudioConfig(channel=1))
    with pytest.raises(SourceError, match=r"^array: audio\.channel = 1, but there are 1 channels"):
        list(source)


@pytest.mark.parametrize("rate", [SAMPLE_RATE, 48_000])
@pytest.mark.parametrize("start", [fast, paced])
def test_a_reader_that_fails_midway_gives_everything_before(start: Start, rate: int) -> None:
    count = rate // 20 + 1
    source = start(ArrayReader(noise(count), rate, SourceError("array: breaks off")))
    items, failure = outcome(source)
    assert failure == "array: breaks off"
    assert len(joined(items)) == count * SAMPLE_RATE // rate == source.counts().taken
    assert not source.stopped


@pytest.mark.parametrize("count", [0, 2])
@pytest.mark.parametrize("start", [fast, paced])
def test_no_audio_at_all_is_an_error(start: Start, count: int) -> None:
    source = start(ArrayReader(noise(count), 48_000))
    assert outcome(source) == ([], "array: no audio in it")


def test_broken_samples_are_a_gap_and_clipped_ones_are_counted() -> None:
    frames = noise(1000)
    frames[10:20] = 1.0
    frames[500:600] = np.nan
    source = fast(ArrayReader(frames))
    assert [item for item in source if isinstance(item, Gap)] == [Gap(500, 600, "invalid")]
    assert source.counts() == SourceCounts(offered=1000, taken=1000, clipped=10)


class HoleReader(ArrayReader):
    """Loses 500 frames after the first 1000, and says so."""

    def __init__(self, frames: Frames) -> None:
        super().__init__(frames[1000:])
        self._items: list[ReadItem] = [frames[:1000], Notice("a hole"), Lost(500, "missing")]

    def read(self, count: int) -> ReadItem:  # type: ignore[override]
        return self._items.pop(0) if self._items else super().read(count)


@pytest.mark.parametrize("start", [fast, paced])
def test_what_a_reader_lost_is_a_gap_and_its_notice_comes_in_order(start: Start) -> None:
    frames = noise(3000)
    source = start(HoleReader(frames))
    items = list(source)
    (at,) = (at for at, item in enumerate(items) if item == Notice("a hole"))
    assert items[at + 1] == Gap(1000, 1500, "missing")
    before, after = joined(items[:at]), joined(items[at + 2 :])
    assert np.array_equal(np.concatenate([before, after]), frames[:, 0])
    assert isinstance(items[at + 2], Chunk)
    assert items[at + 2].start == 1500


def test_a_file_stopped_midway_ends_with_what_was_read() -> None:
    reader = EndlessReader(noise(0), 48_000)
    source = fast(reader)
    items = iter(source)
    first = next(items)
    source.stop()
    heard = joined([first, *items])
    assert len(heard) == 8000 == source.counts().taken
    assert source.stopped
    source.close()
    assert (reader.opened, reader.stopped, reader.closed) == (1, 1, 1)


@pytest.mark.parametrize("start", [fast, paced])
def test_stopped_before_it_began_is_no_error(start: Start) -> None:
    source = start(EndlessReader(noise(0)))
    source.stop()
    assert outcome(source) == ([], "")
    assert source.stopped


@pytest.mark.parametrize("start", [fast, paced])
def test_stop_ends_the_wait_for_a_silent_pipe(start: Start) -> None:
    descriptor, sink = os.pipe()
    source = start(StdinReader(PcmFormat(), descriptor))
    outcomes: list[tuple[list[SourceItem], str]] = []
    thread = threading.Thread(target=lambda: outcomes.append(outcome(source)))
    thread.start()
    source.stop()
    thread.join(timeout=5)
    assert outcomes == [([], "")]
    source.close()
    os.close(descriptor)
    os.close(sink)


@pytest.mark.parametrize("rate", [8000, SAMPLE_RATE, 44_100])
def test_paced_and_unpaced_give_the_same_samples(rate: int) -> None:
    frames = noise(rate // 10 + 3)
    source = paced(ArrayReader(frames, rate))
    heard = joined(source)
    assert heard.tobytes() == joined(fast(ArrayReader(frames, rate))).tobytes()
    assert source.counts() == SourceCounts(offered=len(heard), taken=len(heard))
    assert not source.stopped
    assert threads() == []


def test_the_pace_is_that_of_speech() -> None:
    begun = time.monotonic()
    chunks = list(paced(ArrayReader(noise(10 * BLOCK))))
    assert len(chunks) == 10
    for number, chunk in enumerate(chunks, start=1):
        assert isinstance(chunk, Chunk)
        assert chunk.arrived is not None
        # Never early; how late depends on the machine.
        assert begun + number * BLOCK / SAMPLE_RATE <= chunk.arrived <= time.monotonic()


@pytest.mark.parametrize("make", [paced, fast])
def test_a_paused_reader_waits_and_loses_nothing(make: Callable[[Reader], Source]) -> None:
    frames = noise(40 * BLOCK)
    source = make(ArrayReader(frames))
    source.open()
    source.pause()
    heard: list[SourceItem] = []
    listening = threading.Thread(target=lambda: heard.extend(source))
    listening.start()
    listening.join(0.1)
    assert heard == []
    source.resume()
    listening.join(10)
    np.testing.assert_array_equal(joined(heard), frames[:, 0])
    assert source.counts() == SourceCounts(offered=len(frames), taken=len(frames))


@pytest.mark.parametrize("make", [paced, fast])
def test_stop_ends_a_pause(make: Callable[[Reader], Source]) -> None:
    source = make(ArrayReader(noise(40 * BLOCK)))
    source.open()
    source.pause()
    listening = threading.Thread(target=lambda: list(source))
    listening.start()
    source.stop()
    listening.join(5)
    assert not listening.is_alive()


def test_a_slow_listener_loses_the_newest_and_is_told_exactly_what() -> None:
    frames = noise(10 * BLOCK)
    reader = GatedReader(frames)
    source = paced(reader, AudioConfig(buffer_s=3 * BLOCK / SAMPLE_RATE))
    items = iter(source)
    first = next(items)
    reader.gate.set()
    assert reader.ended.wait(5)
    rest = list(items)
    assert [item.start for item in (first, *rest) if isinstance(item, Chunk)] == list(
        range(0, 4 * BLOCK, BLOCK)
    )
    assert rest[3:] == [Gap(4 * BLOCK, 10 * BLOCK, "overflow")]
    np.testing.assert_array_equal(joined([first, *rest]), frames[: 4 * BLOCK, 0])
    assert source.counts() == SourceCounts(offered=10 * BLOCK, taken=4 * BLOCK, dropped=6 * BLOCK)


def test_stop_ends_a_paced_source_after_what_is_queued() -> None:
    source = paced(EndlessReader(noise(0)))
    items = iter(source)
    next(items)
    source.stop()
    rest = list(items)
    counts = source.counts()
    assert (counts.taken, counts.dropped, counts.queued) == ((1 + len(rest)) * BLOCK, 0, 0)
    assert source.stopped
    assert threads() == []


def test_an_iteration_that_is_left_leaves_no_thread() -> None:
    reader = EndlessReader(noise(0))
    items = iter(paced(reader))
    next(items)
    assert threads() == ["stream_emo-pace"]
    assert isinstance(items, Generator)
    items.close()
    assert threads() == []
    assert reader.stopped == 1


def test_any_failure_of_the_reading_thread_reaches_the_listener() -> None:
    source = paced(ArrayReader(noise(BLOCK), failure=RuntimeError("a mistake")))
    items = iter(source)
    assert isinstance(next(items), Chunk)
    with pytest.raises(RuntimeError, match="a mistake"):
        next(items)
    assert threads() == []


def test_a_microphone_has_a_pace_of_its_own() -> None:
    with pytest.raises(ConfigError, match="realtime"):
        open_source("mic", AudioConfig(), realtime=True)
