"""The channels of one recording, pipe or device, each as a source of its own."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from stream_emo.audio.base import Lost, Reader, ReadItem, Source
from stream_emo.audio.file.reader import FileReader
from stream_emo.audio.pipe import PipeReader, PipeSource
from stream_emo.audio.reader_source import PacedSource, ReaderSource
from stream_emo.calls.shared_items import SharedItems
from stream_emo.config import AudioConfig
from stream_emo.errors import SourceError
from stream_emo.types import Notice

Roles = Sequence[tuple[str, int]]
"""Roles, and the channel of the audio that carries each; see `parse_roles`."""

_AHEAD_FILE_S = 1.0
"""How far one channel of a file may be read before another, s: their events come nearly in order of time."""
_AHEAD_PIPE_S = 12.0
"""The same of a pipe, s: more than a `PipeSource` reads of it before it knows the producer's pace."""


class ChannelSplit:
    """Reads interleaved channels once, and gives each to a reader of its own. Thread-safe."""

    def __init__(self, reader: Reader, channels: Sequence[int], ahead_s: float) -> None:
        """Split `reader` into these channels, counted from 0; `ahead_s`: see `SharedItems`."""
        self.reader = reader
        self._channels = channels
        self._items: SharedItems[ReadItem] = SharedItems(
            channels, ahead_s, part=_part, length_s=lambda item: _length(item) / self.rate
        )
        self._lock = threading.Lock()
        self._opened = self._closed = False
        self._rate_lock = threading.Lock()
        self._rate: int | None = None

    def open(self) -> None:
        """Open the reader, once. Raises `SourceError`."""
        with self._lock:
            if not self._opened:
                self.reader.open()
                self._opened = True

    @property
    def rate(self) -> int:
        """Frames per second; it may wait for the header of a stream. Raises `SourceError`."""
        with self._rate_lock:  # Not the other one: `close` must not wait for a header.
            if self._rate is None:
                self._rate = self.reader.rate
            return self._rate

    def read(self, channel: int, count: int) -> ReadItem:
        """Return what comes next on a channel, see `Reader.read`.

        Raises:
            SourceError: there is no such channel, or the audio can no longer be read.
        """
        item = self._items.take(channel, lambda: self._read(count))
        return np.zeros((0, 1), np.float32) if item is None else item

    def stop(self, channel: int) -> None:
        """Give nothing more to a channel; with the last one, end a waiting read."""
        if self._items.stop(channel):
            self.reader.stop()

    def close(self, channel: int) -> None:
        """Stop a channel, and close the reader with the last one."""
        last = self._items.stop(channel)
        with self._lock:
            closing = last and self._opened and not self._closed
            self._closed = self._closed or closing
        if closing:
            self.reader.close()

    def _read(self, count: int) -> ReadItem | None:
        item = self.reader.read(count)
        if not isinstance(item, np.ndarray):
            return item
        if not len(item):
            return None
        missing = [channel for channel in self._channels if channel >= item.shape[1]]
        if missing:
            raise missing_channel(self.reader.name, missing[0], item.shape[1])
        return item


class _ChannelReader:
    """One channel of a split, as a reader. The first of a pipe decides for all whether it is live."""

    def __init__(self, split: ChannelSplit, channel: int, decides: Source | None = None) -> None:
        self._split, self._channel, self._decides = split, channel, decides
        self.name = split.reader.name

    @property
    def rate(self) -> int:
        return self._split.rate

    @property
    def live(self) -> bool | None:
        if self._decides is not None:
            return self._decides.live
        live: bool | None = getattr(self._split.reader, "live", None)
        return live

    def open(self) -> None:
        self._split.open()

    def read(self, count: int) -> ReadItem:
        return self._split.read(self._channel, count)

    def stop(self) -> None:
        self._split.stop(self._channel)

    def close(self) -> None:
        self._split.close(self._channel)


def file_sources(
    path: Path | str, roles: Roles, config: AudioConfig, *, realtime: bool = False
) -> list[tuple[str, Source]]:
    """Return a source for each role, of a file that was opened; `realtime`: at the pace of a microphone.

    Raises:
        SourceError: the file cannot be read, or has no such channel.
    """
    reader = FileReader(path, replace(config, channel=-1))
    channels = [channel for _, channel in roles]
    split = ChannelSplit(reader, channels, _AHEAD_FILE_S)
    split.open()
    if max(channels) >= reader.channels:
        reader.close()
        raise missing_channel(reader.name, max(channels), reader.channels)
    return _sources(split, roles, config, realtime=realtime)


def pipe_sources(
    reader: PipeReader, roles: Roles, config: AudioConfig, *, live: bool | None = None, realtime: bool = False
) -> list[tuple[str, Source]]:
    """Return a source for each role, of standard input or a URL; it loses nothing if its producer can wait.

    `live`: None decides from the pace, for all channels alike; see `PipeSource`.
    """
    split = ChannelSplit(reader, [channel for _, channel in roles], _AHEAD_PIPE_S)
    if realtime:
        return _sources(split, roles, config, realtime=True)
    sources: list[tuple[str, Source]] = []
    for role, channel in roles:
        decides = sources[0][1] if sources else None
        channel_reader = _ChannelReader(split, channel, decides)
        sources.append((role, PipeSource(channel_reader, replace(config, channel=0), live=live)))
    return sources


def missing_channel(name: str, channel: int, there: int) -> SourceError:
    """Return the error for a role whose channel is not in the audio."""
    what = "is mono" if there == 1 else f"has {there} channels"
    return SourceError(f"{name}: {what}; the call's channel {channel}, counted from 0, is not there")


def _sources(
    split: ChannelSplit, roles: Roles, config: AudioConfig, *, realtime: bool
) -> list[tuple[str, Source]]:
    make = PacedSource if realtime else ReaderSource
    one = replace(config, channel=0)
    return [(role, make(_ChannelReader(split, channel), one)) for role, channel in roles]


def _length(item: ReadItem) -> int:
    return 0 if isinstance(item, Notice) else item.count if isinstance(item, Lost) else len(item)


def _part(item: ReadItem, channel: int, first: bool) -> ReadItem | None:
    """Return what of an item concerns a channel; a notice is told once."""
    if isinstance(item, np.ndarray):
        return np.ascontiguousarray(item[:, channel : channel + 1])
    return None if isinstance(item, Notice) and not first else item
