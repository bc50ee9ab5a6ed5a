"""A value that is made on a thread of its own while others go on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Loading(Generic[T]):
    """Begins to make the value at once; whoever needs it waits for it."""

    def __init__(self, what: str, make: Callable[[], T]) -> None:
        self._make = make
        self._made: list[T] = []
        self._failure: BaseException | None = None
        # Not a daemon: the interpreter must not end in the middle of an import.
        self._thread = threading.Thread(target=self._run, name=f"stream_emo-load {what}")
        self._thread.start()

    def wait(self) -> None:
        """Until it is made, or could not be."""
        self._thread.join()

    def result(self) -> T:
        """The value. Raises what making it raised."""
        self.wait()
        if self._failure is not None:
            raise self._failure
        return self._made[0]

    def _run(self) -> None:
        try:
            self._made.append(self._make())
        except BaseException as error:
            self._failure = error  # Whoever asks for the result is told.
