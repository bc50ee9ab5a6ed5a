from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_emo.errors import PipelineError, StuckError
from stream_emo.runtime.scheduler import Priority, Scheduler, Stage, Step, call, run_inline


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Blocked:
    """A scheduler with one worker, which is held up until `release`, so that everything else has to wait."""

    def __init__(self, workers: int = 1) -> None:
        self.clock = Clock()
        self.scheduler = Scheduler(workers, self.clock)
        self.order: list[Any] = []
        self.finished = threading.Semaphore(0)
        self._go = threading.Event()
        entered = threading.Semaphore(0)

        def hold() -> None:
            entered.release()
            assert self._go.wait(10)

        for _ in range(workers):
            self.scheduler.submit(one(hold), lambda result, error: None)
        for _ in range(workers):
            assert entered.acquire(timeout=10)

    def submit(self, step: Step) -> None:
        self.scheduler.submit(step, lambda result, error: self.finished.release())

    def note(self, name: object, priority: Priority, owner: object = None) -> None:
        self.submit(one(lambda: self.order.append(name), priority, owner))

    def release(self, count: int) -> None:
        self._go.set()
        for _ in range(count):
            assert self.finished.acquire(timeout=10)

    def close(self) -> None:
        self._go.set()
        self.scheduler.close(10)


def one(function: Callable[[], Any], priority: Priority = Priority.ENDPOINT, owner: object = None) -> Step:
    return Step(lambda arguments: [function()], None, priority, owner)


@pytest.fixture
def blocked() -> Iterator[Blocked]:
    blocked = Blocked()
    yield blocked
    blocked.close()


def test_the_most_urgent_step_runs_first_whatever_came_first(blocked: Blocked) -> None:
    for priority in (Priority.BACKGROUND, Priority.TEXT, Priority.AUDIO, Priority.ENDPOINT, Priority.INTAKE):
        blocked.note(priority, priority)
    blocked.release(5)
    assert blocked.order == sorted(blocked.order, key=lambda priority: priority.value)


def test_nothing_starves(blocked: Blocked) -> None:
    blocked.note("partial transcript", Priority.TEXT)
    blocked.clock.now = 1.5
    blocked.note("endpoint", Priority.ENDPOINT)
    blocked.release(2)
    assert blocked.order == ["partial transcript", "endpoint"]


def test_equal_priorities_keep_their_order(blocked: Blocked) -> None:
    for number in range(20):
        blocked.note(number, Priority.AUDIO)
    blocked.release(20)
    assert blocked.order == list(range(20))


def test_steps_of_one_kind_share_a_call(blocked: Blocked) -> None:
    calls: list[list[int]] = []
    results: dict[int, int] = {}

    def double(numbers: Sequence[int]) -> list[int]:
        calls.append(list(numbers))
        return [2 * number for number in numbers]

    def note(number: int) -> Callable[[Any, BaseException | None], None]:
        def done(result: Any, error: BaseException | None) -> None:
            results[number] = result
            blocked.finished.release()

        return done

    def batched(number: int, key: str, priority: Priority = Priority.TEXT) -> None:
        step = Step(double, number, priority, None, batch_key=key, max_batch=3)
        blocked.scheduler.submit(step, note(number))

    for number in range(4):
        batched(number, "greedy")
    batched(10, "beams")
    batched(11, "greedy", Priority.ENDPOINT)
    blocked.release(6)
    assert calls == [[11], [0, 1, 2], [3], [10]], "only equal keys of equal priority, at most max_batch"
    assert results == {number: 2 * number for number in (0, 1, 2, 3, 10, 11)}


def test_a_failure_reaches_everyone_in_the_batch_and_the_worker_goes_on(blocked: Blocked) -> None:
    errors: list[BaseException | None] = []

    def fail(arguments: Sequence[object]) -> list[object]:
        raise ZeroDivisionError("boom")

    def done(result: Any, error: BaseException | None) -> None:
        errors.append(error)
        blocked.finished.release()

    for _ in range(2):
        blocked.scheduler.submit(Step(fail, None, Priority.TEXT, None, batch_key="x", max_batch=2), done)
    blocked.note("next", Priority.BACKGROUND)
    blocked.release(3)
    assert [str(error) for error in errors] == ["boom", "boom"]
    assert blocked.order == ["next"]


def test_what_is_still_loading_holds_up_no_worker(blocked: Blocked) -> None:
    first, second = Future[int](), Future[int]()
    step = Step(
        lambda arguments: [blocked.order.append("loaded")], None, Priority.ENDPOINT, None, (first, second)
    )
    blocked.submit(step)
    blocked.note("other", Priority.BACKGROUND)
    blocked.release(1)
    assert blocked.order == ["other"]
    first.set_result(1)
    second.set_exception(OSError("not there"))
    assert blocked.finished.acquire(timeout=10), "it runs, and finds out itself what could not be loaded"


def test_contention_is_what_models_of_others_wait_for(blocked: Blocked) -> None:
    mine, other = object(), object()
    blocked.note("voice activity", Priority.INTAKE, other)
    blocked.note("mine", Priority.AUDIO, mine)
    assert not blocked.scheduler.contended(mine)
    assert blocked.scheduler.contended(other)
    blocked.release(2)
    assert not blocked.scheduler.contended(other)


def test_closing_fails_what_waits_and_ends_the_workers() -> None:
    blocked = Blocked(workers=2)
    errors: list[BaseException | None] = []
    blocked.scheduler.submit(one(lambda: None), lambda result, error: errors.append(error))
    with pytest.raises(StuckError, match=r"stream_emo-worker-0, stream_emo-worker-1"):
        blocked.scheduler.close(0.01)
    assert isinstance(errors[0], PipelineError)
    blocked.close()
    blocked.scheduler.submit(one(lambda: None), lambda result, error: errors.append(error))
    assert isinstance(errors[1], PipelineError)


def test_workers_start_with_the_first_step() -> None:
    before = threading.active_count()
    scheduler = Scheduler(3)
    assert threading.active_count() == before
    scheduler.close(10)


def test_a_stage_runs_inline_and_gets_its_results() -> None:
    def stage() -> Stage[int]:
        two = yield from call(lambda: 2, Priority.TEXT, None)
        yield two
        yield two + (yield from call(lambda: 40, Priority.TEXT, None))

    outputs: Iterator[int] = run_inline(stage())
    assert list(outputs) == [2, 42]


@settings(deadline=None, max_examples=25)
@given(st.lists(st.sampled_from(list(Priority)), max_size=30), st.integers(1, 3))
def test_every_step_is_run_exactly_once(priorities: list[Priority], workers: int) -> None:
    scheduler = Scheduler(workers)
    finished = threading.Semaphore(0)
    seen: list[int] = []
    for number, priority in enumerate(priorities):
        scheduler.submit(
            Step(lambda numbers: list(numbers), number, priority, None, batch_key="all", max_batch=4),
            lambda result, error: (seen.append(result), finished.release()),  # type: ignore[func-returns-value]
        )
    for _ in priorities:
        assert finished.acquire(timeout=10)
    scheduler.close(10)
    assert sorted(seen) == list(range(len(priorities)))


def test_a_callback_that_fails_does_not_end_its_worker(caplog: pytest.LogCaptureFixture) -> None:
    def fail(result: Any, error: BaseException | None) -> None:
        raise ZeroDivisionError

    scheduler = Scheduler(1)
    scheduler.submit(one(lambda: None), fail)
    finished = threading.Event()
    scheduler.submit(one(finished.set), lambda result, error: None)
    assert finished.wait(10)
    scheduler.close(10)
    assert "the callback of a step failed" in caplog.text


def test_a_call_with_too_few_results_fails_everyone_in_the_batch(blocked: Blocked) -> None:
    errors: list[BaseException | None] = []

    def done(result: Any, error: BaseException | None) -> None:
        errors.append(error)
        blocked.finished.release()

    for number in range(2):
        step = Step(lambda numbers: numbers[:1], number, Priority.TEXT, None, batch_key="x", max_batch=2)
        blocked.scheduler.submit(step, done)
    blocked.release(2)
    assert [str(error) for error in errors] == ["1 results for 2 arguments"] * 2


def test_what_cannot_be_loaded_does_not_gather_frames() -> None:
    missing = Future[int]()
    missing.set_exception(OSError("not there"))
    scheduler = Scheduler(1)
    frames: list[int] = []
    for _ in range(3):
        told = threading.Event()

        def done(result: Any, error: BaseException | None, told: threading.Event = told) -> None:
            try:
                assert error is not None
                raise error
            except OSError as raised:
                depth, trace = 0, raised.__traceback__
                while trace is not None:
                    depth, trace = depth + 1, trace.tb_next
                frames.append(depth)
            told.set()

        scheduler.submit(Step(lambda arguments: [1], None, Priority.TEXT, None, (missing,)), done)
        assert told.wait(10)
    scheduler.close(10)
    assert len(set(frames)) == 1
