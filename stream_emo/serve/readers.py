"""Readers of the replay log: what each client of the event stream has still to be sent.

All on the event loop of the server. A reader first catches up from the log, then gets what comes, through a
bounded queue of its own; when that is full, it catches up from the log again. One that takes nothing for some
time, or that falls behind the log, is dropped with a reason. No other reader notices.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from stream_emo.serve.event_log import Entry, EventLog

_BATCH = 256
"""Events that are read from the log at once."""


class ReaderDropped(Exception):
    """The reader gets nothing any more; the message says why."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which events a reader wants; None: all."""

    call: str | None = None
    channel: int | None = None

    def takes(self, entry: Entry) -> bool:
        """Return whether this entry is among them."""
        return self.call in (None, entry.call) and self.channel in (None, entry.channel)


class Reader:
    """One client of the event stream."""

    def __init__(self, selection: Selection, cursor: int, capacity: int) -> None:
        """`cursor`: id of the last event that the client has seen."""
        self.selection, self.cursor = selection, cursor
        self._capacity = capacity
        self._queue: deque[Entry] = deque()
        self.live = False
        """Whether it has caught up with the log."""
        self.dropped: str | None = None
        """Why it was dropped."""
        self.left = False
        """Whether the client has gone."""
        self.changed = asyncio.Event()

    @property
    def waiting(self) -> int:
        """Events in the queue."""
        return len(self._queue)

    def put(self, entry: Entry) -> None:
        """Queue an event for the client; when its queue is full, it catches up from the log."""
        if not self.selection.takes(entry):
            return
        if len(self._queue) < self._capacity:
            self._queue.append(entry)
        else:
            self.cursor = self._queue[0].id - 1
            self._queue.clear()
            self.live = False
        self.changed.set()

    def drop(self, reason: str) -> None:
        """End the stream of this client."""
        self.dropped = self.dropped or reason
        self._queue.clear()
        self.changed.set()

    def leave(self) -> None:
        """Note that the client has gone."""
        self.left = True
        self._queue.clear()
        self.changed.set()

    def take(self) -> list[Entry]:
        """Return and forget what is queued."""
        entries = list(self._queue)
        self._queue.clear()
        self.changed.clear()
        return entries


class Readers:
    """All clients of the event stream."""

    def __init__(self, log: EventLog, *, capacity: int, most: int) -> None:
        """Serve at most `most` readers, each of which may be `capacity` events behind."""
        self._log, self._capacity, self._most = log, capacity, most
        self._readers: set[Reader] = set()
        self._cursor = log.last
        """Id of the last event that was given to live readers."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken = False
        self.closing: str | None = None
        """Why the server shuts down, once it does."""
        self.drops: Counter[str] = Counter()
        """Readers that were dropped, by kind: slow, stuck, refused."""

    def start(self) -> None:
        """Begin to pass on what is appended to the log; on the event loop."""
        self._loop = asyncio.get_running_loop()
        self._log.watcher = self._wake

    @property
    def count(self) -> int:
        """Number of readers."""
        return len(self._readers)

    @property
    def full(self) -> bool:
        """Whether no more readers are taken."""
        return self.closing is not None or len(self._readers) >= self._most

    def open(self, selection: Selection, after: int | None) -> Reader:
        """Register a reader that has seen events up to `after` (None: it wants those from now on)."""
        reader = Reader(selection, self._cursor if after is None else after, self._capacity)
        self._readers.add(reader)
        return reader

    def missed(self, reader: Reader) -> bool:
        """Return whether events that the reader has not seen have left the log."""
        return 0 < reader.cursor < self._log.gone

    async def batches(self, reader: Reader, idle_s: float) -> AsyncGenerator[list[Entry]]:
        """Yield the reader's events as they come, an empty list after `idle_s` s without any.

        Raises:
            ReaderDropped: the reader was too slow, or the server is shutting down.
        """
        # The client has been told of what had left the log before.
        reader.cursor = max(reader.cursor, self._log.gone)
        try:
            while not reader.left:
                batch = reader.take() if reader.live else self._catch_up(reader)
                if reader.dropped is not None:
                    raise ReaderDropped(reader.dropped)
                if batch:
                    yield batch
                elif reader.live:
                    if self.closing is not None:
                        raise ReaderDropped(self.closing)
                    try:
                        await asyncio.wait_for(reader.changed.wait(), idle_s)
                    except TimeoutError:
                        yield []
        finally:
            self._readers.discard(reader)

    def close(self, reason: str) -> None:
        """End every reader's stream after what is queued for it."""
        self._pass_on()
        self.closing = reason
        for reader in self._readers:
            reader.changed.set()

    def stuck(self, reader: Reader) -> None:
        """Note that a client did not take what was sent to it."""
        self.drops["stuck"] += 1
        self._readers.discard(reader)

    def erased(self, call: str) -> None:
        """Forget what is queued of an erased call."""
        for reader in self._readers:
            entries = [entry for entry in reader.take() if entry.call != call]
            for entry in entries:
                reader.put(entry)

    def _catch_up(self, reader: Reader) -> list[Entry]:
        """Return the next selected events of the log; the reader goes live at its end."""
        if reader.cursor < self._log.gone:
            self.drops["slow"] += 1
            reader.drop("events left the replay log before they were read")
            return []
        while True:
            entries = [
                entry for entry in self._log.after(reader.cursor, limit=_BATCH) if entry.id <= self._cursor
            ]
            if not entries:
                reader.live = True
                return []
            reader.cursor = entries[-1].id
            selected = [entry for entry in entries if reader.selection.takes(entry)]
            if selected:
                return selected

    def _wake(self) -> None:
        """Have the loop pass on what was appended; on any thread."""
        if self._loop is not None and not self._woken:
            self._woken = True
            try:
                self._loop.call_soon_threadsafe(self._pass_on)
            except RuntimeError:  # The loop was closed: nobody reads any more.
                self._loop = None

    def _pass_on(self) -> None:
        self._woken = False
        while entries := self._log.after(self._cursor, limit=_BATCH):
            self._cursor = entries[-1].id
            for reader in [reader for reader in self._readers if reader.live]:
                for entry in entries:
                    if reader.live:
                        reader.put(entry)
