"""The events of one session for one reader, synchronously or asynchronously."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Self

from stream_emo.events import Error, Event, Start, Stop
from stream_emo.runtime.bounded_queue import BoundedQueue, Closed


class Subscription:
    """Events in order, to iterate over by one reader. Leaving the `with` block unsubscribes.

    Live, a full queue drops its oldest events; otherwise the session pauses until there is room.
    """

    def __init__(self, capacity: int, *, live: bool, on_room: Callable[[], None]) -> None:
        """Build an empty queue of `capacity` events; `on_room` is called after an event was taken."""
        self._capacity = capacity
        # Without load shedding the publisher asks for room beforehand: no event is dropped here.
        self._queue: BoundedQueue[Event] = BoundedQueue(capacity if live else sys.maxsize, _weight)
        self._on_room = on_room

    @property
    def has_room(self) -> bool:
        """Whether fewer events wait than the queue holds."""
        return self._queue.counts.queued < self._capacity

    def put(self, event: Event) -> int:
        """Append an event and return how many older ones were dropped for it.

        Raises:
            Closed: the reader has unsubscribed.
        """
        return self._queue.displace(event)

    def finish(self) -> None:
        """Mark the end of the events; queued ones can still be taken."""
        self._queue.close()

    def close(self) -> None:
        """Unsubscribe and drop queued events."""
        self._queue.cancel()
        self._on_room()

    def get(self, timeout: float | None = None) -> Event | None:
        """Return the next event, None after the last.

        Raises:
            TimeoutError: none came within `timeout` s.
        """
        try:
            event = self._queue.get(timeout)
        except Closed:
            return None
        self._on_room()
        return event

    def watch(self, watcher: Callable[[], object] | None) -> None:
        """Call `watcher` when an event may be there, see `BoundedQueue.watch`."""
        self._queue.watch(watcher)

    def __iter__(self) -> Iterator[Event]:
        while (event := self.get()) is not None:
            yield event

    async def __aiter__(self) -> AsyncIterator[Event]:
        loop, changed = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            with suppress(RuntimeError):  # The loop was closed: nobody waits in it.
                loop.call_soon_threadsafe(changed.set)

        self.watch(wake)
        try:
            while True:
                changed.clear()
                try:
                    event = self.get(timeout=0)
                except TimeoutError:
                    await changed.wait()
                    continue
                if event is None:
                    return
                yield event
        finally:
            self.watch(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _weight(event: Event) -> int:
    """Return how much of a queue an event takes; the first, the last and errors are never dropped."""
    return 0 if isinstance(event, Start | Error | Stop) else 1
