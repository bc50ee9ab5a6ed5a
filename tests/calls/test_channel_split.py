"""`stream_emo.calls.channel_split`: the channels of one reader, each as a source."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stream_emo.audio.base import Lost, ReadItem, Source
from stream_emo.calls.channel_split import ChannelSplit, file_sources, pipe_sources
from stream_emo.config import AudioConfig
from stream_emo.errors import SourceError
from stream_emo.types import SAMPLE_RATE, Chunk, Notice, Samples

ROLES = (("agent", 0), ("customer", 1))
CONFIG = AudioConfig()


class Scripted:
    """A reader that gives these items, then the end or a failure."""

    name = "scripted"
    rate = SAMPLE_RATE
    live: bool | None = False

    def __init__(self, items: Iterable[ReadItem], failure: SourceError | None = None) -> None:
        self._items = iter(items)
        self._failure = failure
        self.opened = self.closed = 0

    def open(self) -> None:
        self.opened += 1

    def read(self, count: int) -> ReadItem:
        item = next(self._items, None)
        if item is not None:
            return item
        if self._failure is not None:
            raise self._failure
        return np.zeros((0, 2), np.float32)

    def stop(self) -> None:
        pass

    def close(self) -> None:
        self.closed += 1


def stereo(seconds: float) -> tuple[Samples, Samples]:
    rng = np.random.default_rng(0)
    left, right = (rng.uniform(-0.5, 0.5, round(seconds * SAMPLE_RATE)).astype(np.float32) for _ in range(2))
    return left, right


def blocks(seconds: float, size: int = 700) -> list[ReadItem]:
    frames = np.stack(stereo(seconds), 1)
    return [frames[first : first + size] for first in range(0, len(frames), size)]


def taken(sources: list[tuple[str, Source]]) -> list[Samples]:
    """Return the samples of each source, which are read at the same time."""
    found: list[list[Samples]] = [[] for _ in sources]

    def take(number: int) -> None:
        source = sources[number][1]
        found[number] += [item.samples for item in source if isinstance(item, Chunk)]

    for _, source in sources:
        source.open()
    threads = [threading.Thread(target=take, args=(number,), daemon=True) for number in range(len(sources))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    for _, source in sources:
        source.close()
    return [np.concatenate(parts) for parts in found]


def test_each_channel_of_a_pipe_that_waits_arrives_whole_at_its_source() -> None:
    reader = Scripted(blocks(30.0))
    found = taken(pipe_sources(reader, ROLES, CONFIG))
    for samples, expected in zip(found, stereo(30.0), strict=True):
        np.testing.assert_array_equal(samples, expected)
    assert (reader.opened, reader.closed) == (1, 1)


def test_channels_may_be_in_any_order_and_left_out() -> None:
    found = taken(pipe_sources(Scripted(blocks(1.0)), [("customer", 1)], CONFIG))
    np.testing.assert_array_equal(found[0], stereo(1.0)[1])


def test_each_channel_of_a_file_arrives_whole_at_its_source(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    soundfile.write(path, np.stack(stereo(5.0), 1), SAMPLE_RATE, subtype="FLOAT")
    found = taken(file_sources(path, ROLES, CONFIG))
    for samples, expected in zip(found, stereo(5.0), strict=True):
        np.testing.assert_array_equal(samples, expected)


def test_no_channel_runs_ahead_of_another() -> None:
    split = ChannelSplit(Scripted(blocks(2.0, size=1600)), (0, 1), ahead_s=0.5)
    assert split.rate == SAMPLE_RATE
    read = 0

    def run() -> None:
        nonlocal read
        while length := len(np.asarray(split.read(0, 1600))):
            read += length

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(0.3)
    assert thread.is_alive()
    assert read <= SAMPLE_RATE // 2 + 1600
    split.stop(1)  # Nobody waits for a channel that was stopped.
    thread.join(5)
    assert read == 2 * SAMPLE_RATE


def test_losses_concern_all_channels_and_a_notice_is_told_once() -> None:
    split = ChannelSplit(Scripted([Notice("odd"), Lost(160, "missing")]), (0, 1), ahead_s=1.0)
    assert split.rate
    assert split.read(1, 100) == Lost(160, "missing")
    assert [split.read(0, 100), split.read(0, 100)] == [Notice("odd"), Lost(160, "missing")]
    assert all(len(np.asarray(split.read(channel, 100))) == 0 for channel in (0, 1))


def test_a_failure_is_raised_on_every_channel_after_what_was_read() -> None:
    split = ChannelSplit(Scripted(blocks(0.01), SourceError("scripted: broken")), (0, 1), ahead_s=1.0)
    assert split.rate
    for channel in (0, 1):
        assert len(np.asarray(split.read(channel, 700)))
        with pytest.raises(SourceError, match="broken"):
            split.read(channel, 700)


def test_a_channel_that_is_not_there_is_an_error_of_all() -> None:
    split = ChannelSplit(Scripted(blocks(0.1)), (0, 2), ahead_s=1.0)
    assert split.rate
    for channel in (0, 2):
        with pytest.raises(SourceError, match="has 2 channels; the call's channel 2"):
            split.read(channel, 700)


def test_a_mono_file_is_no_call_of_two(tmp_path: Path) -> None:
    path = tmp_path / "mono.wav"
    soundfile.write(path, stereo(1.0)[0], SAMPLE_RATE)
    with pytest.raises(SourceError, match=r"mono\.wav: is mono; the call's channel 1"):
        file_sources(path, ROLES, CONFIG)
