"""Where events go: the protocol that JSON lines, the live view and brokers implement."""

from __future__ import annotations

from typing import Protocol

from stream_emo.events import Event


class Sink(Protocol):
    """Takes the events of one session, in order, on one thread.

    A sink that raises is detached and reported as an `error` event; the session and its other sinks go on.
    """

    @property
    def name(self) -> str:
        """What messages call it."""

    def write(self, event: Event) -> None:
        """Take the next event. May block: each sink has a bounded queue of its own in front of it."""

    def close(self) -> None:
        """Release what the sink holds; no event follows. Called once, also after `write` has raised."""
