"""Progress of long work: what training, evaluation and benchmarks report into, and the command line shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, TypeVar

T = TypeVar("T")


class Progress(Protocol):
    """Takes reports of how far some work has come; called from one thread at a time."""

    def step(self, done: float, total: float, what: str) -> None:
        """Report that `done` of `total` units of `what` are finished; `what` is a short name, shown as it is.

        The first report of a name begins it, one with `done >= total` ends it. Units are anything that
        takes about equally long each (clips, epochs, seconds): the time left is estimated from them.
        """


class NoProgress:
    """Ignores every report."""

    def step(self, done: float, total: float, what: str) -> None:
        """Do nothing."""


NO_PROGRESS = NoProgress()
"""The default wherever a `Progress` is taken."""


def track(items: Sequence[T], progress: Progress, what: str) -> Iterator[T]:
    """Yield the items in order, and report each as done when the next one is asked for."""
    progress.step(0, len(items), what)
    for done, item in enumerate(items, start=1):
        yield item
        progress.step(done, len(items), what)
