"""A gentle question in the evening, for a note about the day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime

from stream_emo.mood.desktop import Notifier
from stream_emo.mood.quiet_hours import parse_time


class Prompt:
    """Asks once a day, from a time of day on, unless there is a note of that day or nobody is there."""

    def __init__(self, at: str, notifier: Notifier, noted: Callable[[date], bool]) -> None:
        """Prepare.

        Args:
            at: local time of day; "": never.
            notifier: shows the question.
            noted: tells whether there is a note of a local day.

        Raises:
            ConfigError: `at` is no time of day.
        """
        self._at = parse_time("mood.prompt_at", at)
        self._notifier, self._noted = notifier, noted
        self._done: date | None = None

    def look(self, local: datetime, *, listening: bool) -> None:
        """Ask if it is time to, at this local time."""
        if self._at is None or not listening or self._done == local.date() or local.time() < self._at:
            return
        self._done = local.date()
        if not self._noted(local.date()):
            self._notifier.show("How was your day?", 'If you like: stream-emo mood note "..." --mood 1..5')
