"""The monitor: one source, one session, one publisher. Wiring, start, shutdown.

    source ─▶ pipeline (session on the engine's workers) ─▶ publisher ─▶ subscriptions, sinks
    `one thread'                                                         `the dispatcher's thread'

A live source never waits: it drops at its own bounded queue, and what was dropped travels on as a `Gap`. A
file or pipe waits for the slowest reader, and loses nothing.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Self

from stream_emo.audio.pcm import PcmFormat
from stream_emo.audio.source import SourceSpec, open_source
from stream_emo.config import Config
from stream_emo.errors import ConfigError, PipelineError, StuckError, raise_failure
from stream_emo.events import Score, Stats
from stream_emo.publish.sink import CallbackSink, Sink
from stream_emo.publish.subscription import Subscription

if TYPE_CHECKING:
    from stream_emo.engine import Engine
    from stream_emo.feed import Feed
    from stream_emo.perception.voice_check import VoiceCheck


class Monitor:
    """Scores the speech of one source and publishes the events.

    As a context manager it opens the source and loads the models. Live audio is recorded from then on and
    scored from the first reader on; a file or pipe waits for `start`, `wait` or iteration, so that no reader
    misses anything.
    """

    def __init__(
        self,
        config: Config | None = None,
        source: SourceSpec = "mic",
        *,
        realtime: bool = False,
        live: bool | None = None,
        pcm: PcmFormat | None = None,
        rate: int | None = None,
        engine: Engine | None = None,
        name: str | None = None,
        channel: int = 0,
        role: str | None = None,
        voice: VoiceCheck | None = None,
    ) -> None:
        """Prepare a monitor; nothing is opened yet.

        Args:
            config: configuration of this session; None: that of the engine, or the defaults.
            source: "mic", "-" for PCM on standard input, a path, samples, or a `Source`; see `open_source`.
            realtime: pace a file or pipe like a microphone.
            live: whether what feeds standard input delivers in real time; None: decided from its pace.
            pcm: format of raw PCM on standard input; None: 16 kHz, mono, s16le, or a container.
            rate: sample rate of samples that are given as arrays, Hz.
            engine: loaded models to share with other monitors; None loads them for this one alone.
            name: name of the session in its events; None: a generated one.
            channel: number of the channel in the conversation, from 0.
            role: role of the speaker, for example "customer".
            voice: the enrolled voice; utterances of others are not scored. None: everybody is.
        """
        if config is not None and not isinstance(config, Config):
            raise ConfigError(f"config: {config!r} is no Config; Config.load(path) reads a file")
        self._config = config or (engine.config if engine is not None else Config())
        self._spec, self._realtime, self._pcm, self._rate = source, realtime, pcm, rate
        self._live = live
        self._engine, self._owns_engine = engine, engine is None
        self._identity = {"name": name, "channel": channel, "role": role, "voice": voice}
        self._open: Feed | None = None
        self._used = False
        self._told = False

    # -- lifecycle -----------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        """Open the source and load the models.

        Raises:
            StreamEmoError: the source cannot be opened, a model is missing, or the configuration contradicts
                the engine.
        """
        if self._used:
            raise PipelineError("this monitor was already used; make a new one for a new session")
        self._used = True
        config = self._config
        source = open_source(
            self._spec,
            config.audio,
            pcm=self._pcm,
            rate=self._rate,
            realtime=self._realtime,
            live=self._live,
        )
        # A wrong path is reported before the models are loaded.
        source.open()
        engine = self._engine
        try:
            from stream_emo.engine import Engine
            from stream_emo.feed import Feed

            engine = engine or Engine(config)
            session = engine.session(config, **self._identity)  # type: ignore[arg-type]
            self._open = Feed(source, engine, session)
        except BaseException:
            source.close()
            if self._owns_engine and engine is not None:
                engine.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        except StuckError as stuck:
            if error is None:
                raise
            error.add_note(str(stuck))  # The first exception is the one to raise.
        if error is None:
            self._raise_failure()

    def start(self) -> None:
        """Let the audio flow; does nothing when it already does. Raises `PipelineError` if not open."""
        self._opened.start()

    def pause(self) -> None:
        """Take no audio until `resume`; a microphone is released. Earlier audio is still scored.

        The session's clock continues, and the pause is a gap with the reason "paused"; a file or pipe waits.
        """
        self._opened.source.pause()

    def resume(self) -> None:
        """Continue after `pause`; does nothing if the monitor is not paused."""
        self._opened.source.resume()

    def stop(self) -> None:
        """End the source; earlier audio is still scored and published. Returns at once; signal-safe."""
        opened = self._opened
        opened.source.stop()
        opened.session.draining = opened.source.live

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until everything is published and every sink has taken it; return whether that is so.

        Raises:
            StreamEmoError: the session failed; a `PipelineError` for an unexpected exception.
        """
        if self._opened.engine.dispatcher.on_thread():
            raise PipelineError("wait: a callback would wait for itself; call stop or close there instead")
        self.start()
        if self._opened.pending(timeout):
            return False
        self._raise_failure()
        return True

    def close(self) -> None:
        """Stop, publish the remaining events, release everything; does nothing if the monitor is not open.

        Raises:
            StuckError: something did not end within `publish.shutdown_s`; the message names it.
        """
        opened = self._open
        if opened is None or opened.closed:
            return
        if sys.is_finalizing():
            return  # The interpreter exits, and its daemon threads have stopped: waiting for them is in vain.
        self.stop()
        engine = opened.engine
        if engine.dispatcher.on_thread():
            return  # A callback cannot wait for itself; the owner of the monitor closes it.
        opened.closed = True
        deadline = time.monotonic() + self._config.publish.shutdown_s
        stuck: list[str] = []
        try:
            stuck = opened.close(deadline)
        finally:
            if self._owns_engine:
                try:
                    engine.close(max(0.1, deadline - time.monotonic()))
                except StuckError as error:
                    stuck.append(str(error))
        if stuck:
            raise StuckError(f"did not end in time: {', '.join(stuck)}")

    def _raise_failure(self) -> None:
        """Raise what ended the session, unless it was raised to the owner before."""
        failure = self._opened.pipeline.failure
        if failure is None or self._told:
            return
        self._told = True
        raise_failure(failure)

    # -- readers -------------------------------------------------------------------------------------------

    def subscribe(self, callback: Callable[[Score], object]) -> Callable[[], None]:
        """Call `callback` with every score, on the dispatcher's thread; return what ends that.

        A callback that raises an exception is detached and reported; the others go on.
        """
        if not callable(callback):
            raise PipelineError(f"subscribe: {callback!r} cannot be called")
        return self.attach(CallbackSink(callback, of=Score))

    def attach(self, sink: Sink) -> Callable[[], None]:
        """Give every event from now on to `sink`, on the dispatcher's thread; return what ends that."""
        opened = self._opened
        detach = opened.attach(sink)
        if opened.source.live:
            opened.start()
        return detach

    def events(self) -> Subscription:
        """Return every event, to iterate over (also asynchronously); a file needs `start`, too."""
        opened = self._opened
        subscription = opened.publisher.events()
        if opened.source.live:
            opened.start()
        return subscription

    def __iter__(self) -> Iterator[Score]:
        """Yield scores until the source ends. Outside of `with`, opens and closes the monitor itself.

        Raises:
            StreamEmoError: see `wait`; after the last score.
        """
        if self._open is None or self._open.closed:
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
        """Yield scores as `__iter__` does, for `async for`."""
        entered = self._open is None or self._open.closed
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
        """Return the counters as of now; cheap enough for a level meter."""
        return self._opened.session.stats()

    def without_speech(self) -> str | None:
        """Return one line that says what was heard instead of speech; None once speech was found."""
        instead = self._opened.session.without_speech()
        return None if instead is None else f"{self._opened.source.name}: {instead}"

    @property
    def _opened(self) -> Feed:
        if self._open is None:
            raise PipelineError("the monitor is not open: use it in a with statement, or iterate over it")
        return self._open
