"""The parts of an open monitor: a source and what moves its audio, a session on the workers, its sinks."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from stream_emo.audio.base import PolledSource, Source, SourceCounts
from stream_emo.engine import Engine
from stream_emo.errors import PipelineError, StreamEmoError, StuckError
from stream_emo.publish.dispatcher import Delivery
from stream_emo.publish.publisher import Publisher
from stream_emo.publish.sink import Sink
from stream_emo.pump import Moving
from stream_emo.runtime.bounded_queue import Closed
from stream_emo.session import Session
from stream_emo.types import SAMPLE_RATE

_log = logging.getLogger(__name__)

_COALESCED = 3 * SAMPLE_RATE * 32 // 1000
"""Samples that a live source delivers at once while nobody speaks: a third of the wake-ups, for 64 ms of
delay at the beginning."""
_LAST_WORDS_S = 0.5
"""Time that a session has to publish its end after it was aborted."""


class Feed:
    """Moves audio from one open source into a session, and its events to sinks."""

    def __init__(
        self, source: Source, engine: Engine, session: Session, publisher: Publisher | None = None
    ) -> None:
        """Publish with `publisher`; None: with a new one."""
        self.source, self.engine, self.session = source, engine, session
        self.publisher = publisher or Publisher(session.config.publish, live=source.live)
        self.pipeline = engine.pipeline(session, self.publisher, live=source.live)
        session.counts = self._counts
        self.closed = False
        self.before_end: Callable[[], object] = lambda: None
        """Called on the source's thread when its audio has ended, before the session ends."""
        self._lock = threading.Lock()
        self._moving: threading.Thread | Moving | None = None
        """What moves the audio: a thread of the source, or the pump if it can be polled."""
        self._looks = 0
        """How often the pump has looked at the source."""
        self._deliveries: list[Delivery] = []
        self.publisher.publish(session.start_event(source.name, live=source.live))

    def start(self) -> None:
        """Let the audio flow, once."""
        self.engine.guard.check()
        with self._lock:
            if self._moving is not None or self.closed:
                return
            if isinstance(self.source, PolledSource):
                self._moving = self.engine.pump.add(partial(self._move, self.source), self.source.name)
                return
            thread = threading.Thread(target=self._pump, name="stream_emo-source", daemon=True)
            self._moving = thread
            thread.start()

    def attach(self, sink: Sink) -> Callable[[], None]:
        """Give every event from now on to `sink`; return what ends that.

        Raises:
            PipelineError: `sink` is not one.
        """
        if not (callable(getattr(sink, "write", None)) and callable(getattr(sink, "close", None))):
            raise PipelineError(f"{sink!r} has no write and close; a function goes to subscribe instead")
        self._deliveries = [other for other in self._deliveries if not other.done.is_set()]
        delivery = self.engine.dispatcher.attach(sink, self.publisher.events(), self._sink_failed)
        self._deliveries.append(delivery)
        return lambda: self.engine.dispatcher.detach(delivery)

    def pending(self, timeout: float | None) -> list[str]:
        """Wait until everything is over, at most `timeout` s; return the names of what is not."""
        deadline = None if timeout is None else time.monotonic() + timeout

        def left() -> float | None:
            return None if deadline is None else max(0.0, deadline - time.monotonic())

        self.engine.guard.check()
        names = []
        if not self.pipeline.wait(left()):
            names.append(f"session {self.session.name}")
        elif self.pipeline.failure is not None:
            self.source.stop()  # It may be waiting for audio, and would notice at the next only.
        if self._moving is not None:
            self._moving.join(left())
            if self._moving.is_alive():
                names.append(self._moving.name)
        if not self.engine.dispatcher.on_thread():
            names += [
                f"sink {delivery.name}" for delivery in self._deliveries if not delivery.done.wait(left())
            ]
        return names

    def close(self, deadline: float) -> list[str]:
        """Shut down along the data flow; return the names of what did not end until `deadline`."""
        self.publisher.stop_waiting()
        if self._moving is not None:
            self._moving.join(max(0.1, (deadline - time.monotonic()) / 2))
        if self._moving is None or self._moving.is_alive():
            # What was heard is published, even if the source never ends.
            self.pipeline.finish("closed")
        stuck = self.pending(max(0.1, deadline - time.monotonic()))
        if not self.pipeline.wait(0):
            self.pipeline.abort(StuckError("closed before it was over"))
            self.pipeline.wait(_LAST_WORDS_S)
        self.publisher.finish()
        try:
            self.source.close()
        finally:
            for delivery in self._deliveries:
                self.engine.dispatcher.detach(delivery)
        for shared in (self.engine.dispatcher, self.engine.pump):
            left = max(0.1, deadline - time.monotonic())
            stuck += [thread.name for thread in shared.join(left)]
        return stuck

    def _counts(self) -> SourceCounts:
        """Return the counters of the source, with what waits in or was dropped from the session's queue."""
        source, queue = self.source.counts(), self.pipeline.counts()
        missing = min(queue.queued + queue.dropped, source.taken)
        dropped = min(queue.dropped, missing)
        return replace(
            source,
            taken=source.taken - missing,
            dropped=source.dropped + dropped,
            queued=source.queued + missing - dropped,
        )

    def _pump(self) -> None:
        """Move audio from the source to the session, on the source's thread."""
        source, session = self.source, self.session
        coalesced = _COALESCED
        failure: StreamEmoError | None = None
        try:
            source.coalesce(coalesced)
            try:
                for item in source:
                    self.pipeline.put(item)
                    wanted = 0 if session.speaking else _COALESCED
                    if wanted != coalesced:
                        source.coalesce(wanted)
                        coalesced = wanted
            except StreamEmoError as error:
                failure = error  # What the source delivered before is still published.
            self.before_end()
            self.pipeline.finish("closed" if source.stopped else "end", failure)
        except Closed:
            source.stop()  # The session has failed and reports that itself.
        except BaseException as error:
            self.pipeline.abort(error)

    def _move(self, source: PolledSource) -> bool:
        """Move what has arrived to the session, on the pump's thread; return whether there may be more."""
        self._looks += 1
        if self._looks % 2 and not self.session.speaking:
            return True  # Half of the cost, for as much delay at the beginning of speech.
        try:
            items = source.poll()
            if items is not None:
                self.pipeline.offer(items)
                return True
            self.before_end()
            self.pipeline.finish("closed" if source.stopped else "end")
        except StreamEmoError as error:
            self.pipeline.finish("closed" if source.stopped else "end", error)
        except Closed:
            source.stop()  # The session has failed and reports that itself.
        except BaseException as error:
            self.pipeline.abort(error)
        return False

    def _sink_failed(self, name: str, error: BaseException) -> None:
        """Report a detached sink; `KeyboardInterrupt` and the like end the session."""
        if not isinstance(error, Exception):
            self.source.stop()
            self.pipeline.abort(error)
            return
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        message = f"sink {name} detached: {reason}"
        _log.warning("%s", message)
        self.publisher.publish(self.session.error_event(message, fatal=False))
