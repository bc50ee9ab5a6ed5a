"""The monitor: the only place that starts pipeline threads. Wiring, shutdown, statistics.

    source -> gate =[speech]=> listen =[heard]=> score -> publisher
    `--- capture ---'          `listen'          `score'   `dispatch'      (threads)

Each arrow in brackets is a bounded channel that waits when full. A live source must not wait: it drops at its
own bounded queue, and what was dropped travels on as a `Gap`.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np

from stream_emo.audio.base import Source
from stream_emo.audio.endpointer import Endpointer
from stream_emo.audio.pcm import PcmFormat
from stream_emo.audio.source import open_source
from stream_emo.audio.vad import make_vad
from stream_emo.config import Config
from stream_emo.errors import PipelineError, StreamEmoError, StuckError
from stream_emo.publish.publisher import Publisher, Subscription
from stream_emo.runtime.bounded_queue import BoundedQueue, Closed
from stream_emo.types import (
    SAMPLE_RATE,
    Chunk,
    DeviceChange,
    Failure,
    GateItem,
    Samples,
    Score,
    SourceItem,
    SpeechChunk,
    SpeechEnd,
    SpeechStart,
    Start,
    Stats,
    Stop,
    seconds,
)

if TYPE_CHECKING:
    from stream_emo.engine import Engine
    from stream_emo.schedule import ListenerItem
    from stream_emo.session import Session

_SILENT_DB = -120.0
# What may come together while nobody speaks: for a third of the wake-ups, 64 ms of delay at the beginning.
_COALESCED = 3 * SAMPLE_RATE * 32 // 1000
# Encoder passes that may wait for the decoder.
_HEARD_QUEUE = 2


class Monitor:
    """Listens to one source and publishes what it hears.

    As a context manager it opens the source and loads the models. Live audio is recorded from then on and
    scored from the first subscriber on; a file or pipe waits for `start`, `wait` or iteration, so that no
    subscriber misses anything.

    Args:
        config: see `Config`.
        source: "mic", "-" for PCM on standard input, a path, or a `Source`.
        realtime: pace a file like a microphone.
        pcm: format of the PCM on standard input.
        engine: models to share with other monitors; None loads them, and keeps them for the next monitor with
            the same configuration.
        channel: number that the published scores carry.
    """

    def __init__(
        self,
        config: Config | None = None,
        source: str | os.PathLike[str] | Source = "mic",
        *,
        realtime: bool = False,
        pcm: PcmFormat | None = None,
        engine: Engine | None = None,
        channel: int = 0,
    ) -> None:
        self._config = config or Config()
        self._spec, self._realtime, self._pcm = source, realtime, pcm
        self._engine, self._channel = engine, channel
        self._threads: list[threading.Thread] = []
        self._source: Source | None = None
        self._failure: BaseException | None = None
        self._told = self._closed = False
        self._lock = threading.Lock()

    # -- life ------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        """Raises:
        StreamEmoError: the source cannot be opened, or a model is missing.
        """
        if self._source is not None:
            raise PipelineError("this monitor was already used; make a new one for a new session")
        from stream_emo.engine import shared_engine

        config = self._config
        source = open_source(self._spec, config.audio, pcm=self._pcm, realtime=self._realtime)
        # A wrong path should say so before the models take their time.
        source.open()
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        try:
            self._engine = self._engine or shared_engine(config)
            self._session: Session = self._engine.session(self._channel)
            self._gate = Endpointer(config.gate, make_vad(config.gate))
        except BaseException:
            source.close()
            raise
        self._source = source
        self._publisher = Publisher(config.publish, live=source.live)
        self._speech: BoundedQueue[GateItem] = BoundedQueue(
            round(config.audio.buffer_s * SAMPLE_RATE), _weight
        )
        self._heard: BoundedQueue[ListenerItem] = BoundedQueue(_HEARD_QUEUE)
        self._arrivals = _Arrivals()
        self._latest: Samples = np.zeros(0, np.float32)
        self._speaking, self._position = False, 0
        self._publisher.publish(Start(self._session.name, now, source.name))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        except StuckError as stuck:
            if error is None:
                raise
            error.add_note(str(stuck))  # What went wrong first is what the caller must hear.
        if error is None:
            self._raise_failure()

    def start(self) -> None:
        """Let the audio flow; does nothing when it already does. Raises `PipelineError`: not open."""
        _ = self._opened  # No thread begins without a source.
        with self._lock:
            if self._threads:
                return
            for name, stage in (("capture", self._capture), ("listen", self._listen), ("score", self._score)):
                self._threads.append(threading.Thread(target=stage, name=f"stream_emo-{name}", daemon=True))
            for thread in self._threads:
                thread.start()

    def pause(self) -> None:
        """Hear nothing until `resume`; a microphone is released. What was heard until now is still published.

        The session's clock goes on, and what was not heard is a `Lost` with the reason "paused"; a file or
        pipe waits.
        """
        self._opened.pause()

    def resume(self) -> None:
        """Go on after `pause`; does nothing when it was not paused."""
        self._opened.resume()

    def stop(self) -> None:
        """End the source; what was heard until now is still published. Returns at once; signal-safe."""
        self._opened.stop()
        self._session.hung_up = self._opened.live

    def wait(self, timeout: float | None = None) -> bool:
        """Until everything is published and every callback has run, or `timeout` s; whether it is.

        Raises:
            StreamEmoError: what went wrong; `PipelineError` when it was not foreseen.
        """
        self.start()
        threads = [*self._threads, *self._publisher.dispatchers()]
        if any(thread.is_alive() for thread in _joined(threads, timeout)):
            return False
        self._raise_failure()
        return True

    def _raise_failure(self) -> None:
        """Once: who has heard of it need not hear it again at the end of `with`."""
        failure = self._failure
        if failure is None or self._told:
            return
        self._told = True
        if isinstance(failure, StreamEmoError):
            raise failure
        raise PipelineError(f"{type(failure).__name__}: {failure}") from failure

    def close(self) -> None:
        """Stop, publish what was heard, release everything.

        Raises:
            StuckError: something did not end within `publish.shutdown_s`.
        """
        source = self._opened
        self._closed = True
        self.stop()
        if threading.current_thread() in self._threads or self._publisher.in_callback():
            return  # A callback cannot wait for itself; whoever entered the monitor closes it.
        self._publisher.stop_waiting()
        if self._engine is not None:
            self._engine.wait()  # What was heard still wants its words; loading is not being stuck.
        deadline = time.monotonic() + self._config.publish.shutdown_s
        stuck = [
            thread for thread in _joined(self._threads, self._config.publish.shutdown_s) if thread.is_alive()
        ]
        for channel in (self._speech, self._heard):
            channel.cancel()
        source.close()
        stuck += self._publisher.close(max(0.1, deadline - time.monotonic()))
        if stuck:
            raise StuckError(f"did not end in time: {', '.join(thread.name for thread in stuck)}")

    # -- subscribers -----------------------------------------------------------------------------------

    def subscribe(self, callback: Callable[[Score], object]) -> Callable[[], None]:
        """Call `callback` with every score, on the dispatcher's thread. Returns what ends that.

        A callback that raises is detached and reported; the others go on.
        """
        source = self._opened
        unsubscribe = self._publisher.subscribe(callback, of=Score)
        if source.live:
            self.start()
        return unsubscribe

    def events(self) -> Subscription:
        """Every event, to iterate over (also asynchronously); call `start` when the source is a file."""
        source = self._opened
        subscription = self._publisher.events()
        if source.live:
            self.start()
        return subscription

    def __iter__(self) -> Iterator[Score]:
        """Scores until the source ends. Outside of `with`, opens and closes the monitor itself.

        Raises:
            StreamEmoError: see `wait`; after the last score.
        """
        if self._source is None or self._closed:
            with self:
                yield from self._scores()
        else:
            yield from self._scores()

    def _scores(self) -> Iterator[Score]:
        with self.events() as events:
            self.start()
            for event in events:
                if isinstance(event, Score):
                    yield event
        self.wait()

    async def __aiter__(self) -> AsyncIterator[Score]:
        """As `__iter__`, for `async for`."""
        import asyncio

        entered = self._source is None or self._closed
        if entered:
            entering = asyncio.create_task(asyncio.to_thread(self.__enter__))
            try:
                await asyncio.shield(entering)
            except asyncio.CancelledError:
                await entering  # The thread cannot be cancelled; what it opens must be closed.
                self.close()
                raise
        try:
            with self.events() as events:
                self.start()
                async for event in events:
                    if isinstance(event, Score):
                        yield event
            await asyncio.to_thread(self.wait)
        finally:
            if entered:
                await asyncio.to_thread(self.close)

    def stats(self) -> Stats:
        """The counters now; cheap enough for a level meter."""
        counts = self._opened.counts()
        session = self._session
        return Stats(
            time=seconds(self._position),
            level_db=_level_db(self._latest),
            speaking=self._speaking,
            offered=counts.offered,
            taken=counts.taken,
            dropped=counts.dropped,
            queued=counts.queued,
            status_flags=counts.status_flags,
            clipped=counts.clipped,
            utterances=session.utterances,
            scores=session.scores,
            shed_texts=session.shed_texts,
            shed_scores=session.shed_scores,
            missed=self._publisher.missed,
        )

    # -- stages, each on its thread ----------------------------------------------------------------------

    def _capture(self) -> None:
        next_stats = every = round(self._config.publish.stats_s * SAMPLE_RATE)
        try:
            self._opened.coalesce(_COALESCED)
            try:
                for item in self._opened:
                    self._take(item)
                    if self._position >= next_stats:
                        self._publisher.publish(self.stats())
                        while self._position >= next_stats:
                            next_stats += every
            except StreamEmoError as error:
                self._fail(error)  # A source that ends badly: what it gave before is still worth publishing.
            self._hand_on(self._gate.flush())
            self._speech.close()
        except Closed:
            pass  # A later stage failed, and said so.
        except BaseException as error:
            self._abort(error)

    def _take(self, item: SourceItem) -> None:
        if isinstance(item, Chunk):
            self._position = item.end
            self._latest = item.samples
            if item.arrived is not None:
                self._arrivals.note(item.end, item.arrived)
        elif isinstance(item, DeviceChange) and item.state != "opened":
            # Who was speaking is not waited for until there is a device again.
            self._hand_on(self._gate.flush())
        self._hand_on(self._gate.feed(item))

    def _hand_on(self, items: list[GateItem]) -> None:
        for out in items:
            if isinstance(out, SpeechStart | SpeechEnd):
                self._speaking = isinstance(out, SpeechStart)
                self._opened.coalesce(0 if self._speaking else _COALESCED)
            self._speech.put(out)

    def _listen(self) -> None:
        live = self._opened.live
        try:
            for item in self._speech:
                behind = self._speech.counts.queued if live else None
                for heard in self._session.listen(item, behind):
                    self._heard.put(heard)
            self._heard.close()
        except Closed:
            pass
        except BaseException as error:
            self._abort(error)

    def _score(self) -> None:
        try:
            for item in self._heard:
                for event in self._session.score(item, self._arrivals.age):
                    self._publisher.publish(event)
        except BaseException as error:
            self._abort(error)
        failure = self._failure
        if failure is not None:
            self._publisher.publish(Failure(str(failure) or type(failure).__name__, fatal=True))
        reason = "failed" if failure else "closed" if self._opened.stopped else "end"
        self._publisher.publish(Stop(reason, self.stats()))  # type: ignore[arg-type]
        self._publisher.finish()

    def _fail(self, error: BaseException) -> None:
        with self._lock:
            self._failure = self._failure or error

    def _abort(self, error: BaseException) -> None:
        """The first failure stops everything; what waits in the channels is dropped and counted."""
        self._fail(error)
        self._opened.stop()
        self._speech.cancel()
        self._heard.cancel()

    @property
    def _opened(self) -> Source:
        if self._source is None:
            raise PipelineError("the monitor is not open: use it in a with statement, or iterate over it")
        return self._source


class _Arrivals:
    """When samples arrived, to tell how old a score is."""

    def __init__(self) -> None:
        self._ends: deque[tuple[int, float]] = deque(maxlen=4096)
        self._lock = threading.Lock()

    def note(self, end: int, arrived: float) -> None:
        with self._lock:
            self._ends.append((end, arrived))

    def age(self, position: int) -> float | None:
        """Milliseconds since the sample before `position` arrived."""
        arrived = None
        with self._lock:
            for end, moment in reversed(self._ends):
                if end < position:
                    break
                arrived = moment
        return None if arrived is None else 1000 * (time.monotonic() - arrived)


def _weight(item: GateItem) -> int:
    return len(item.samples) if isinstance(item, SpeechChunk) else 0


def _level_db(samples: Samples) -> float:
    power = float(np.mean(np.square(samples))) if len(samples) else 0.0
    return max(_SILENT_DB, 10 * float(np.log10(power))) if power > 0 else _SILENT_DB


def _joined(threads: list[threading.Thread], timeout: float | None) -> list[threading.Thread]:
    deadline = None if timeout is None else time.monotonic() + timeout
    for thread in threads:
        thread.join(None if deadline is None else max(0.0, deadline - time.monotonic()))
    return threads
