"""From one session to any number of subscribers, none of whom can hold up the others or a live source."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

from stream_emo.config import PublishConfig
from stream_emo.runtime.bounded_queue import BoundedQueue, Closed
from stream_emo.types import Event, Failure, Start, Stop

E = TypeVar("E")


class Publisher:
    """Hands every event to every subscriber, each behind a bounded channel of its own.

    A live session never waits: a full channel loses its oldest events, which `missed` counts. Otherwise
    the session waits for its slowest subscriber. `Start`, `Failure` and `Stop` always fit.
    All callbacks share one thread and one channel. Thread-safe.
    """

    def __init__(self, config: PublishConfig, live: bool) -> None:
        self._capacity = config.queue
        self._lock = threading.Lock()
        self._channels: list[BoundedQueue[Event]] = []
        self._callbacks: list[_Callback] = []
        self._dispatcher: threading.Thread | None = None
        self._start: Start | None = None
        self._finished = False
        self._waits = not live
        self._missed = 0

    @property
    def missed(self) -> int:
        """Events that subscribers lost because they were slow."""
        return self._missed

    def publish(self, event: Event) -> None:
        with self._lock:
            if isinstance(event, Start):
                self._start = event
            channels = list(self._channels)
        for channel in channels:
            try:
                missed = channel.put(event)
            except Closed:
                self._forget(channel)
            else:
                with self._lock:
                    self._missed += missed

    def events(self) -> Subscription:
        """Every event from now on, after the `Start`."""
        with self._lock:
            return Subscription(self._join())

    def subscribe(self, callback: Callable[[E], object], of: type[E]) -> Callable[[], None]:
        """Call `callback` with every event of this type, on the dispatcher's thread. The result ends that."""
        entry = _Callback(callback, of)
        with self._lock:
            self._callbacks.append(entry)
            if self._dispatcher is None:
                self._dispatcher = threading.Thread(
                    target=self._dispatch, args=(self._join(),), name="stream_emo-dispatch", daemon=True
                )
                self._dispatcher.start()
        return lambda: self._detach(entry)

    def in_callback(self) -> bool:
        """Whether this is the dispatcher's thread."""
        return threading.current_thread() is self._dispatcher

    def dispatchers(self) -> list[threading.Thread]:
        """The thread that runs callbacks, if there is one and this is not it."""
        dispatcher = self._dispatcher
        return [] if dispatcher is None or self.in_callback() else [dispatcher]

    def stop_waiting(self) -> None:
        """From now on the session does not wait for slow subscribers."""
        with self._lock:
            self._waits = False
            for channel in self._channels:
                channel.stop_waiting()

    def finish(self) -> None:
        """Nothing more is published; what waits can still be taken."""
        with self._lock:
            self._finished = True
            for channel in self._channels:
                channel.close()

    def close(self, timeout: float) -> list[threading.Thread]:
        """Finish, let the callbacks run to their end. Returns what did not end within `timeout` s."""
        self.finish()
        dispatcher = self._dispatcher
        if dispatcher is None:
            return []
        dispatcher.join(timeout)
        return [dispatcher] if dispatcher.is_alive() else []

    def _join(self) -> BoundedQueue[Event]:
        """A channel more, with the lock held."""
        channel: BoundedQueue[Event] = BoundedQueue(self._capacity, _weight)
        if not self._waits:
            channel.stop_waiting()
        if self._start is not None:
            channel.put(self._start)
        if self._finished:
            channel.close()
        self._channels.append(channel)
        return channel

    def _forget(self, channel: BoundedQueue[Event]) -> None:
        with self._lock:
            if channel in self._channels:
                self._channels.remove(channel)

    def _detach(self, entry: _Callback) -> None:
        with self._lock:
            if entry in self._callbacks:
                self._callbacks.remove(entry)

    def _dispatch(self, channel: BoundedQueue[Event]) -> None:
        for event in channel:
            with self._lock:
                entries = [entry for entry in self._callbacks if isinstance(event, entry.of)]
            for entry in entries:
                try:
                    entry.call(event)
                except Exception as error:
                    # Somebody else's code: it is told apart from ours, reported to all, and not called again.
                    self._detach(entry)
                    self.publish(Failure(f"subscriber {entry.name} detached: {_told(error)}", fatal=False))


class Subscription:
    """Events in order, to iterate over, plainly or asynchronously, by one reader. Leaving it unsubscribes."""

    def __init__(self, channel: BoundedQueue[Event]) -> None:
        self._channel = channel

    def get(self, timeout: float | None = None) -> Event | None:
        """The next event; None after the last. Raises `TimeoutError` after `timeout` s."""
        try:
            return self._channel.get(timeout)
        except Closed:
            return None

    def __iter__(self) -> Iterator[Event]:
        return iter(self._channel)

    async def __aiter__(self) -> AsyncIterator[Event]:
        loop, changed = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(changed.set)

        self._channel.watch(wake)
        try:
            while True:
                changed.clear()
                try:
                    yield self._channel.get(timeout=0)
                except TimeoutError:
                    await changed.wait()
                except Closed:
                    return
        finally:
            self._channel.watch(None)

    def close(self) -> None:
        self._channel.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(frozen=True, slots=True, eq=False)
class _Callback:
    call: Callable[[Any], object]
    of: type

    @property
    def name(self) -> str:
        return str(getattr(self.call, "__qualname__", repr(self.call)))


def _weight(event: Event) -> int:
    return 0 if isinstance(event, Start | Failure | Stop) else 1


def _told(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
