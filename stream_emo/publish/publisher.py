"""Publishes the events of one session to any number of readers, isolated from each other."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import count

from stream_emo.config import PublishConfig
from stream_emo.events import Event, Start, Stop, numbered
from stream_emo.publish.subscription import Subscription
from stream_emo.runtime.bounded_queue import Closed


class Publisher:
    """Numbers the events of a session and hands them to every subscription. Thread-safe, never blocks.

    A live session drops the oldest events of a slow reader, which `dropped` counts; any other asks `has_room`
    before it goes on, and is told by `on_room` when it may.
    """

    def __init__(self, config: PublishConfig, *, live: bool) -> None:
        self._capacity = config.queue
        self._live = live
        self._waits = not live
        self._lock = threading.Lock()
        self._subscriptions: list[Subscription] = []
        self._seq = count()
        self._observers: list[Callable[[Event], object]] = []
        self._start: Start | None = None
        self._finished = False
        self._dropped = 0
        self.on_room: Callable[[], None] = lambda: None
        """Called when a reader has made room; set by the session's pipeline."""

    @property
    def dropped(self) -> int:
        """Number of events that were dropped for slow readers."""
        return self._dropped

    @property
    def has_room(self) -> bool:
        """Whether the session may continue: no queue that it waits for is full."""
        if not self._waits:
            return True
        with self._lock:
            return all(subscription.has_room for subscription in self._subscriptions)

    def publish(self, event: Event) -> None:
        """Number the event and append it to every subscription; nothing after `finish`."""
        if isinstance(event, Stop):
            self._observe(event)
            self._append(event)
        else:
            self._append(event)
            self._observe(event)

    def observe(self, observer: Callable[[Event], object]) -> None:
        """Call `observer` with the `Start` and with every event from now on, on the thread that publishes it.

        What it publishes itself follows the event, or comes before it if that is the `Stop`, which stays the
        last. It must not wait. Events that several threads publish may reach it in another order.
        """
        with self._lock:
            start = self._start
            self._observers.append(observer)
        if start is not None:
            observer(start)

    def _observe(self, event: Event) -> None:
        for observer in self._observers:
            observer(event)

    def _append(self, event: Event) -> None:
        # Under one lock, so that every reader gets the numbers in order.
        with self._lock:
            if self._finished:
                return
            event = numbered(event, next(self._seq))
            if isinstance(event, Start):
                self._start = event
            for subscription in list(self._subscriptions):
                try:
                    self._dropped += subscription.put(event)
                except Closed:
                    self._subscriptions.remove(subscription)

    def events(self) -> Subscription:
        """Return a subscription to every event from now on, after the `Start`."""
        subscription = Subscription(self._capacity, live=self._live, on_room=lambda: self.on_room())
        with self._lock:
            if self._start is not None:
                subscription.put(self._start)
            if self._finished:
                subscription.finish()
            else:
                self._subscriptions.append(subscription)
        return subscription

    def stop_waiting(self) -> None:
        """Let the session continue from now on even if readers have no room."""
        self._waits = False
        self.on_room()

    def finish(self) -> None:
        """End publication; queued events can still be read."""
        with self._lock:
            self._finished = True
            subscriptions = list(self._subscriptions)
        for subscription in subscriptions:
            subscription.finish()
