"""When the program listened, and why it did not: rows that grow every few seconds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from msgspec.structs import replace

from stream_emo.mood.records import Presence, State

_LONGEST_STEP = timedelta(seconds=15)
"""Longer steps between two updates mean that the machine slept, or that its clock was set."""


class PresenceLog:
    """Writes what the program does as rows of `Presence`, extended with every update.

    A crash loses what came after the last update. A row has one local offset: travel and daylight saving
    begin another.
    """

    def __init__(self, add: Callable[[Presence], object]) -> None:
        """Prepare a log; `add` stores a row, in place of an earlier one with the same start."""
        self._add = add
        self.row: Presence | None = None
        """The row that grows."""

    def update(self, state: State, now: datetime, offset_min: int) -> None:
        """Say that the program is in `state` as of `now` (UTC), where the local offset is `offset_min`."""
        self.finish(now)
        row = self.row
        if row is None or row.end != now or (row.state, row.offset_min) != (state, offset_min):
            self.row = Presence(start=now, end=now, offset_min=offset_min, state=state)
            self._add(self.row)

    def finish(self, now: datetime) -> None:
        """Extend the row to `now`, unless too much time has passed."""
        row = self.row
        if row is not None and timedelta(0) < now - row.end <= _LONGEST_STEP:
            self.row = replace(row, end=now)
            self._add(self.row)
