from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator

import pytest

from stream_emo.runtime.scheduler import Priority, Scheduler, Stage, call
from stream_emo.runtime.stage import SerialStage


@pytest.fixture
def scheduler() -> Iterator[Scheduler]:
    scheduler = Scheduler(3)
    yield scheduler
    scheduler.close(10)


class Squares:
    """A stage that squares numbers in a model, into a downstream with little room."""

    def __init__(self, scheduler: Scheduler, room: int) -> None:
        self.items: deque[int] = deque()
        self.out: deque[int] = deque()
        self.room = room
        self.failures: list[BaseException] = []
        self.changed = threading.Condition()
        self.running = 0
        self.stage: SerialStage[int, int] = SerialStage(
            scheduler,
            self,
            take=lambda: self.items.popleft() if self.items else None,
            process=self.process,
            emit=self.emit,
            ready=lambda: len(self.out) < self.room,
            fail=self.fail,
        )

    def put(self, *items: int) -> None:
        for item in items:
            self.items.append(item)
            self.stage.wake()

    def process(self, item: int) -> Stage[int]:
        for factor in (1, -1):
            yield factor * (yield from call(lambda: self.square(item), Priority.AUDIO, self))

    def square(self, item: int) -> int:
        self.running += 1
        assert self.running == 1, "one at a time, whatever the number of workers"
        self.running -= 1
        if item < 0:
            raise ValueError(f"{item} is negative")
        return item * item

    def emit(self, value: int) -> None:
        with self.changed:
            self.out.append(value)
            self.changed.notify_all()

    def fail(self, error: BaseException) -> None:
        with self.changed:
            self.failures.append(error)
            self.changed.notify_all()

    def get(self) -> int:
        with self.changed:
            assert self.changed.wait_for(lambda: self.out, timeout=10)
            value = self.out.popleft()
        self.stage.wake()
        return value


def test_outputs_come_in_order_however_little_room_there_is(scheduler: Scheduler) -> None:
    squares = Squares(scheduler, room=1)
    squares.put(*range(50))
    assert [squares.get() for _ in range(100)] == [f * n * n for n in range(50) for f in (1, -1)]


def test_a_full_downstream_parks_the_stage_between_two_outputs(scheduler: Scheduler) -> None:
    squares = Squares(scheduler, room=1)
    squares.put(2)
    with squares.changed:
        assert squares.changed.wait_for(lambda: squares.out, timeout=10)
        assert not squares.changed.wait_for(lambda: len(squares.out) > 1, timeout=0.05)
    assert [squares.get(), squares.get()] == [4, -4]


def test_a_failure_ends_its_item_and_is_told(scheduler: Scheduler) -> None:
    squares = Squares(scheduler, room=10)
    squares.put(3, -1, 4)
    assert [squares.get() for _ in range(4)] == [9, -9, 16, -16]
    assert [str(error) for error in squares.failures] == ["-1 is negative"]
