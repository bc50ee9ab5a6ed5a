"""A bounded queue between two threads, measured in samples (or whatever the weight counts).

Invariant at every moment: offered = taken + dropped + queued.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Closed(Exception):
    """The queue was closed: nothing more can be put, and what was queued has been taken."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Sums of weights; offered = taken + dropped + queued."""

    offered: int
    taken: int
    dropped: int
    queued: int


class BoundedQueue(Generic[T]):
    """A bounded FIFO queue.

    `weight` tells how much of `capacity` an item takes; items of weight 0 (edges, gaps) always fit, so that
    control is never lost. An item heavier than the whole capacity is let in when the queue is empty.

    There are three ways in: `put` waits for room; `displace` makes room by dropping
    the oldest; `offer` drops what does not fit and queues a marker in its place (say, a `Gap`).
    """

    def __init__(
        self,
        capacity: int,
        weight: Callable[[T], int] = lambda item: 1,
        marker: Callable[[T, T | None], tuple[T, bool]] | None = None,
    ) -> None:
        """Build an empty queue.

        `marker(item, last)` returns the item of weight 0 to queue in place of the dropped `item`, and whether
        it replaces `last`, the newest item in the queue (None when empty).
        """
        self.capacity = capacity
        """May be changed at any time; what is queued stays."""
        self._weight = weight
        self._marker = marker
        self._items: deque[tuple[T, int]] = deque()
        self._offered = self._taken = self._dropped = self._queued = 0
        self._closed = False
        self._min_batch = 0
        self._ready = True
        """Whether what is queued may be taken: not before a batch is complete."""
        # Reentrant, as a signal handler may close the queue while the thread it interrupts holds the lock.
        self._lock = threading.RLock()
        self._items_came = threading.Condition(self._lock)
        self._room_came = threading.Condition(self._lock)
        self._watcher: Callable[[], object] | None = None

    def watch(self, watcher: Callable[[], object] | None) -> None:
        """Call `watcher` after every change, on the thread that made it, without the lock; None: no longer.

        It must return at once, and may still be called by a change that happens while it is replaced."""
        with self._lock:
            self._watcher = watcher

    def set_min_batch(self, weight: int) -> None:
        """Let `get` wait until so much is queued, and then take it all, so that it wakes less often.

        An item of weight 0, an item that does not fit, the end and a `weight` of 0 complete a batch."""
        with self._changing():
            self._min_batch = weight
            self._ready = bool(self._items) or weight == 0

    def put(self, item: T) -> None:
        """Append, waiting for room.

        Raises:
            Closed: the queue is or gets closed.
        """
        weight = self._weight(item)
        while True:
            with self._changing():
                if not self._must_wait(weight):
                    if self._closed:
                        raise Closed
                    self._append(item, weight)
                    return
                self._ready = True  # It is full: the batch cannot grow.
            with self._lock:
                self._room_came.wait_for(lambda: not self._must_wait(weight))

    def offer(self, item: T) -> bool:
        """Append if it fits, else drop and count it. Returns whether it fitted.

        Raises:
            Closed: the queue is closed.
        """
        weight = self._weight(item)
        with self._changing():
            if self._closed:
                raise Closed
            if self._fits(weight):
                self._append(item, weight)
                return True
            self._offered += weight
            self._dropped += weight
            self._ready = True
            if self._marker is not None:
                marker, merged = self._marker(item, self._items[-1][0] if self._items else None)
                if merged:
                    self._items.pop()
                self._items.append((marker, 0))
            return False

    def displace(self, item: T) -> int:
        """Append, dropping the oldest items that have weight until it fits. Returns how much was dropped.

        Raises:
            Closed: the queue is closed.
        """
        weight = self._weight(item)
        with self._changing():
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

    def get(self, timeout: float | None = None) -> T:
        """Take the oldest item, waiting for it at most `timeout` s (None: for ever; 0: not at all).

        Raises:
            Closed: the queue is closed and empty.
            TimeoutError: there is none within `timeout`.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._changing():
            while not (self._items and self._ready):
                if self._closed and not self._items:
                    raise Closed
                remaining = None if deadline is None else deadline - time.monotonic()
                if remaining is not None and remaining <= 0:
                    if self._items:
                        break  # The batch has had its time.
                    raise TimeoutError
                self._items_came.wait(remaining)
            item, weight = self._items.popleft()
            self._queued -= weight
            self._taken += weight
            self._ready = bool(self._items) or self._min_batch == 0 or self._closed
            self._room_came.notify_all()
            return item

    def close(self) -> None:
        """Accept no more items; what is queued can still be taken."""
        with self._changing():
            self._closed = self._ready = True
            self._room_came.notify_all()

    def cancel(self) -> None:
        """Close, and drop what is queued, so that both ends return at once."""
        with self._changing():
            self._closed = self._ready = True
            self._dropped += self._queued
            self._queued = 0
            self._items.clear()
            self._room_came.notify_all()

    def __iter__(self) -> Iterator[T]:
        while True:
            try:
                yield self.get()
            except Closed:
                return

    @property
    def counts(self) -> Counts:
        with self._lock:
            return Counts(self._offered, self._taken, self._dropped, self._queued)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Hold the lock; then wake the consumer if there is something for it, and call the watcher."""
        with self._lock:
            yield
            if self._ready:
                self._items_came.notify_all()
            watcher = self._watcher
        if watcher is not None:
            try:
                watcher()
            except Exception:
                _log.exception("the watcher of a queue failed, and is called no more")
                with self._lock:
                    self._watcher = None

    def _must_wait(self, weight: int) -> bool:
        return not self._closed and not self._fits(weight)

    def _fits(self, weight: int) -> bool:
        return weight == 0 or self._queued == 0 or self._queued + weight <= self.capacity

    def _append(self, item: T, weight: int) -> None:
        self._items.append((item, weight))
        self._offered += weight
        self._queued += weight
        self._ready = self._ready or weight == 0 or self._queued >= self._min_batch
