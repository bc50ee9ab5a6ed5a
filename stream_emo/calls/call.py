"""A call: one session for each channel, on one clock, under one id."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from numpy.typing import NDArray

from stream_emo.audio.base import Source
from stream_emo.audio.pcm import Encoding
from stream_emo.audio.push import PushSource
from stream_emo.calls.continuation import ContinuedPublisher, Earlier
from stream_emo.calls.dynamics import ConversationFold, with_dynamics
from stream_emo.calls.roles import scored_roles
from stream_emo.config import Config
from stream_emo.engine import Engine
from stream_emo.errors import StuckError
from stream_emo.events import Alert, Dynamics, Event
from stream_emo.feed import Feed
from stream_emo.publish.sink import Sink
from stream_emo.scoring import Kept

_POLL_S = 0.05


class Sessions:
    """One session for each channel of a call, each with a source of its own."""

    def __init__(
        self,
        engine: Engine,
        config: Config,
        call_id: str,
        channels: Sequence[tuple[str, Source]],
        earlier: Sequence[Earlier] = (),
    ) -> None:
        """Open the sources and a session for each; `channels`: role and source by number.

        `earlier`: how far each had come, of a call that goes on; empty: it is a new one.

        Raises:
            SourceError: a source cannot be opened.
            ConfigError: nobody may be scored, or the configuration contradicts the models.
        """
        scored = scored_roles([role for role, _ in channels], config.calls)
        config = with_dynamics(config)
        self.id = call_id
        self._config = config
        self._deriving = threading.RLock()  # What is derived is observed in turn.
        self._feeds: list[Feed] = []
        try:
            for number, (role, source) in enumerate(channels):
                source.open()
                session = engine.session(
                    config, name=call_id, channel=number, role=role, scored=scored[number]
                )
                session.scorer.keep = config.calls.explained
                publish = session.config.publish
                continued = ContinuedPublisher(publish, earlier[number], live=True) if earlier else None
                feed = Feed(source, engine, session, continued)
                feed.before_end = partial(self._await_scored, feed)
                self._feeds.append(feed)
        except BaseException:
            for feed in self._feeds:
                feed.close(time.monotonic())
            for _, source in channels:
                source.close()
            raise
        self.derive(ConversationFold(len(channels), config.calls.dynamics_s).feed)

    def attach(self, sink: Sink) -> Callable[[], None]:
        """Give the events of all channels to `sink`; return what ends that."""
        shared = _SharedSink(sink, len(self._feeds))
        detaching = [feed.attach(shared) for feed in self._feeds]

        def detach() -> None:
            for each in detaching:
                each()

        return detach

    def derive(self, fold: Callable[[Event], Iterable[Alert | Dynamics]]) -> None:
        """Publish what `fold` makes of the events of all channels, each among those of its channel.

        It is called on the thread that publishes an event, with one event at a time.
        """

        def observe(event: Event) -> None:
            with self._deriving:
                for each in list(fold(event)):
                    self._feeds[each.channel].publisher.publish(each)

        for feed in self._feeds:
            feed.publisher.observe(observe)

    def start(self) -> None:
        """Let the audio flow; after the sinks that are to have every event were attached."""
        for feed in self._feeds:
            feed.start()

    @property
    def kept(self) -> list[tuple[Kept, ...]]:
        """The last `calls.explained` final scores of each channel, with what they followed from."""
        return [feed.session.scorer.kept for feed in self._feeds]

    def end(self) -> None:
        """End the audio of all channels; what was heard is still scored."""
        for feed in self._feeds:
            feed.source.stop()
            feed.session.draining = feed.source.live

    @property
    def failure(self) -> BaseException | None:
        """The exception that ended a session, if one has failed."""
        return next((feed.pipeline.failure for feed in self._feeds if feed.pipeline.failure), None)

    def without_speech(self) -> str | None:
        """Return one line that says what was heard instead of speech; None once a channel has speech."""
        heard = [feed.session.without_speech() for feed in self._feeds]
        return None if None in heard else heard[0]

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until all is published, at most `timeout` s; return whether that is so."""
        deadline = None if timeout is None else time.monotonic() + timeout
        for feed in self._feeds:
            if feed.pending(None if deadline is None else max(0.0, deadline - time.monotonic())):
                return False
        return True

    def cut_off(self, reason: str) -> None:
        """Drop what is not scored yet: the last events of each channel are an error and `stop`."""
        for feed in self._feeds:
            feed.pipeline.abort(StuckError(reason))

    def close(self) -> None:
        """End the call, and release what it holds.

        Raises:
            StuckError: something did not end within `publish.shutdown_s`; the message names it.
        """
        self.end()
        deadline = time.monotonic() + self._config.publish.shutdown_s
        stuck = [name for feed in self._feeds for name in feed.close(deadline)]
        if stuck:
            raise StuckError(f"did not end in time: {', '.join(stuck)}")

    def _await_scored(self, feed: Feed) -> None:
        """Keep a channel that is only timed open until the others have ended, unless it is live.

        It would be over long before them, and nothing could be published about it any more.
        """
        if feed.session.scored or feed.source.live:
            return
        scored = [other for other in self._feeds if other.session.scored]
        while not feed.source.stopped and not all(other.pipeline.wait(_POLL_S) for other in scored):
            pass


class Call(Sessions):
    """The channels of one call, which are fed in real time; `push` never waits."""

    def __init__(
        self,
        engine: Engine,
        config: Config,
        call_id: str,
        roles: Sequence[str],
        *,
        rate: int,
        encoding: Encoding,
        earlier: Sequence[Earlier] = (),
    ) -> None:
        """Open a session for each role, by channel; `rate` and `encoding` are those of what is pushed.

        `earlier`: of a call that goes on; the time since it began is missing.

        Raises:
            ConfigError: nobody may be scored, the configuration contradicts the models, or the format of
                the audio is unsupported.
        """
        self._sources = [PushSource(rate, encoding=encoding, name=f"{call_id}, {role}") for role in roles]
        for source in self._sources:
            source.configure(config.audio)
        super().__init__(engine, config, call_id, list(zip(roles, self._sources, strict=True)), earlier)
        now = time.time()
        for channel, part in enumerate(earlier):
            self.missing(channel, round(max(part.end, now - part.began) * rate))

    def push(self, channel: int, data: bytes | NDArray[Any]) -> None:
        """Deliver the audio of a channel that came next, see `PushSource.push`."""
        self._sources[channel].push(data)

    def missing(self, channel: int, frames: int) -> None:
        """Say that the next frames of a channel were lost on their way; they become a gap, "missing"."""
        self._sources[channel].missing(frames)

    def end(self) -> None:
        """End the audio of all channels; what was pushed is still scored."""
        for source in self._sources:
            source.end()

    def hurry(self) -> None:
        """Give only the final scores from now on: somebody waits for the end."""
        for feed in self._feeds:
            feed.session.draining = True


class _SharedSink:
    """A sink that several sessions write to; it is closed with the last of them."""

    def __init__(self, sink: Sink, sessions: int) -> None:
        self._sink = sink
        self._left = sessions
        self._lock = threading.Lock()
        self.name = sink.name

    def write(self, event: Event) -> None:
        """Pass the event on."""
        self._sink.write(event)

    def close(self) -> None:
        """Close the sink, once every session has ended."""
        with self._lock:
            self._left -= 1
            last = self._left == 0
        if last:
            self._sink.close()
