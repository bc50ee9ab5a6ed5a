"""A serial job on the scheduler: one generator at a time, items in order, parked while downstream is full."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from stream_emo.runtime.scheduler import Priority, Scheduler, Stage, Step

In = TypeVar("In")
Out = TypeVar("Out")


class SerialStage(Generic[In, Out]):
    """Runs `process` on one item after the other, on whichever worker is free.

    `wake` says that something has changed: an item is there, or downstream has room again. Nothing of this
    class blocks, and the callables that it is given must not block either.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        owner: object,
        *,
        take: Callable[[], In | None],
        process: Callable[[In], Stage[Out]],
        emit: Callable[[Out], None],
        ready: Callable[[], bool],
        fail: Callable[[BaseException], None],
    ) -> None:
        """Build a stage that takes items from `take` (None: there is none), and hands outputs to `emit`.

        `ready`: whether downstream has room; `fail`: takes the exception that ended an item.
        """
        self._scheduler = scheduler
        self._owner = owner
        self._take, self._process, self._emit, self._ready, self._fail = take, process, emit, ready, fail
        self._lock = threading.Lock()
        self._running = False
        self._woken = False
        """Whether `wake` was called while running."""
        self._current: Stage[Out] | None = None

    def wake(self) -> None:
        """Go on, if there is something to do and room for what it gives. From any thread; returns at once."""
        if self._begin():
            self._scheduler.submit(
                Step(lambda arguments: [None], None, Priority.INTAKE, self._owner), self._resume
            )

    def wake_here(self) -> None:
        """Do what `wake` does, but run on the calling thread until the first step of a model.

        For a producer with a thread of its own: it saves the change to a worker and back for every chunk.
        """
        if self._begin():
            self._resume(None, None)

    def _begin(self) -> bool:
        """Return whether the stage was idle, and is running from now on."""
        with self._lock:
            if self._running:
                self._woken = True
                return False
            self._running = True
            return True

    def _resume(self, result: Any, error: BaseException | None) -> None:
        """Continue with the result of a step, on a worker or in `wake_here`."""
        while True:
            try:
                if error is not None:
                    raise error
                step = self._advance(result)
            except BaseException as failure:
                self._current = None
                self._fail(failure)
                step = None
            if step is not None:
                self._scheduler.submit(step, self._resume)
                return
            result = error = None
            with self._lock:
                if not self._woken:
                    self._running = False
                    return
                self._woken = False

    def _advance(self, result: Any) -> Step | None:
        """Run until a step is needed, which is returned, or nothing can be done."""
        while True:
            if self._current is None:
                item = self._take() if self._ready() else None
                if item is None:
                    return None
                self._current = self._process(item)
                result = None
            elif result is None and not self._ready():
                return None
            try:
                output = self._current.send(result)
            except StopIteration:
                self._current = None
                continue
            if isinstance(output, Step):
                return output
            self._emit(output)
            result = None
