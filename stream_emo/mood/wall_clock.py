"""The wall clock of the mood tracker, which tests replace by one that runs faster."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from threading import Event
from typing import Protocol


class WallClock(Protocol):
    """Tells the time of day, and waits."""

    def now(self) -> datetime:
        """Return the time, aware, in UTC."""

    def offset_min(self) -> int:
        """Return the local offset in force, minutes east of UTC."""

    def wait(self, event: Event, seconds: float) -> bool:
        """Wait until `event` is set, at most `seconds`; return whether it is."""


class SystemClock:
    """The machine's clock and its time zone, which may change while the program runs."""

    def now(self) -> datetime:
        """Return the time, aware, in UTC."""
        return datetime.now(UTC)

    def offset_min(self) -> int:
        """Return the local offset in force, minutes east of UTC."""
        if hasattr(time, "tzset"):
            time.tzset()  # Else a process keeps the time zone that it began with.
        offset = datetime.now(UTC).astimezone().utcoffset()
        assert offset is not None, "astimezone returns aware times"
        return round(offset.total_seconds() / 60)

    def wait(self, event: Event, seconds: float) -> bool:
        """Wait until `event` is set, at most `seconds`; return whether it is."""
        return event.wait(seconds)
