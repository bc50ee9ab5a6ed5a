"""A bounded channel between two threads, measured in samples (or whatever the weight counts).

Invariant at every moment: offered = taken + dropped + queued.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


class Closed(Exception):
    """The other end is gone: nothing more can be put."""


@dataclass(frozen=True, slots=True)
class Counts:
    offered: int
    taken: int
    dropped: int
    queued: int


class Channel(Generic[T]):
    """A bounded FIFO.

    `weight` tells how much of `capacity` an item takes; items of weight 0 (edges, gaps) always fit, so
    control is never lost. An item heavier than the whole capacity is let in when the channel is empty.

    Three ways in: `put` waits for room (until `stop_waiting`); `displace` makes room by dropping the oldest;
    `offer` drops what does not fit and queues in its place what `lost` makes of it (say, a `Gap`).
    """

    def __init__(
        self,
        capacity: int,
        weight: Callable[[T], int] = lambda item: 1,
        lost: Callable[[T, T | None], tuple[T, bool]] | None = None,
    ) -> None:
        """`lost(item, last)` returns the item to queue in place of the dropped one, and whether it
        replaces `last`, the newest item in the queue (None when empty)."""
        self._capacity = capacity
        self._weight = weight
        self._lost = lost
        self._items: deque[tuple[T, int]] = deque()
        self._offered = self._taken = self._dropped = self._queued = 0
        self._closed = False
        self._waits = True
        self._gathered = 0
        self._flowing = True
        """Whether what is queued may be taken: not while it gathers."""
        self._changed = threading.Condition()
        self._watcher: Callable[[], object] | None = None

    def watch(self, watcher: Callable[[], object] | None) -> None:
        """Call this at every change, on the thread that makes it; it must return at once. None: stop."""
        with self._changed:
            self._watcher = watcher

    def gather(self, weight: int) -> None:
        """From now on `get` waits until so much is queued, to wake less often, and then takes it all. Items
        of weight 0, the end and a weight of 0 end the waiting."""
        with self._changed:
            self._gathered = weight
            self._flowing = bool(self._items) or weight == 0
            self._tell()

    def put(self, item: T) -> int:
        """Append, waiting for room. Returns how much was dropped for that, after `stop_waiting`.

        Raises `Closed` if the channel is or gets closed.
        """
        weight = self._weight(item)
        with self._changed:
            while self._waits and not self._closed and not self._fits(weight):
                # It is full: nothing more can gather.
                self._flowing = True
                self._tell()
                self._changed.wait()
            return self._displace(item, weight)

    def stop_waiting(self) -> None:
        """From now on `put` is `displace`, also for those that wait now."""
        with self._changed:
            self._waits = False
            self._tell(everyone=True)

    def offer(self, item: T) -> bool:
        """Append if it fits, else drop and count. Returns whether it fitted. Raises `Closed`."""
        weight = self._weight(item)
        with self._changed:
            if self._closed:
                raise Closed
            if self._fits(weight):
                self._append(item, weight)
                return True
            self._offered += weight
            self._dropped += weight
            self._flowing = True
            if self._lost is not None:
                marker, merged = self._lost(item, self._items[-1][0] if self._items else None)
                if merged:
                    self._items.pop()
                self._items.append((marker, 0))
            self._tell()
            return False

    def displace(self, item: T) -> int:
        """Append, dropping the oldest items that have weight until it fits. Returns how much was dropped."""
        with self._changed:
            return self._displace(item, self._weight(item))

    def get(self, timeout: float | None = None) -> T:
        """Take the oldest item. Raises `Closed` when closed and empty, `TimeoutError` after `timeout` s."""
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            while not (self._items and self._flowing):
                if self._closed:
                    raise Closed
                remaining = None if deadline is None else deadline - time.monotonic()
                if remaining is not None and remaining <= 0:
                    if self._items:
                        break  # Nothing more comes to what has gathered.
                    raise TimeoutError
                self._changed.wait(remaining)
            item, weight = self._items.popleft()
            self._queued -= weight
            self._taken += weight
            self._flowing = bool(self._items) or self._gathered == 0
            self._tell(everyone=True)
            return item

    def close(self) -> None:
        """No more items; what is queued can still be taken."""
        with self._changed:
            self._closed = True
            self._flowing = bool(self._items)
            self._tell()

    def cancel(self) -> None:
        """Close and drop what is queued, so that both ends return at once."""
        with self._changed:
            self._closed = True
            self._dropped += self._queued
            self._queued = 0
            self._items.clear()
            self._tell()

    def __iter__(self) -> Iterator[T]:
        while True:
            try:
                yield self.get()
            except Closed:
                return

    @property
    def counts(self) -> Counts:
        with self._changed:
            return Counts(self._offered, self._taken, self._dropped, self._queued)

    def _fits(self, weight: int) -> bool:
        return weight == 0 or self._queued == 0 or self._queued + weight <= self._capacity

    def _displace(self, item: T, weight: int) -> int:
        if self._closed:
            raise Closed
        before = self._dropped
        index = 0
        while not self._fits(weight):
            oldest = self._items[index][1]
            if oldest == 0:
                index += 1
                continue
            del self._items[index]
            self._queued -= oldest
            self._dropped += oldest
        self._append(item, weight)
        return self._dropped - before

    def _tell(self, *, everyone: bool = False) -> None:
        """`everyone`: also whoever waits for room, who has nothing to do with what gathers."""
        if everyone or self._flowing or self._closed:
            self._changed.notify_all()
        if self._watcher is not None:
            self._watcher()

    def _append(self, item: T, weight: int) -> None:
        self._items.append((item, weight))
        self._offered += weight
        self._queued += weight
        self._flowing = self._flowing or weight == 0 or self._queued >= self._gathered
        self._tell()
