"""The state of the service in words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from stream_emo.mood.control import Status

_STATES = {
    "starting": "starting",
    "listening": "● listening",
    "paused": "❚❚ paused",
    "quiet": "❚❚ quiet hours: not recording",
    "locked": "❚❚ screen locked: not recording",
    "call": "❚❚ another program records: not recording",
    "lost": "the microphone is lost: not recording",
}


def headline(status: Status) -> str:
    """Return the state and its times, local, in one line."""
    text = f"{_STATES[status.state]} since {_clock(status.since)}"
    return f"{text}, until {_clock(status.until)}" if status.until is not None else text


def status_lines(status: Status) -> Iterator[str]:
    """Yield what a person may want to know of the service, line by line."""
    yield headline(status)
    yield f"microphone: {status.microphone}; process {status.process}"
    others = f", of others {status.others} (counted only)" if status.owner_only else ""
    yield f"utterances since it began: yours {status.utterances}{others}"
    if not status.owner_only:
        yield "everybody near the microphone is scored: mood.owner_only is false"
    known = {"whether the screen is locked": status.lock_known, "whether there is a call": status.calls_known}
    unknown = [what for what, is_known in known.items() if not is_known]
    if unknown:
        yield f"not known here, or switched off: {', '.join(unknown)}"


def _clock(moment: datetime) -> str:
    """Return the local time of day, with the date if that is not today."""
    local = moment.astimezone()
    today = datetime.now().astimezone().date()
    return f"{local:%H:%M}" if local.date() == today else f"{local:%Y-%m-%d %H:%M}"
