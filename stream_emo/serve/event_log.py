"""The replay log: the newest events of all calls, in order, in memory and on disk.

    entry = log.append(event)          # its id is larger than any before
    log.after(cursor, limit=256)       # what a reader that has seen `cursor` has missed

The file is written before an event is handed to anybody, so that a server that was killed and restarted can
replay whatever its clients may have seen. Ids never fall: an empty log begins at the time of day in ms.
"""

from __future__ import annotations

import errno
import logging
import os
import threading
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from stream_emo.errors import ConfigError
from stream_emo.events import Event
from stream_emo.runtime.private_files import create_private, exclusive

_log = logging.getLogger(__name__)

_DIGITS = 20
"""Of the names of the files."""
_SEGMENTS = 4
"""A segment of the file takes this part of the time that is kept, and is removed when all of it is older."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One event in the log."""

    id: int
    at: float
    """When it was published, s since 1970."""
    call: str
    channel: int
    json: bytes
    """The event as it is published."""


class EventLog:
    """Keeps events for `keep_s` s, at most `max_bytes` of them. Thread-safe."""

    def __init__(
        self,
        folder: Path | None,
        *,
        keep_s: float,
        max_bytes: int = 64 << 20,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Read what `folder` holds, which is made if need be; None: keep the log in memory only.

        Raises:
            ConfigError: the folder cannot be used, or another server uses it.
        """
        self._keep_s, self._max_bytes, self._clock = keep_s, max_bytes, clock
        self._lock = threading.Lock()
        self._entries: deque[Entry] = deque()
        self._bytes = 0
        self._segments: _Segments | None = None
        self._disk_failed = False
        if folder is not None:
            self._segments = _Segments(folder, keep_s / _SEGMENTS)
            try:
                entries = self._segments.read()
            except ConfigError:
                self._segments.close()
                raise
            for entry in entries:
                self._remember(entry)
            self._expire(clock())
        newest = self._entries[-1].id if self._entries else 0
        self._last = max(newest, int(clock() * 1000))
        self._gone = self._entries[0].id - 1 if self._entries else self._last
        self.watcher: Callable[[], object] = lambda: None
        """Called after every append, on the thread that appends."""

    @property
    def last(self) -> int:
        """Id of the newest event."""
        return self._last

    @property
    def gone(self) -> int:
        """Id up to which events have left the log: a reader that has seen less has missed some."""
        return self._gone

    @property
    def size(self) -> int:
        """Bytes of events in memory."""
        return self._bytes

    def append(self, event: Event) -> Entry:
        """Write an event to the file, then let readers have it.

        When the disk is full, the log goes on in memory alone, and says so once.
        """
        encoded = event.to_json().encode()
        with self._lock:
            now = self._clock()
            entry = Entry(self._last + 1, now, event.session, event.channel, encoded)
            self._write(entry)
            self._last = entry.id
            self._remember(entry)
            self._expire(now)
        self.watcher()
        return entry

    def after(self, cursor: int, *, limit: int) -> list[Entry]:
        """Return the first `limit` events after `cursor` that are still kept."""
        with self._lock:
            first = bisect_right(self._entries, cursor, key=lambda entry: entry.id)
            return list(islice(self._entries, first, first + limit))

    def erase(self, call: str) -> None:
        """Remove all events of a call from memory and disk."""
        with self._lock:
            self._entries = deque(entry for entry in self._entries if entry.call != call)
            self._bytes = sum(len(entry.json) for entry in self._entries)
            if self._segments is not None:
                self._segments.erase(call)

    def expire(self) -> None:
        """Remove what is older than is kept; `append` does it, too."""
        with self._lock:
            self._expire(self._clock())

    def close(self) -> None:
        """Close the file, which stays."""
        with self._lock:
            if self._segments is not None:
                self._segments.close()
                self._segments = None

    def _write(self, entry: Entry) -> None:
        if self._segments is None or self._disk_failed:
            return
        try:
            self._segments.write(entry)
        except OSError as error:
            _log.error("events are kept in memory only from now on: %s", error)
            self._disk_failed = True  # What is on disk is still to expire, and to be erased on demand.

    def _remember(self, entry: Entry) -> None:
        self._entries.append(entry)
        self._bytes += len(entry.json)

    def _expire(self, now: float) -> None:
        oldest = now - self._keep_s
        while self._entries and (self._entries[0].at < oldest or self._bytes > self._max_bytes):
            entry = self._entries.popleft()
            self._gone = entry.id
            self._bytes -= len(entry.json)
        if self._segments is not None:
            self._segments.expire(oldest)


class _Segments:
    """The files of a log, one line per event: id, time, call, channel, JSON. Only their owner may read."""

    def __init__(self, folder: Path, span_s: float) -> None:
        self._folder, self._span_s = folder, span_s
        self._file: BinaryIO | None = None
        self._path = folder
        """Of the open file."""
        self._begun = 0.0
        self._newest: dict[Path, float] = {}
        """When the newest event of each file was published; in order of age."""
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._guard = exclusive(folder / "lock")
        except OSError as error:
            raise ConfigError(
                f"serve.state_dir: {folder} cannot be used ({error.strerror or error}); name another folder, "
                "or end the server that uses it"
            ) from error

    def read(self) -> list[Entry]:
        """Return all whole entries on disk, in order; what a killed server wrote half is left out."""
        entries: list[Entry] = []
        # Only what this class has written: the folder may be one that holds other logs.
        for path in sorted(self._folder.glob("[0-9]" * _DIGITS + ".log")):
            try:
                lines = path.read_bytes().splitlines()
            except OSError as error:
                raise ConfigError(
                    f"serve.state_dir: {path} cannot be read ({error.strerror}); remove it"
                ) from error
            found = [entry for line in lines if (entry := _parsed(line))]
            entries += found
            if found:
                self._newest[path] = found[-1].at
            else:
                path.unlink()
        return entries

    def write(self, entry: Entry) -> None:
        """Append one line with one system call: what was written survives the death of the process."""
        if self._file is None or entry.at - self._begun > self._span_s:
            self._next(entry)
        assert self._file is not None
        line = _line(entry)
        if self._file.write(line) < len(line):  # What is left of a disk that is nearly full.
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._newest[self._path] = entry.at

    def expire(self, oldest: float) -> None:
        for path, newest in list(self._newest.items()):
            if newest >= oldest:
                break
            if path == self._path:
                self._close_file()
            path.unlink(missing_ok=True)
            del self._newest[path]

    def erase(self, call: str) -> None:
        self._close_file()
        for path in list(self._newest):
            found = [entry for line in path.read_bytes().splitlines() if (entry := _parsed(line))]
            kept = b"".join(_line(entry) for entry in found if entry.call != call)
            try:
                with create_private(path.with_suffix(".new")) as file:
                    file.write(kept)
                path.with_suffix(".new").replace(path)
            except OSError as error:  # Erased is more than replayable.
                _log.error("events of other calls are lost after a crash, too: %s", error)
                path.unlink(missing_ok=True)
                path.with_suffix(".new").unlink(missing_ok=True)
                del self._newest[path]

    def close(self) -> None:
        self._close_file()
        self._guard.close()

    def _next(self, entry: Entry) -> None:
        self._close_file()
        self._path = self._folder / f"{entry.id:0{_DIGITS}d}.log"
        self._file = create_private(self._path)
        self._begun = entry.at

    def _close_file(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _line(entry: Entry) -> bytes:
    return f"{entry.id} {entry.at:.3f} {entry.call} {entry.channel} ".encode() + entry.json + b"\n"


def _parsed(line: bytes) -> Entry | None:
    try:
        number, at, call, channel, json = line.split(b" ", 4)
        entry = Entry(int(number), float(at), call.decode(), int(channel), json)
    except ValueError:
        return None
    return entry if json.startswith(b"{") and json.endswith(b"}") else None
