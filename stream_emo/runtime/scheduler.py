"""Many sessions, few cores: a worker pool that runs the most urgent step first.

A session has no threads. Its stages are generators that yield a `Step` wherever a model has to be run, and
anything else as output; the driver of the generator runs the step and sends its result back. `run_inline`
drives one on the calling thread, `Scheduler` runs the steps of all sessions on as many workers as there are
cores. Steps of the same kind that wait together are run as one batch.
"""

from __future__ import annotations

import heapq
import logging
import threading
import time
from collections.abc import Callable, Generator, Hashable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from enum import Enum
from itertools import count
from typing import Any, TypeVar, cast

from stream_emo.errors import PipelineError, StuckError

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Priority(Enum):
    """Seconds that a step may wait longer than the most urgent one, so that nothing starves."""

    INTAKE = -0.01
    """Voice activity detection of what has arrived: cheap, and everything else depends on it."""
    ENDPOINT = 0.0
    """An utterance is over, and its final score is waited for."""
    AUDIO = 0.5
    """A live score from the audio modality."""
    TEXT = 1.0
    """A partial transcript."""
    BACKGROUND = 30.0
    """The remaining steps of a session whose source was stopped."""


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One call of a model that a stage waits for."""

    function: Callable[[Sequence[Any]], Sequence[Any]]
    """Returns one result for each argument."""
    argument: Any
    priority: Priority
    owner: object
    """The session that waits for it."""
    after: tuple[Future[Any], ...] = ()
    """Futures of what has to be loaded first; a worker does not wait for them."""
    batch_key: Hashable | None = None
    """Steps with equal keys and priorities may be run in one call; None: alone."""
    max_batch: int = 1

    def run(self) -> Any:
        """Run the step on the calling thread and return its result."""
        for loading in self.after:
            loading.result()
        (result,) = self.function([self.argument])
        return result


Stage = Generator[Step | T, Any, None]
"""A generator that yields steps, whose results are sent back, and outputs of type T."""


def call(
    function: Callable[[], T], priority: Priority, owner: object, after: Sequence[Future[Any]] = ()
) -> Generator[Step, Any, T]:
    """Yield one step that calls `function`, and return its result: `result = yield from call(...)`."""
    result = yield Step(lambda arguments: [function()], None, priority, owner, tuple(after))
    return cast(T, result)


def run_inline(stage: Stage[T]) -> Iterator[T]:
    """Drive a stage on the calling thread and yield its outputs."""
    result: Any = None
    while True:
        try:
            output = stage.send(result)
        except StopIteration:
            return
        if isinstance(output, Step):
            result = output.run()
        else:
            result = None
            yield output


Done = Callable[[Any, "BaseException | None"], None]
"""Takes the result of a step, or the exception that it raised. Called on a worker, or, after `close`, on the
thread that submits or closes; must not block."""


@dataclass(frozen=True, slots=True, eq=False)
class _Entry:
    step: Step
    done: Done


class Scheduler:
    """A pool of workers that runs steps in the order of their due times. Thread-safe.

    A step is due at its arrival plus the seconds of its priority. Workers are started with the first step and
    end with `close`.
    """

    def __init__(self, workers: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.workers = workers
        self._clock = clock
        self._available = threading.Condition()
        self._waiting: list[tuple[float, int, _Entry]] = []
        self._numbers = count()
        self._threads: list[threading.Thread] = []
        self._closed = False

    def submit(self, step: Step, done: Done) -> None:
        """Run `step` on a worker as soon as it is due and loaded, then call `done`.

        After `close`, `done` is called at once with a `PipelineError`.
        """
        pending = [loading for loading in step.after if not loading.done()]
        if pending:
            # Each goes on to the next, so that the step is queued once, when the last of them is there.
            pending[0].add_done_callback(lambda _: self.submit(step, done))
            return
        entry = _Entry(step, done)
        with self._available:
            failure = self._admit(entry)
        if failure is not None:
            _tell(entry, None, failure)

    def _admit(self, entry: _Entry) -> PipelineError | None:
        """Queue a step, with the lock held; return why that is impossible, if it is."""
        if self._closed:
            return PipelineError("the engine is closed")
        if len(self._threads) < self.workers:
            try:
                self._start_worker()
            except RuntimeError as error:
                if not self._threads:
                    return PipelineError(f"no worker can be started: {error}")
        due = self._clock() + entry.step.priority.value
        heapq.heappush(self._waiting, (due, next(self._numbers), entry))
        self._available.notify()
        return None

    def contended(self, owner: object) -> bool:
        """Return whether model steps of other sessions than `owner` wait for a worker."""
        with self._available:
            return any(
                entry.step.owner is not owner and entry.step.priority is not Priority.INTAKE
                for _, _, entry in self._waiting
            )

    def close(self, timeout: float | None = None) -> None:
        """End the workers after their current steps; steps that still wait fail.

        Raises:
            StuckError: a worker did not end within `timeout` s.
        """
        with self._available:
            self._closed = True
            left = [entry for _, _, entry in self._waiting]
            self._waiting.clear()
            self._available.notify_all()
        for entry in left:
            _tell(entry, None, PipelineError("the engine was closed while a session was running"))
        deadline = None if timeout is None else time.monotonic() + timeout
        for thread in self._threads:
            if thread is not threading.current_thread():  # A callback may close the engine.
                thread.join(None if deadline is None else max(0.0, deadline - time.monotonic()))
        this = threading.current_thread()
        stuck = [thread.name for thread in self._threads if thread.is_alive() and thread is not this]
        if stuck:
            raise StuckError(f"did not end in time: {', '.join(stuck)}")

    def _start_worker(self) -> None:
        name = f"stream_emo-worker-{len(self._threads)}"
        thread = threading.Thread(target=self._work, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _work(self) -> None:
        while True:
            with self._available:
                while not self._waiting and not self._closed:
                    self._available.wait()
                if self._closed:
                    return
                batch = self._take()
            _run(batch)

    def _take(self) -> list[_Entry]:
        """Remove the step that is due first and those that may share its call, with the lock held."""
        first = heapq.heappop(self._waiting)[2]
        step = first.step
        if step.batch_key is None or step.max_batch == 1:
            return [first]
        alike = [
            item
            for item in sorted(self._waiting)
            if (item[2].step.batch_key, item[2].step.priority) == (step.batch_key, step.priority)
        ][: step.max_batch - 1]
        if alike:
            taken = {number for _, number, _ in alike}
            self._waiting = [item for item in self._waiting if item[1] not in taken]
            heapq.heapify(self._waiting)
        return [first, *(entry for _, _, entry in alike)]


def _run(batch: Sequence[_Entry]) -> None:
    """Run one call for a batch, and tell everyone its result or what it raised."""
    step = batch[0].step
    # What could not be loaded is raised for every session: without the frames of those before.
    missing = next((error for loading in step.after if (error := loading.exception())), None)
    if missing is not None:
        _tell_all(batch, missing.with_traceback(None))
        return
    try:
        results = step.function([entry.step.argument for entry in batch])
        if len(results) != len(batch):
            raise ValueError(f"{len(results)} results for {len(batch)} arguments")
    except BaseException as error:
        _tell_all(batch, error)
        return
    for entry, result in zip(batch, results, strict=True):
        _tell(entry, result, None)


def _tell_all(batch: Sequence[_Entry], error: BaseException) -> None:
    for entry in batch:
        _tell(entry, None, error)


def _tell(entry: _Entry, result: Any, error: BaseException | None) -> None:
    """Call back; an error in there must not end the worker, which belongs to all sessions."""
    try:
        entry.done(result, error)
    except Exception:
        _log.exception("the callback of a step failed")
