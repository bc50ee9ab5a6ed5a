"""The dispatcher: one thread that drives the sinks of all sessions of an engine."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from stream_emo.publish.sink import Sink
from stream_emo.publish.subscription import Subscription

_log = logging.getLogger(__name__)

Report = Callable[[str, BaseException], None]
"""Takes the name of a sink that failed and what it raised."""


class Delivery:
    """One sink and the events that wait for it; `done` when it was closed."""

    def __init__(self, sink: Sink, subscription: Subscription, report: Report) -> None:
        self.sink = sink
        # Read once: it is somebody else's code, and may fail.
        self.name = str(getattr(sink, "name", type(sink).__name__))
        self.subscription = subscription
        self.report = report
        self.done = threading.Event()
        self.queued = False
        """Whether the dispatcher has it on its list."""


class Dispatcher:
    """Gives every sink its events in order, one event of each in turn.

    Its thread runs while sinks are attached. A sink that blocks holds up the others: live sessions then drop
    events and count them.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._ready: deque[Delivery] = deque()
        self._attached = 0
        self._thread: threading.Thread | None = None

    def attach(self, sink: Sink, subscription: Subscription, report: Report) -> Delivery:
        """Begin to drive `sink` with the events of `subscription`."""
        delivery = Delivery(sink, subscription, report)
        with self._changed:
            self._attached += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="stream_emo-dispatch", daemon=True)
                self._thread.start()
        subscription.watch(lambda: self._wake(delivery))
        self._wake(delivery)
        return delivery

    def detach(self, delivery: Delivery) -> None:
        """Stop driving a sink: what waits for it is dropped, and it is closed. Returns at once."""
        delivery.subscription.close()
        self._wake(delivery)

    def on_thread(self) -> bool:
        """Return whether the calling thread is the dispatcher's, in a sink."""
        return threading.current_thread() is self._thread

    def join(self, timeout: float) -> list[threading.Thread]:
        """Wait at most `timeout` s for a thread that has no sinks left; return it if it still runs."""
        thread = self._thread
        if thread is None or self.on_thread():
            return []
        deadline = time.monotonic() + timeout
        while self._attached == 0 and thread.is_alive() and time.monotonic() < deadline:
            thread.join(0.05)
        return [thread] if thread.is_alive() and self._attached == 0 else []

    def _wake(self, delivery: Delivery) -> None:
        with self._changed:
            if not delivery.queued and not delivery.done.is_set():
                delivery.queued = True
                self._ready.append(delivery)
                self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._ready:
                    if self._attached == 0:
                        self._thread = None
                        return
                    self._changed.wait()
                delivery = self._ready.popleft()
                delivery.queued = False
            self._serve(delivery)

    def _serve(self, delivery: Delivery) -> None:
        """Hand over one event, or close the sink after the last."""
        try:
            event = delivery.subscription.get(timeout=0)
        except TimeoutError:
            return  # It is woken by the next.
        try:
            if event is not None:
                delivery.sink.write(event)
                self._wake(delivery)
                return
        except BaseException as error:
            # A sink is foreign code: its exception is reported, and it is not called again.
            delivery.subscription.close()
            _report(delivery, error)
        self._close(delivery)

    def _close(self, delivery: Delivery) -> None:
        try:
            delivery.sink.close()
        except BaseException as error:
            _report(delivery, error)
        delivery.subscription.watch(None)
        with self._changed:
            delivery.done.set()
            if delivery.queued:
                self._ready.remove(delivery)
            self._attached -= 1
            self._changed.notify()


def _report(delivery: Delivery, error: BaseException) -> None:
    """Report the failure of a sink; a report that fails itself must not end the thread of all sinks."""
    try:
        delivery.report(delivery.name, error)
    except Exception:
        _log.exception("the failure of sink %s could not be reported", delivery.name)
