"""The engine of a process: loaded models, and the workers on which all its sessions run."""

from __future__ import annotations

import time
import uuid
from contextlib import suppress
from types import TracebackType
from typing import Self
from weakref import WeakSet, finalize

from stream_emo.config import Config
from stream_emo.errors import ConfigError, PipelineError, StuckError
from stream_emo.fusion.line_adaptation import Lines, SessionLine
from stream_emo.models.loaded import Models
from stream_emo.perception.voice_check import VoiceCheck
from stream_emo.pipeline import Pipeline
from stream_emo.publish.dispatcher import Dispatcher
from stream_emo.publish.publisher import Publisher
from stream_emo.pump import Pump
from stream_emo.runtime.process import ForkGuard, available_cores
from stream_emo.runtime.scheduler import Scheduler
from stream_emo.session import Session

_EXIT_S = 2.0
"""Time that workers have for their current steps when an engine is abandoned or the interpreter exits."""


class Engine:
    """One set of models and one worker per core, shared by any number of sessions.

    A context manager: `close` ends the workers, which are started by the first session that needs them. It
    must be loaded in the process that uses it, not before a fork. Whisper's decoder and the text encoder are
    loaded in the background, so that text is available about a second later than audio.
    """

    def __init__(self, config: Config | None = None) -> None:
        """Load the models that `config` names (None: the defaults).

        Raises:
            WeightsError: a model is missing, corrupt or does not fit the others.
            ConfigError: `fusion.line` cannot be used.
        """
        self.config = config or Config()
        self.guard = ForkGuard()
        self.dispatcher = Dispatcher()
        self.pump = Pump()
        workers = available_cores()
        # One thread for each call: two passes side by side use two cores better than two threads in either.
        self.models = Models.load(self.config, workers)
        self.lines = Lines(self.models.checkpoint.digest)
        self.lines.calibration(self.config.fusion)
        self._scheduler = Scheduler(workers)
        self._pipelines: WeakSet[Pipeline] = WeakSet()
        self._closed = False
        # Also when the interpreter exits: it must not stop a worker in the middle of native code.
        finalize(self, _end_workers, self._scheduler, self.guard)

    def session(
        self,
        config: Config | None = None,
        *,
        name: str | None = None,
        channel: int = 0,
        role: str | None = None,
        line: SessionLine | None = None,
        scored: bool = True,
        voice: VoiceCheck | None = None,
    ) -> Session:
        """Open a session, to be fed with `Session.push` or through a `pipeline`.

        Args:
            config: configuration of this session; None: that of the engine.
            name: name of the session in its events; None: a generated one.
            channel: number of the channel in the conversation, from 0.
            role: role of the speaker on this channel, for example "customer".
            line: the line of the session; None: that of the configuration.
            scored: whether emotion is estimated; False: only when somebody speaks is found, at little cost.
            voice: the enrolled voice; utterances of others are not scored. None: everybody is.

        Raises:
            ConfigError: the configuration contradicts the loaded models, or `fusion.line` cannot be used.
            ForkError: the process was forked after the models were loaded.
            PipelineError: the engine is closed.
            WeightsError: the voice activity detector is missing.
        """
        self.guard.check()
        if self._closed:
            raise PipelineError("the engine is closed; load another one")
        if (
            not (name is None or (isinstance(name, str) and name))
            or not isinstance(channel, int)
            or channel < 0
        ):
            raise ConfigError(f"a session has a name and a channel from 0, not {name!r} and {channel!r}")
        config = config or self.config
        self.models.check(config)
        return Session(
            self.models,
            config,
            name=name or uuid.uuid4().hex[:12],
            channel=channel,
            role=role,
            line=line or self.lines.session(config.fusion, channel),
            scored=scored,
            voice=voice,
            guard=self.guard,
        )

    def pipeline(self, session: Session, publisher: Publisher, *, live: bool) -> Pipeline:
        """Run a session on the workers; its events go to `publisher`.

        `live`: whether load is shed when the machine is behind.
        """
        self.guard.check()
        pipeline = Pipeline(session, self._scheduler, publisher, live=live)
        self._pipelines.add(pipeline)
        return pipeline

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until every model is loaded, at most `timeout` s; return whether they are."""
        return self.models.wait(timeout)

    def close(self, timeout: float | None = None) -> None:
        """End the workers; sessions that still run fail. Does nothing in a process that was forked since.

        Raises:
            StuckError: a worker, or loading, did not end within `timeout` s.
        """
        if self.guard.forked:
            return
        deadline = None if timeout is None else time.monotonic() + timeout
        self._closed = True
        for pipeline in list(self._pipelines):
            pipeline.abort(PipelineError("the engine was closed while the session was running"))
        self._scheduler.close(timeout)
        if not self.models.wait(None if deadline is None else max(0.0, deadline - time.monotonic())):
            raise StuckError("the models are still loading; the threads end when that is done")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _end_workers(scheduler: Scheduler, guard: ForkGuard) -> None:
    """End the workers of an engine that nobody closed."""
    if not guard.forked:
        with suppress(StuckError):
            scheduler.close(_EXIT_S)
