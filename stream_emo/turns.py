"""Whose turn it is: many sessions, few cores."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum
from itertools import count
from typing import Generic, TypeVar

Ask = TypeVar("Ask")
Answer = TypeVar("Answer")
Kind = TypeVar("Kind", bound=Hashable)


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
        self.at_once = at_once
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


class Batches(Generic[Ask, Answer, Kind]):
    """Work that costs less together: whoever's turn it is does it for all who wait for the same kind.

    Nobody waits for a batch to fill: a single session does its own work at once.
    """

    def __init__(
        self, turns: Turns, work: Callable[[Sequence[Ask], Kind], Sequence[Answer]], most: int
    ) -> None:
        """`work` gives an answer for each of one kind, whatever shares the batch, `most` at a time."""
        self._turns = turns
        self._work = work
        self._most = most
        self._lock = threading.Lock()
        self._waiting: list[_Request[Ask, Answer, Kind]] = []

    def ask(self, ask: Ask, kind: Kind, urgency: Urgency) -> Answer:
        """The answer. Only what is of the same `kind` is done together. Raises what the work raised."""
        mine: _Request[Ask, Answer, Kind] = _Request(ask, kind)
        with self._lock:
            self._waiting.append(mine)
        with self._turns.turn(urgency):
            self._run(self._take(mine))
        mine.done.wait()
        if mine.failure is not None:
            raise mine.failure
        return mine.answer[0]

    def _take(self, mine: _Request[Ask, Answer, Kind]) -> list[_Request[Ask, Answer, Kind]]:
        """It and others like it; none if somebody else has taken it."""
        with self._lock:
            if mine not in self._waiting:
                return []
            self._waiting.remove(mine)
            alike = [request for request in self._waiting if request.kind == mine.kind][: self._most - 1]
            for request in alike:
                self._waiting.remove(request)
            return [mine, *alike]

    def _run(self, batch: Sequence[_Request[Ask, Answer, Kind]]) -> None:
        if not batch:
            return
        try:
            answers = self._work([request.ask for request in batch], batch[0].kind)
            for request, answer in zip(batch, answers, strict=True):
                request.answer.append(answer)
        except BaseException as error:
            for request in batch:
                request.failure = error  # For everyone who waits for it.
        finally:
            for request in batch:
                request.done.set()


class _Request(Generic[Ask, Answer, Kind]):
    def __init__(self, ask: Ask, kind: Kind) -> None:
        self.ask = ask
        self.kind = kind
        self.done = threading.Event()
        self.answer: list[Answer] = []
        self.failure: BaseException | None = None
