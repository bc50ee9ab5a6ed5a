"""A call that has not ended, and the connection that delivers its audio. On the event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from stream_emo.calls.call import Call
from stream_emo.calls.playout import CallPlayout
from stream_emo.serve.call_view import CallView
from stream_emo.serve.protocols.base import CallStarted


class Producer:
    """One connection that delivers the audio of a call."""

    def __init__(self, live: LiveCall, dismiss: Callable[[str], object]) -> None:
        """`dismiss` closes the connection, and says why."""
        self._live = live
        self._dismiss = dismiss

    @property
    def call_id(self) -> str:
        """Id of the call."""
        return self._live.view.id

    @property
    def current(self) -> bool:
        """Whether the call still listens to this connection."""
        return self._live.producer is self

    def push(self, channel: int, data: bytes, position: int | None = None) -> None:
        """Deliver audio, see `CallPlayout.push`; nothing after the connection was replaced."""
        if self.current:
            self._live.heard = time.monotonic()
            self._live.playout.push(channel, data, position)

    def end(self, reason: str) -> None:
        """End the call: its producer has ended it."""
        if self.current:
            self._live.end(reason)

    def lost(self) -> None:
        """Leave the call open for a while, for a producer that connects again."""
        if self.current:
            self._live.producer = None
            self._live.heard = time.monotonic()

    def dismiss(self, reason: str) -> None:
        """Close the connection."""
        self._dismiss(reason)


class LiveCall:
    """A call that has not ended."""

    def __init__(self, started: CallStarted, call: Call, playout: CallPlayout, view: CallView) -> None:
        self.started, self.call, self.playout, self.view = started, call, playout, view
        self.producer: Producer | None = None
        self.heard = time.monotonic()
        """When the producer was heard last, or was lost."""
        self.ending: str | None = None
        """Why it ends, once it does."""
        self.closing: asyncio.Task[None] | None = None
        """Waits for the last events."""

    def end(self, reason: str) -> None:
        """End the audio; the open utterance is finished."""
        if self.ending is None:
            self.ending = reason
            self.view.ended_reason = reason
            self.playout.flush()
            self.call.end()
        producer, self.producer = self.producer, None
        if producer is not None:
            producer.dismiss(reason)
