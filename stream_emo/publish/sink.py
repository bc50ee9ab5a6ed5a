"""The protocol of sinks, which JSON lines, callbacks, the live view and brokers implement."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from stream_emo.events import Event


class Sink(Protocol):
    """Takes the events of one session, in order, on one thread at a time.

    A sink that raises an `Exception` is detached and reported as an `error` event; the session and its other
    sinks go on. `KeyboardInterrupt` and `SystemExit` end the session and are raised to its owner.
    """

    @property
    def name(self) -> str:
        """Name of the sink in messages."""

    def write(self, event: Event) -> None:
        """Take the next event. A sink that may block for long hands over to a thread of its own."""

    def close(self) -> None:
        """Release what the sink holds; no event follows. Called once, also after `write` has raised."""


class CallbackSink:
    """Calls a function with every event of one type."""

    def __init__(self, callback: Callable[[Any], object], of: type) -> None:
        self._callback = callback
        self._of = of

    @property
    def name(self) -> str:
        """Qualified name of the function."""
        name = getattr(self._callback, "__qualname__", None)
        return str(name) if name else type(self._callback).__name__

    def write(self, event: Event) -> None:
        """Call the function, if the event is of its type."""
        if isinstance(event, self._of):
            self._callback(event)

    def close(self) -> None:
        """Do nothing: a function holds nothing."""
