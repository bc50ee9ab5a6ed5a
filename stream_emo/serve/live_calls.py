"""The calls of a server: opened by producers of audio, kept for a while after their end, erased on demand.

Everything runs on the event loop, apart from what blocks: opening and closing calls.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

from stream_emo.calls.call import Call, Sessions
from stream_emo.calls.playout import CallPlayout
from stream_emo.config import Config
from stream_emo.engine import Engine
from stream_emo.errors import EventError, StreamEmoError
from stream_emo.events import Event, decode
from stream_emo.serve.api_types import Note
from stream_emo.serve.call_config import for_call
from stream_emo.serve.call_view import CallView
from stream_emo.serve.event_log import EventLog
from stream_emo.serve.explanations import Explanations
from stream_emo.serve.log_sink import LogSink
from stream_emo.serve.protocols.base import CallStarted

_log = logging.getLogger(__name__)

_TAKE_OVER_S = 2.0
"""A producer that has sent nothing for so long loses its call to one that connects with the same id, s."""
_TICK_S = 0.25
_MAX_NOTES = 200


class CallRefused(StreamEmoError):
    """A call cannot be opened or resumed now; the message says why."""


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


class CallWatcher(Protocol):
    """What else is to happen with every call, for example alerts."""

    def __call__(self, call: Sessions, config: Config) -> object:
        """Attach to a call that has just been opened."""
        ...


class LiveCalls:
    """All calls that the server knows."""

    def __init__(
        self, engine: Engine, config: Config, log: EventLog, watchers: Iterable[CallWatcher] = ()
    ) -> None:
        """Begin with the calls in the log, which have ended with the server that held them."""
        self._engine, self._config, self._log = engine, config, log
        self._watchers = tuple(watchers)
        self.explanations = Explanations(engine.models.fuser)
        self._calls: dict[str, LiveCall] = {}
        self._views: dict[str, CallView] = {}
        self._opening: set[str] = set()
        self._closing: set[asyncio.Task[None]] = set()
        self._housekeeping: asyncio.Task[None] | None = None
        self.draining = False
        self.opened = 0
        """Calls since the start of the server."""
        self.on_event: Callable[[Event], object] = lambda event: None
        """Called with every event, on the dispatcher's thread."""
        self._restore()

    @property
    def config(self) -> Config:
        """Configuration of calls that state none."""
        return self._config

    @property
    def count(self) -> int:
        """Number of live calls."""
        return len(self._calls)

    @property
    def views(self) -> list[CallView]:
        """All known calls, the oldest first."""
        return list(self._views.values())

    def view(self, call_id: str) -> CallView | None:
        """Return a known call."""
        return self._views.get(call_id)

    def start(self) -> None:
        """Begin to end calls whose producer does not come back, and to forget old ones."""
        self._housekeeping = asyncio.create_task(self._keep_house(), name="calls")

    async def connect(self, started: CallStarted, dismiss: Callable[[str], object]) -> Producer:
        """Open a call, or go on with one that is live: the time in between becomes a gap.

        Args:
            started: what the producer says about the call.
            dismiss: closes the producer's connection; called when the call ends or goes on with another.

        Raises:
            CallRefused: the server is full or shutting down, or the call is connected, or is another one.
            ConfigError: the call's overrides or roles are refused.
        """
        live = self._calls.get(started.call_id)
        if live is not None:
            self._check_resume(live, started)
            if live.producer is not None:
                live.producer.dismiss("the call goes on with a newer connection")
        else:
            live = await self._open(started)
        live.heard = time.monotonic()
        live.producer = Producer(live, dismiss)
        return live.producer

    def watch(self, call: Sessions, channels: int, config: Config) -> CallView:
        """Publish the events of a call of any kind, and let its audio flow; return its view."""
        view = CallView(call.id, channels)
        self._views.pop(call.id, None)
        self._views[call.id] = view
        self.explanations.opened(call)
        call.attach(LogSink(self._log, view, self.on_event))
        for watcher in self._watchers:
            watcher(call, config)
        call.start()
        self.opened += 1
        return view

    def ended(self, call_id: str, reason: str) -> None:
        """Note that no event of a call will follow."""
        self.explanations.ended(call_id)
        view = self._views.get(call_id)
        if view is not None:
            view.ended_reason = reason
            view.end(time.time(), reason)

    def note(self, call_id: str, text: str) -> Note:
        """Add a note to a known call.

        Raises:
            CallRefused: the call has too many.
        """
        view = self._views[call_id]
        if len(view.notes) >= _MAX_NOTES:
            raise CallRefused(f"call {call_id} has {_MAX_NOTES} notes already")
        note = Note(text, datetime.now(UTC).isoformat(timespec="seconds"))
        view.notes.append(note)
        return note

    async def erase(self, call_id: str) -> None:
        """End a known call, and remove what is kept of it from memory and disk."""
        live = self._calls.get(call_id)
        if live is not None:
            live.end("erased")
            await self._close(live)
        self._forget(call_id)
        self._log.erase(call_id)

    async def drain(self) -> None:
        """Take no new calls; end all, and wait until their last utterances are finished."""
        self.draining = True
        if self._housekeeping is not None:
            self._housekeeping.cancel()
        for live in list(self._calls.values()):
            live.end("the server was shut down")
        await asyncio.gather(*(self._close(live) for live in list(self._calls.values())), *self._closing)

    def _check_resume(self, live: LiveCall, started: CallStarted) -> None:
        was = live.started
        if (was.rate, was.encoding, was.roles) != (started.rate, started.encoding, started.roles):
            raise CallRefused(
                f"call {started.call_id} is live with {was.rate} Hz, {was.encoding}, {', '.join(was.roles)}; "
                "go on with the same, or use another call id"
            )
        if live.ending is not None:
            raise CallRefused(f"call {started.call_id} is ending; use another call id")
        if live.producer is not None and time.monotonic() - live.heard < _TAKE_OVER_S:
            raise CallRefused(f"call {started.call_id} is connected already; use another call id")

    async def _open(self, started: CallStarted) -> LiveCall:
        call_id, most = started.call_id, self._config.serve.max_calls
        if self.draining:
            raise CallRefused("the server is shutting down")
        if len(self._calls) + len(self._opening) >= most:
            raise CallRefused(f"{most} calls are live already (serve.max_calls)")
        if call_id in self._opening:
            raise CallRefused(f"call {call_id} is connected already; use another call id")
        self._opening.add(call_id)
        try:
            config = for_call(self._config, started.overrides)
            call = await asyncio.to_thread(self._make, started, config)
            playout = CallPlayout(
                call, started.rate, started.encoding, len(started.roles), config.calls.playout_ms / 1000
            )
            view = self.watch(call, len(started.roles), config)
            live = self._calls[call_id] = LiveCall(started, call, playout, view)
        finally:
            self._opening.discard(call_id)
        return live

    def _make(self, started: CallStarted, config: Config) -> Call:
        return Call(
            self._engine,
            config,
            started.call_id,
            started.roles,
            rate=started.rate,
            encoding=started.encoding,
        )

    async def _close(self, live: LiveCall) -> None:
        """Wait for the last events of a call that was ended, and release it."""
        with suppress(StreamEmoError):
            if not await asyncio.to_thread(live.call.wait, self._config.publish.shutdown_s):
                _log.warning("call %s did not finish in time", live.view.id)
        try:
            await asyncio.to_thread(live.call.close)
        except StreamEmoError as error:
            _log.warning("call %s: %s", live.view.id, error)
        self.explanations.ended(live.view.id)
        live.view.end(time.time(), live.ending or "ended")
        if self._calls.get(live.view.id) is live:
            del self._calls[live.view.id]

    async def _keep_house(self) -> None:
        closing: set[LiveCall] = set()
        while True:
            await asyncio.sleep(_TICK_S)
            now = time.monotonic()
            for live in list(self._calls.values()):
                self._watch(live, now)
                if live.ending is not None and live not in closing:
                    closing.add(live)
                    task = asyncio.create_task(self._close(live))
                    self._closing.add(task)
                    task.add_done_callback(self._closing.discard)
                    task.add_done_callback(partial(_discard, closing, live))
            self._forget_old()

    def _watch(self, live: LiveCall, now: float) -> None:
        silent = now - live.heard
        if live.playout.waiting and silent > self._config.calls.playout_ms / 1000:
            live.playout.flush()
        if live.producer is None and live.ending is None and silent > self._config.serve.resume_s:
            live.end("the producer was lost")
        elif live.ending is None and live.call.wait(0):
            live.end("failed")

    def _forget(self, call_id: str) -> None:
        self._views.pop(call_id, None)
        self.explanations.forget(call_id)

    def _forget_old(self) -> None:
        oldest = time.time() - self._config.serve.keep_s
        for call_id, view in list(self._views.items()):
            if view.ended_at is not None and view.ended_at < oldest:
                self._forget(call_id)
        self._log.expire()

    def _restore(self) -> None:
        cursor, now = 0, time.time()
        while entries := self._log.after(cursor, limit=1000):
            cursor = entries[-1].id
            for entry in entries:
                with suppress(EventError):
                    event = decode(entry.json)
                    if entry.call not in self._views or (event.seq == 0 and not self._views[entry.call].live):
                        self._views[entry.call] = CallView(entry.call, channels=1 << 30)
                    self._views[entry.call].fold(event, entry.id, entry.at)
        for view in self._views.values():
            view.end(now, "the server was restarted")


def _discard(closing: set[LiveCall], live: LiveCall, task: asyncio.Task[None]) -> None:
    closing.discard(live)
