"""The calls in the replay log of a server that has ended, or was killed."""

from __future__ import annotations

from contextlib import suppress

from stream_emo.errors import EventError
from stream_emo.events import decode
from stream_emo.serve.call_view import CallView
from stream_emo.serve.event_log import EventLog

_READ = 1000
"""Entries that are read at once."""


def restored(log: EventLog, now: float) -> dict[str, CallView]:
    """Return the calls whose events are in the log, the oldest first; none is live.

    `now`: s since 1970. A call that had not ended was cut off, and can go on; see `CallView.cut_off`.
    """
    views: dict[str, CallView] = {}
    began: dict[str, float] = {}
    cursor = 0
    while entries := log.after(cursor, limit=_READ):
        cursor = entries[-1].id
        for entry in entries:
            with suppress(EventError):
                event = decode(entry.json)
                view = views.get(entry.call)
                if view is None or (event.seq == 0 and view.stopped):
                    view = views[entry.call] = CallView(entry.call, channels=None)
                    began[entry.call] = entry.at
                view.fold(event, entry.id, entry.at)
                # An event is published after its time, never before.
                began[entry.call] = min(began[entry.call], entry.at - event.time)
    for call_id, view in views.items():
        if view.stopped:
            view.end(now, "ended")
        else:
            view.cut_off = began[call_id]
            view.end(now, "the server was restarted")
    return views
