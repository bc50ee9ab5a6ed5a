"""One channel of one conversation: everything between audio and events, without a thread of its own.

    samples ─▶ endpointer ─▶ schedule ─▶ encoders ═▶ fusion ─▶ decoder ─▶ text encoder ─▶ fusion ─▶ events
    `──────────────── listen ───────────────┘   `──────────────────── score ────────────────────┘

`push` runs both stages on the calling thread. A `Pipeline` gives them to the workers of an engine instead, so
that one can run ahead of the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any

import numpy as np

import stream_emo.events as events
from stream_emo.audio.base import SourceCounts
from stream_emo.audio.endpointer import Endpointer
from stream_emo.audio.resample import Resampler, checked
from stream_emo.audio.vad import make_vad
from stream_emo.clock import ArrivalTimes, level_db
from stream_emo.config import Config
from stream_emo.encoding import EncodedPass, OtherVoice, PassEncoder
from stream_emo.errors import SourceError
from stream_emo.events import DECIMALS, Event
from stream_emo.fusion.baseline import BaselineState
from stream_emo.fusion.line_adaptation import SessionLine
from stream_emo.models.loaded import Models
from stream_emo.perception.voice_check import VoiceCheck
from stream_emo.runtime.process import ForkGuard
from stream_emo.runtime.scheduler import Priority, Stage, run_inline
from stream_emo.schedule import Load, Pass, PassSchedule
from stream_emo.scoring import Scorer, rounded_rolling
from stream_emo.sound_summary import SoundSummary
from stream_emo.types import (
    SAMPLE_RATE,
    Chunk,
    DeviceChange,
    Gap,
    GateItem,
    Notice,
    Samples,
    SourceItem,
    SpeechChunk,
    SpeechEnd,
    SpeechPause,
    SpeechStart,
    seconds,
)

_NOT_LOST = ("paused", "stalled", "missing")
"""Reasons of gaps in which nothing was recorded."""


@dataclass(frozen=True, slots=True)
class StatsDue:
    """Counters are due for publication at this position of the session's clock."""

    position: int


Listened = EncodedPass | OtherVoice | SpeechStart | SpeechEnd | Gap | DeviceChange | Notice | StatsDue
"""Output of the first stage and input of the second."""


class Session:
    """The state of one channel of one conversation. Made by `Engine.session`; used by one thread at a time.

    Two counters belong to what surrounds it and may be replaced: `counts`, of the audio (by a source whose
    queue drops), and `dropped_events`, of the events that slow readers lost.
    """

    def __init__(
        self,
        models: Models,
        config: Config,
        *,
        name: str,
        channel: int = 0,
        role: str | None = None,
        line: SessionLine | None = None,
        scored: bool = True,
        voice: VoiceCheck | None = None,
        guard: ForkGuard,
    ) -> None:
        self.config = config
        self.name, self.channel, self.role, self.scored = name, channel, role, scored
        self._models = models
        self._guard = guard
        self._endpointer = Endpointer(config.gate, make_vad(config.gate))
        self._schedule = PassSchedule(config)
        self._encoder = PassEncoder(models, round(config.fusion.window_s * SAMPLE_RATE), voice, self)
        self._arrivals = ArrivalTimes()
        self.scorer = Scorer(
            models, config, line=line, session=name, channel=channel, owner=self, age=self._arrivals.age_ms
        )
        self._resampler: Resampler | None = None
        """What checks pushed arrays, from the first one on until an item with a position of its own comes."""
        self._newest: Samples = np.zeros(0, np.float32)
        self._sound: SoundSummary | None = SoundSummary()
        """Kept until speech is found."""
        self._clock = self._taken = self._dropped = 0
        self._speaking = self._split = False
        self._stats_every = round(config.publish.stats_s * SAMPLE_RATE)
        self._next_stats = self._stats_every
        self._seq = count()
        self.counts: Callable[[], SourceCounts] = self._own_counts
        self.dropped_events: Callable[[], int] = lambda: 0

    # -- synchronous use -----------------------------------------------------------------------------------

    def push(self, item: SourceItem | Samples) -> list[Event]:
        """Take the next audio and return the events that follow from it, numbered.

        `item`: mono samples at 16 kHz, float32 [n], which continue where the last ended; or a `Chunk`, `Gap`
        or `DeviceChange` with positions of its own, or a `Notice`.

        Raises:
            SourceError: the array is not of mono samples in floating point.
            ValueError: the item does not begin where the session's clock stands.
            ForkError: the models were loaded before this process was forked.
        """
        self._guard.check()
        if isinstance(item, np.ndarray):
            if item.ndim != 1 or not np.issubdtype(item.dtype, np.floating):
                raise SourceError(
                    f"push: an array of {item.dtype} {list(item.shape)}; it takes mono samples at 16 kHz as "
                    "float32 [n] from -1 to 1"
                )
            self._resampler = self._resampler or Resampler(SAMPLE_RATE, -1, "push", self._clock)
            frames = np.ascontiguousarray(item, np.float32)[:, None]
            return self._numbered(self.listen(list(self._resampler.feed(frames))))
        if not isinstance(item, Chunk | Gap | DeviceChange | Notice):
            raise SourceError(f"push: {type(item).__name__}; it takes an array of samples, a Chunk or a Gap")
        return [*self._end_arrays(), *self._numbered(self.listen([item]))]

    def flush(self) -> list[Event]:
        """End the input: return the events of the utterance that was open."""
        self._guard.check()
        return [*self._end_arrays(), *self._numbered(self.drain())]

    def _end_arrays(self) -> list[Event]:
        resampler, self._resampler = self._resampler, None
        return [] if resampler is None else self._numbered(self.listen(list(resampler.flush())))

    def _numbered(self, listening: Stage[Listened]) -> list[Event]:
        numbered: list[Event] = []
        listened: Iterator[Listened] = run_inline(listening)
        for item in listened:
            found: Iterator[Event] = run_inline(self.score(item))
            numbered += map(self.number, found)
        return numbered

    def number(self, event: Event) -> Event:
        """Return the event with the next number; `push` and `flush` do it for what they return, and a program
        that publishes `start_event`, `error_event` and `stop_event` does it for those."""
        return events.numbered(event, next(self._seq))

    # -- the two stages ------------------------------------------------------------------------------------

    def listen(self, items: Sequence[SourceItem], load: Load | None = None) -> Stage[Listened]:
        """Run the first stage on what has arrived: voice activity, endpoints, passes, encoders.

        `load`: what decides about load shedding; None when the producer can wait.
        """
        gated: list[GateItem] = []
        for item in items:
            for part in checked(item) if isinstance(item, Chunk) else (item,):
                gated += self._take(part)
        yield from self._schedule_all(gated, load)
        if self._clock >= self._next_stats:
            yield StatsDue(self._clock)
            self._next_stats = (self._clock // self._stats_every + 1) * self._stats_every

    def drain(self) -> Stage[Listened]:
        """Run the first stage on what is left at the end of the input."""
        yield from self._schedule_all(self._endpointer.flush(), None)

    def score(self, item: Listened) -> Stage[Event]:
        """Run the second stage on one item of the first, and yield the events that follow from it."""
        if isinstance(item, EncodedPass):
            yield from self.scorer.score(item)
        elif isinstance(item, OtherVoice):
            self.scorer.pass_over(item)
        elif isinstance(item, SpeechStart):
            self.scorer.begin()
            # A split for length is no silence, and the utterance after it no new speech.
            if not self._split:
                yield events.Speech(**self._envelope(item.onset), utterance=item.utterance)
        elif isinstance(item, SpeechEnd):
            self._split = item.reason == "length"
            if not self._split:
                yield events.Silence(**self._envelope(item.end), utterance=item.utterance)
            final = self.scorer.finish(item)
            if final is not None:
                yield final
            warning = self.scorer.warning()
            if warning is not None:
                yield events.Error(**self._envelope(item.end), message=warning, fatal=False)
        elif isinstance(item, Gap):
            if item.reason not in _NOT_LOST:
                self.scorer.dropped += item.length
            start, end = (round(seconds(position), DECIMALS) for position in (item.start, item.end))
            yield events.Gap(**self._envelope(item.end), start=start, end=end, reason=item.reason)
        elif isinstance(item, DeviceChange):
            yield events.Device(**self._envelope(item.position), state=item.state, name=item.name)
        elif isinstance(item, Notice):
            yield self.error_event(item.message, fatal=False)
        else:
            yield self.stats()

    def _take(self, item: SourceItem) -> list[GateItem]:
        """Pass one item through the endpointer."""
        gated: list[GateItem] = []
        stalled = isinstance(item, Gap) and item.reason == "stalled"
        if stalled or (isinstance(item, DeviceChange) and item.state != "opened"):
            # The open utterance does not wait for a producer or device to come back.
            gated += self._endpointer.flush()
        gated += self._endpointer.feed(item)
        if isinstance(item, Chunk):
            self._newest = item.samples
            self._taken += len(item.samples)
            if self._sound is not None:
                self._sound.add(item.samples)
            if item.arrived is not None:
                self._arrivals.note(item.end, item.arrived)
        elif isinstance(item, Gap) and item.reason not in _NOT_LOST:
            self._dropped += item.length
        if isinstance(item, DeviceChange):
            self._clock = item.position
        elif not isinstance(item, Notice):
            self._clock = item.end
        for out in gated:
            if isinstance(out, SpeechStart | SpeechEnd):
                self._speaking = isinstance(out, SpeechStart)
                self._sound = None
        return gated

    def _schedule_all(self, gated: Sequence[GateItem], load: Load | None) -> Stage[Listened]:
        if not self.scored:
            yield from (item for item in gated if not isinstance(item, SpeechChunk | SpeechPause))
            return
        # The rest of this batch counts as backlog, too.
        waiting = sum(len(item.samples) for item in gated if isinstance(item, SpeechChunk))
        for item in gated:
            if isinstance(item, SpeechChunk):
                waiting -= len(item.samples)
            current = load and Load(lambda: load.backlog() + waiting, load.contended)  # noqa: B023
            for due in self._schedule.feed(item, current):
                if isinstance(due, SpeechStart):
                    self._encoder.begin()
                if isinstance(due, Pass):
                    priority = Priority.BACKGROUND if self.draining else due.priority
                    samples = self._schedule.samples(due.end)
                    yield (yield from self._encoder.encode(due, samples, priority))
                else:
                    yield due

    @property
    def speaking(self) -> bool:
        """Whether an utterance is open."""
        return self._speaking

    def without_speech(self) -> str | None:
        """Return one line that says what was heard instead of speech; None once speech was found."""
        return None if self._sound is None else self._sound.describe(self._dropped)

    @property
    def draining(self) -> bool:
        """Whether the source was stopped: only final scores are of interest then, and other sessions go
        first. May be set from any thread."""
        return self._schedule.draining

    @draining.setter
    def draining(self, draining: bool) -> None:
        self._schedule.draining = self.scorer.draining = draining

    @property
    def baseline(self) -> BaselineState:
        """State of the speaker baseline; a later session with the same speaker may begin with it."""
        return self.scorer.fusion.baseline

    @baseline.setter
    def baseline(self, state: BaselineState) -> None:
        self.scorer.fusion.baseline = state

    def start_event(self, source: str, *, live: bool = False) -> events.Start:
        """Return the first event of the session, which begins now; `live`: audio arrives in real time."""
        speech = self.config.speech
        return events.Start(
            **self._envelope(0),
            started_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            source=source,
            language=speech.language if speech.text and self.scored else None,
            role=self.role,
            scored=self.scored,
            purpose=self.config.calls.purpose or None,
            live=live,
            licence=self._models.checkpoint.config.licence,
        )

    def error_event(self, message: str, *, fatal: bool) -> events.Error:
        """Return an event that says what failed."""
        return events.Error(**self._envelope(self._clock), message=message, fatal=fatal)

    def stop_event(self, reason: events.StopReason) -> events.Stop:
        """Return the last event of the session."""
        return events.Stop(**self._envelope(self._clock), reason=reason, stats=self.stats())

    def stats(self) -> events.Stats:
        """Return the counters as of now; cheap enough for a level meter, and callable from any thread."""
        counts = self.counts()
        rolling = self.scorer.fusion.rolling_at(self._clock)
        return events.Stats(
            **self._envelope(self._clock),
            level_db=round(level_db(self._newest), DECIMALS),
            speaking=self._speaking,
            offered=counts.offered,
            taken=counts.taken,
            dropped=counts.dropped,
            queued=counts.queued,
            driver_overflows=counts.driver_overflows,
            clipped=counts.clipped,
            utterances=self.scorer.utterances,
            scores=self.scorer.scores,
            skipped_transcripts=self._schedule.shed.transcripts,
            skipped_scores=self._schedule.shed.scores,
            dropped_events=self.dropped_events(),
            rolling=None if rolling is None else rounded_rolling(rolling),
        )

    def _own_counts(self) -> SourceCounts:
        return SourceCounts(self._taken + self._dropped, self._taken, self._dropped, 0)

    def _envelope(self, position: int) -> dict[str, Any]:
        time = round(seconds(position), DECIMALS)
        return {"session": self.name, "channel": self.channel, "time": time}
