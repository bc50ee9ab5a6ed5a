"""A call that goes on after the server that held it was cut off: its events follow those of before.

The new sessions count from zero again; what they publish is put behind the earlier events. The clock needs no
change: the time since the call began is the first thing that is missing from their audio.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any

import msgspec

from stream_emo.config import PublishConfig
from stream_emo.events import DECIMALS, Event, Gap, Score, Silence, Speech, Start
from stream_emo.publish.publisher import Publisher


@dataclass(frozen=True, slots=True)
class Earlier:
    """How far a channel of a call had come."""

    began: float
    """When the call began, s since 1970."""
    seq: int
    """Number of the next event."""
    utterance: int
    """Number of the next utterance."""
    end: float
    """Time of the newest event, s."""


class ContinuedPublisher(Publisher):
    """Publishes the events of a session that goes on with an earlier one; see `Publisher`."""

    def __init__(self, config: PublishConfig, earlier: Earlier, *, live: bool) -> None:
        super().__init__(config, live=live)
        self._seq = count(earlier.seq)
        self._earlier = earlier

    def publish(self, event: Event) -> None:
        """Put the event behind the earlier ones, and publish it."""
        super().publish(continued(event, self._earlier))


def continued(event: Event, earlier: Earlier) -> Event:
    """Return an event of the new session as it follows the earlier ones; its number is left as it is."""
    changes: dict[str, Any] = {"time": max(event.time, earlier.end)}
    if isinstance(event, Start):
        began = datetime.fromtimestamp(earlier.began, UTC)
        changes["started_at"] = began.isoformat(timespec="milliseconds")
    elif isinstance(event, Speech | Silence | Score):
        changes["utterance"] = event.utterance + earlier.utterance
    elif isinstance(event, Gap):
        changes["start"] = min(event.end, round(max(event.start, earlier.end), DECIMALS))
    return msgspec.structs.replace(event, **changes)
