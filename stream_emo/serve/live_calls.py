"""The calls of a server: opened by producers of audio, kept for a while after their end, erased on demand.

Everything runs on the event loop, apart from what blocks: opening and closing calls.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

import msgspec

from stream_emo.calls.call import Call, Sessions
from stream_emo.calls.continuation import Earlier
from stream_emo.calls.playout import CallPlayout
from stream_emo.config import Config
from stream_emo.engine import Engine
from stream_emo.errors import StreamEmoError
from stream_emo.events import Alert, Event, Start
from stream_emo.serve.api_types import Note
from stream_emo.serve.call_config import for_call
from stream_emo.serve.call_view import CallView
from stream_emo.serve.event_log import EventLog
from stream_emo.serve.explanations import Explanations
from stream_emo.serve.live_call import LiveCall, Producer
from stream_emo.serve.log_sink import LogSink
from stream_emo.serve.protocols.base import CallStarted
from stream_emo.serve.restored import restored

_log = logging.getLogger(__name__)

_TAKE_OVER_S = 2.0
"""A producer that has sent nothing for so long loses its call to one that connects with the same id, s."""
_TICK_S = 0.25
_POLL_S = 0.02
_FINISH_S = 60.0
"""Time that a call may take to finish after its end while the server goes on, s."""
_LAST_EVENTS_S = 5.0
"""Time in which the last events of a call that is cut off reach everybody, s."""
_MAX_NOTES = 200


class CallRefused(StreamEmoError):
    """A call cannot be opened or resumed now; the message says why."""


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
        self._shutdown_s = config.publish.shutdown_s
        self._watchers = tuple(watchers)
        self.explanations = Explanations(engine.models.fuser)
        self._calls: dict[str, LiveCall] = {}
        self._views = restored(log, time.time())
        self._opening: set[str] = set()
        self._housekeeping: asyncio.Task[None] | None = None
        self.draining = False
        self.opened = 0
        """Calls since the start of the server."""
        self.on_event: Callable[[Event], object] = lambda event: None
        """Called with every event, on the dispatcher's thread."""

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

    def watch(
        self, call: Sessions, channels: int, config: Config, continued: CallView | None = None
    ) -> CallView:
        """Publish the events of a call of any kind, and let its audio flow; return its view.

        `continued`: the view of a call that was cut off and goes on.
        """
        view = CallView(call.id, channels) if continued is None else continued
        self._views.pop(call.id, None)
        self._views[call.id] = view
        raised = [] if continued is None else continued.go_on(channels)
        self.explanations.opened(call)
        call.attach(LogSink(self._log, view, self.on_event))
        if raised:
            call.derive(partial(_cleared, raised))
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
            await self._closed(live)
        self._forget(call_id)
        self._log.erase(call_id)

    async def drain(self) -> None:
        """Take no new calls; end all, and wait until their last utterances are finished.

        What is not finished within `publish.shutdown_s` is cut off.
        """
        self.draining = True
        if self._housekeeping is not None:
            self._housekeeping.cancel()
        for live in list(self._calls.values()):
            live.end("the server was shut down")
            live.call.hurry()
        await asyncio.gather(*(self._closed(live) for live in list(self._calls.values())))

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
            known = self._views.get(call_id)
            oldest = time.time() - self._config.serve.replay_s
            earlier = None if known is None else known.earlier(started.roles, oldest)
            call = await asyncio.to_thread(self._make, started, config, earlier or ())
            playout = CallPlayout(
                call, started.rate, started.encoding, len(started.roles), config.calls.playout_ms / 1000
            )
            view = self.watch(call, len(started.roles), config, known if earlier else None)
            live = self._calls[call_id] = LiveCall(started, call, playout, view)
        finally:
            self._opening.discard(call_id)
        return live

    def _make(self, started: CallStarted, config: Config, earlier: Sequence[Earlier]) -> Call:
        return Call(
            self._engine,
            config,
            started.call_id,
            started.roles,
            rate=started.rate,
            encoding=started.encoding,
            earlier=earlier,
        )

    def _closed(self, live: LiveCall) -> asyncio.Task[None]:
        """Return the task that ends with the call, which was ended; there is one for each."""
        if live.closing is None:
            live.closing = asyncio.create_task(self._close(live))
        return live.closing

    async def _close(self, live: LiveCall) -> None:
        """Wait for the last events of a call that was ended, and release it."""
        if not await _over(live.call, lambda: self._shutdown_s if self.draining else _FINISH_S):
            _log.warning("call %s did not finish in time, and is cut off", live.view.id)
            live.call.cut_off(f"{live.ending}; the rest was not scored in time")
            await _over(live.call, lambda: _LAST_EVENTS_S)
        try:
            await asyncio.to_thread(live.call.close)
        except StreamEmoError as error:
            _log.warning("call %s: %s", live.view.id, error)
        self.explanations.ended(live.view.id)
        live.view.end(time.time(), live.ending or "ended")
        if self._calls.get(live.view.id) is live:
            del self._calls[live.view.id]

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            now = time.monotonic()
            for live in list(self._calls.values()):
                self._watch(live, now)
                if live.ending is not None:
                    self._closed(live)
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


async def _over(call: Call, most_s: Callable[[], float]) -> bool:
    """Wait until all is published, at most so long, s; return whether that is so.

    Without a thread for each call: threads are few, and opening a call takes one, too.
    """
    begun = time.monotonic()
    while not (over := call.wait(0)) and time.monotonic() - begun < most_s():
        await asyncio.sleep(_POLL_S)
    return over


def _cleared(raised: Sequence[Alert], event: Event) -> list[Alert]:
    """Return the end of alerts that were raised before a crash, at the start of their channel."""
    return [
        msgspec.structs.replace(alert, state="cleared")
        for alert in raised
        if isinstance(event, Start) and event.channel == alert.channel
    ]
