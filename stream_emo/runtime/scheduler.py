"""Whose turn it is: many sessions, few cores."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from itertools import count
from typing import Generic, TypeVar

Ask = TypeVar("Ask")
Answer = TypeVar("Answer")
Kind = TypeVar("Kind", bound=Hashable)


class Urgency(Enum):
    """What goes first: how many seconds it may wait longer than what is most urgent. So nothing starves."""

    ENDPOINT = 0.0
    """Somebody has stopped speaking, and waits for an answer."""
    VOICE = 0.5
    """A live score from the voice."""
    WORDS = 1.0
    """Partial words."""
    LEFT = 30.0
    """What is left to say of somebody who has hung up."""


class Turns:
    """So many pieces of work at a time: whichever is due first, that is, came first and is most urgent."""

    def __init__(self, at_once: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.at_once = at_once
        self._clock = clock
        self._lock = threading.Lock()
        self._free = at_once
        self._waiting: list[tuple[float, int, Ticket]] = []
        self._numbers = count()

    @contextmanager
    def turn(self, urgency: Urgency, ticket: Ticket | None = None) -> Iterator[bool]:
        """Waits for a turn, and ends it with the block. Gives False, and no turn, when the `ticket` was
        withdrawn."""
        ticket = ticket or Ticket()
        with self._lock:
            if ticket.withdrawn:
                ticket.called.set()
            elif self._free:
                self._free -= 1
                ticket.called.set()
            else:
                due = self._clock() + urgency.value
                heapq.heappush(self._waiting, (due, next(self._numbers), ticket))
        try:
            ticket.called.wait()
        except BaseException:
            # Interrupted: whether it was called meanwhile is for the next line to find out.
            if not self.withdraw(ticket):
                self._hand_over()
            raise
        if ticket.withdrawn:
            yield False
            return
        try:
            yield True
        finally:
            self._hand_over()

    @property
    def crowded(self) -> bool:
        """Whether somebody waits: never one session alone, which has at most one piece of work besides."""
        with self._lock:
            return any(not ticket.withdrawn for _, _, ticket in self._waiting)

    def withdraw(self, ticket: Ticket) -> bool:
        """Whoever waits with it need not wait any longer. False when it was called before."""
        with self._lock:
            if ticket.called.is_set():
                return False
            ticket.withdrawn = True
            ticket.called.set()
            return True

    def _hand_over(self) -> None:
        with self._lock:
            while self._waiting:
                ticket = heapq.heappop(self._waiting)[2]
                if not ticket.withdrawn:
                    # Handed over, so that nobody slips in between.
                    ticket.called.set()
                    return
            self._free += 1


class Ticket:
    """A place in the queue for a turn."""

    def __init__(self) -> None:
        self.called = threading.Event()
        """The waiting is over."""
        self.withdrawn = False


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
        """The answer; only what is of the same `kind` and urgency is done together. Raises what it raised."""
        mine: _Request[Ask, Answer, Kind] = _Request(ask, kind, urgency)
        with self._lock:
            self._waiting.append(mine)
        with self._turns.turn(urgency, mine.ticket) as called:
            if called:
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
            alike = [request for request in self._waiting if request.alike(mine)][: self._most - 1]
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
                self._turns.withdraw(request.ticket)


class _Request(Generic[Ask, Answer, Kind]):
    def __init__(self, ask: Ask, kind: Kind, urgency: Urgency) -> None:
        self.ask = ask
        self.kind = kind
        self.urgency = urgency
        self.ticket = Ticket()
        self.done = threading.Event()
        self.answer: list[Answer] = []
        self.failure: BaseException | None = None

    def alike(self, other: _Request[Ask, Answer, Kind]) -> bool:
        """Whether they may be done together: nobody's haste should wait for who has time."""
        return (self.kind, self.urgency) == (other.kind, other.urgency)
