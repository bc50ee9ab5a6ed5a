"""Whose turn it is: many sessions, few cores."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from itertools import count


class Urgency(IntEnum):
    """What goes first."""

    ENDPOINT = 0
    """Somebody has stopped speaking, and waits for an answer."""
    VOICE = 1
    """A live score from the voice."""
    WORDS = 2
    """Partial words."""


class Turns:
    """So many pieces of work at a time, the most urgent first; among equals whoever came first.

    Fair, because a session waits for one turn at a time: nobody comes twice before others come once.
    """

    def __init__(self, at_once: int) -> None:
        self._lock = threading.Lock()
        self._free = at_once
        self._waiting: list[tuple[int, int, threading.Event]] = []
        self._tickets = count()

    @contextmanager
    def turn(self, urgency: Urgency) -> Iterator[None]:
        """Waits for a turn, and ends it with the block."""
        mine = None
        with self._lock:
            if self._free:
                self._free -= 1
            else:
                mine = threading.Event()
                heapq.heappush(self._waiting, (urgency, next(self._tickets), mine))
        if mine is not None:
            mine.wait()
        try:
            yield
        finally:
            with self._lock:
                if self._waiting:
                    # Handed over, so that nobody slips in between.
                    heapq.heappop(self._waiting)[2].set()
                else:
                    self._free += 1
