"""One session on the workers of an engine: bounded input, two serial stages, events to a publisher.

    put, offer ═[audio.buffer_s]═▶ listen ═[passes]═▶ score ─▶ publisher

No thread belongs to a pipeline. `put` waits for room and suits files and pipes; `offer` never waits: what
does not fit is dropped, counted, and becomes a `Gap`. Shutdown follows the data: `finish` ends the input,
what is queued is worked off, `stop` is published last.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence

from stream_emo.audio.base import SourceCounts
from stream_emo.errors import StreamEmoError
from stream_emo.events import Event, StopReason
from stream_emo.publish.publisher import Publisher
from stream_emo.runtime.bounded_queue import BoundedQueue, Closed
from stream_emo.runtime.scheduler import Scheduler, Stage
from stream_emo.runtime.stage import SerialStage
from stream_emo.schedule import Load
from stream_emo.session import Listened, Session
from stream_emo.types import SAMPLE_RATE, Chunk, Gap, SourceItem

_MAX_PASSES_LIVE = 3
"""Passes that may wait for the second stage: few, so that load is shed before scores are stale..."""
_MAX_PASSES = 8
"""...or more where nothing is shed, so that both stages always have work: passes differ much in cost."""


class Pipeline:
    """Runs one session until its input ends or something fails. Thread-safe."""

    def __init__(self, session: Session, scheduler: Scheduler, publisher: Publisher, *, live: bool) -> None:
        """Build a pipeline; `live`: whether load is shed when the machine is behind."""
        self.session = session
        self.failure: BaseException | None = None
        """The exception that ended the session, if it failed."""
        self._publisher = publisher
        self._inbox: BoundedQueue[SourceItem] = BoundedQueue(
            round(session.config.audio.buffer_s * SAMPLE_RATE), _weight, _overflow
        )
        self._passes: deque[Listened] = deque()
        self._lock = threading.Lock()
        self._reason: StopReason = "end"
        self._aborted = False
        self._drained = self._listened = False
        """Whether the end of the input was taken, and whether the first stage has ended."""
        self._done = threading.Event()
        self._load = None
        max_passes = _MAX_PASSES_LIVE if live else _MAX_PASSES
        if live:
            self._load = Load(lambda: self._inbox.counts.queued, lambda: scheduler.contended(session))
        self._listen: SerialStage[Sequence[SourceItem], Listened] = SerialStage(
            scheduler,
            session,
            take=self._take_arrived,
            process=self._process_arrived,
            emit=self._emit_listened,
            ready=lambda: len(self._passes) < max_passes or self._aborted,
            fail=self.abort,
        )
        self._score: SerialStage[Listened, Event] = SerialStage(
            scheduler,
            session,
            take=self._take_listened,
            process=session.score,
            emit=publisher.publish,
            ready=lambda: publisher.has_room or self._aborted,
            fail=self._score_failed,
        )
        session.counts = self.counts
        session.dropped_events = lambda: publisher.dropped
        publisher.on_room = self._score.wake

    def put(self, item: SourceItem) -> None:
        """Hand over the next item, waiting for room; voice activity detection runs on the calling thread.

        Raises:
            Closed: the session is over.
        """
        self._inbox.put(item)
        self._listen.wake_here()

    def offer(self, items: Sequence[SourceItem]) -> bool:
        """Hand over the next items without waiting; voice activity detection runs on the calling thread.

        Returns:
            Whether all were taken; False: some were dropped.

        Raises:
            Closed: the session is over.
        """
        taken = [self._inbox.offer(item) for item in items]
        self._listen.wake_here()
        return all(taken)

    def finish(self, reason: StopReason = "end", failure: StreamEmoError | None = None) -> None:
        """End the input; what is queued is still processed and published. Returns at once.

        `failure`: what ended the source, reported after everything that it gave before.
        """
        with self._lock:
            if self._done.is_set():
                return
            self._reason = reason
            self.failure = self.failure or failure
        self._inbox.close()
        self._listen.wake()

    def abort(self, failure: BaseException) -> None:
        """Drop queued items and end the session with `failure`; ignored after a first failure or the end."""
        with self._lock:
            if self._done.is_set():
                return
            self.failure = self.failure or failure
            self._aborted = True
        self._inbox.cancel()
        self._listen.wake()
        self._score.wake()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until `stop` was published, at most `timeout` s; return whether it was."""
        return self._done.wait(timeout)

    # -- called by the stages, on a worker -------------------------------------------------------------------

    def _take_arrived(self) -> Sequence[SourceItem] | None:
        """Return everything that has arrived; nothing at the end of the input, None before it."""
        items: list[SourceItem] = []
        while not self._drained:
            try:
                items.append(self._inbox.get(timeout=0))
            except TimeoutError:
                break
            except Closed:
                if items:
                    break
                self._drained = True
                return ()
        return items or None

    def _process_arrived(self, items: Sequence[SourceItem]) -> Stage[Listened]:
        if items:
            yield from self.session.listen(items, self._load)
            return
        if not self._aborted:
            yield from self.session.drain()
        self._listened = True
        self._score.wake()

    def _emit_listened(self, item: Listened) -> None:
        self._passes.append(item)
        self._score.wake()

    def _take_listened(self) -> Listened | None:
        if self._done.is_set():
            return None
        if self._passes and not self._aborted:
            item = self._passes.popleft()
            self._listen.wake()
            return item
        if self._listened or self._aborted:
            self._conclude()
        return None

    def _score_failed(self, failure: BaseException) -> None:
        self.abort(failure)
        self._conclude()

    def _conclude(self) -> None:
        """Publish the last events; on the second stage, which is over."""
        if self._done.is_set():
            return
        failure = self.failure
        try:
            if failure is not None:
                message = str(failure) or type(failure).__name__
                self._publisher.publish(self.session.error_event(message, fatal=True))
            self._publisher.publish(self.session.stop_event("failed" if failure else self._reason))
        finally:
            self._publisher.finish()
            self._done.set()

    def counts(self) -> SourceCounts:
        """Return the counters of the input queue now, in samples."""
        counts = self._inbox.counts
        return SourceCounts(counts.offered, counts.taken, counts.dropped, counts.queued)


def _weight(item: SourceItem) -> int:
    return len(item.samples) if isinstance(item, Chunk) else 0


def _overflow(item: SourceItem, last: SourceItem | None) -> tuple[SourceItem, bool]:
    """Return the gap that a dropped chunk leaves, joined with the gap before it."""
    assert isinstance(item, Chunk), "only chunks have weight"
    if isinstance(last, Gap) and last.reason == "overflow" and last.end == item.start:
        return Gap(last.start, item.end, "overflow"), True
    return Gap(item.start, item.end, "overflow"), False
