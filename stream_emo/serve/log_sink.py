"""Writes the events of a call to the replay log, and keeps the picture of the call up to date."""

from __future__ import annotations

from collections.abc import Callable

from stream_emo.events import Event
from stream_emo.serve.call_view import CallView
from stream_emo.serve.event_log import EventLog


class LogSink:
    """Writes the events of a call to the log."""

    name = "replay log"

    def __init__(self, log: EventLog, view: CallView, on_event: Callable[[Event], object]) -> None:
        """Write to `log`, fold into `view`, and call `on_event` with every event."""
        self._log, self._view, self._on_event = log, view, on_event

    def write(self, event: Event) -> None:
        """Take the next event of a channel of the call."""
        entry = self._log.append(event)
        self._view.fold(event, entry.id, entry.at)
        self._on_event(event)

    def close(self) -> None:
        """Do nothing: the log belongs to the server."""
