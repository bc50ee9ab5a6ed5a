"""A call whose audio is read, not pushed: a recording, a stereo pipe, a device with two channels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Self

from stream_emo.audio.base import Source
from stream_emo.calls.alerts.evaluate import AlertFold
from stream_emo.calls.alerts.rules import AlertRule
from stream_emo.calls.roles import scored_roles
from stream_emo.config import Config
from stream_emo.errors import raise_failure
from stream_emo.events import Error, Event, Start, Stop
from stream_emo.runtime.bounded_queue import BoundedQueue, Closed

if TYPE_CHECKING:
    from stream_emo.calls.call import Sessions
    from stream_emo.engine import Engine

_QUEUE = 256
"""Events that wait for the reader; the call waits for room, or drops events if it is live."""


class CallMonitor:
    """Scores the customer of a call, times the others, and gives the events of all channels to one reader.

    As a context manager it opens the sources and loads the models.
    """

    def __init__(
        self,
        config: Config,
        roles: Sequence[str],
        sources: Callable[[], Sequence[tuple[str, Source]]],
        rules: Sequence[AlertRule],
        *,
        engine: Engine | None = None,
        name: str = "call",
    ) -> None:
        """Prepare a monitor; nothing is opened yet.

        Args:
            config: configuration of the call.
            roles: who speaks, by channel of the events.
            sources: makes role and source of each channel, see `channel_split`.
            rules: rules of alerts.
            engine: loaded models to share; None loads them for this call alone.
            name: id of the call.

        Raises:
            ConfigError: nobody may be scored.
        """
        scored_roles(roles, config.calls)
        self._config, self._sources, self._rules, self._name = config, sources, rules, name
        self._engine = engine
        self._stack = ExitStack()
        self._call: Sessions | None = None
        self._events: CallEvents | None = None

    def __enter__(self) -> Self:
        """Open the sources and load the models.

        Raises:
            StreamEmoError: a source cannot be opened, or a model is missing.
        """
        sources = self._sources()
        from stream_emo.calls.call import Sessions
        from stream_emo.engine import Engine

        with ExitStack() as stack:
            engine = self._engine or stack.enter_context(Engine(self._config))
            call = self._call = Sessions(engine, self._config, self._name, sources)
            call.derive(AlertFold(self._rules).add)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stack:
            if self._events is not None:
                self._events.close()
            self._opened.close()
        if error is None:
            self._raise_failure()

    def events(self) -> CallEvents:
        """Return the events of all channels, for one reader; each channel's are in order."""
        self._events = CallEvents()
        self._opened.attach(self._events)
        return self._events

    def start(self) -> None:
        """Let the audio flow."""
        self._opened.start()

    def stop(self) -> None:
        """End the audio; what was heard is still scored. Returns at once; signal-safe."""
        self._opened.end()

    def wait(self) -> bool:
        """Wait until all is published. Raises `StreamEmoError` if a channel failed."""
        self._opened.wait()
        self._raise_failure()
        return True

    def without_speech(self) -> str | None:
        """Return one line that says what was heard instead of speech; None once there was any."""
        instead = self._opened.without_speech()
        return None if instead is None else f"{self._name}: {instead}"

    def _raise_failure(self) -> None:
        failure = self._opened.failure
        if failure is not None:
            raise_failure(failure)

    @property
    def _opened(self) -> Sessions:
        assert self._call is not None, "use it in a with statement"
        return self._call


class CallEvents:
    """The events of all channels, in the order in which they were published; a sink that waits for room."""

    name = "reader"

    def __init__(self) -> None:
        self._queue: BoundedQueue[Event] = BoundedQueue(_QUEUE, _weight)

    def write(self, event: Event) -> None:
        """Take the next event, on the dispatcher's thread."""
        with suppress(Closed):
            self._queue.put(event)

    def get(self, timeout: float | None = None) -> Event | None:
        """Return the next event, None after the last. Raises `TimeoutError` after `timeout` s."""
        try:
            return self._queue.get(timeout)
        except Closed:
            return None

    def close(self) -> None:
        """End them: queued events can still be taken, and later ones are dropped."""
        self._queue.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._queue.cancel()


def _weight(event: Event) -> int:
    """Return how much of the queue an event takes; the first, the last and errors always fit."""
    return 0 if isinstance(event, Start | Error | Stop) else 1
