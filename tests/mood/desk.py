"""A simulated desk: a clock that runs faster than time, a microphone that follows it, a desktop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from stream_emo.audio.base import SourceCounts
from stream_emo.mood.desktop import Desktop
from stream_emo.types import SAMPLE_RATE, Chunk, DeviceChange, Samples, SourceItem

_PATIENCE_S = 60.0
CHUNK_S = 0.5


class DeskClock:
    """A wall clock that only `advance` moves, in step with whoever waits on it."""

    def __init__(self, start: datetime, zone: str) -> None:
        self._now, self.zone = start, ZoneInfo(zone)
        self._condition = threading.Condition()
        self._deadline: datetime | None = None
        """Until when somebody waits; None: nobody does, now."""
        self.left = False
        """Whether nobody moves it any more."""

    def now(self) -> datetime:
        return self._now

    def offset_min(self) -> int:
        offset = self._now.astimezone(self.zone).utcoffset()
        assert offset is not None
        return round(offset.total_seconds() / 60)

    def wait(self, event: threading.Event, seconds: float) -> bool:
        if self.left:
            return event.wait(0.01)
        with self._condition:
            self._deadline = self._now + timedelta(seconds=seconds)
            self._condition.notify_all()
            while self._now < self._deadline and not event.is_set() and not self.left:
                self._condition.wait(0.05)
            self._deadline = None
        return event.is_set()

    def advance(self, end: datetime) -> None:
        """Let time pass until `end`; whoever waits wakes up at every moment that it waits for."""
        with self._condition:
            while self._now < end and not self.left:
                self._settle()
                deadline = self._deadline if self._deadline is not None else end
                self._now = min(end, max(deadline, self._now))
                self._condition.notify_all()
            self._settle()

    def jump(self, end: datetime) -> None:
        """Let time pass while everything sleeps."""
        with self._condition:
            self._settle()
            self._now = end
            self._condition.notify_all()

    def leave(self) -> None:
        """Stand still from now on, and let nobody wait."""
        with self._condition:
            self.left = True
            self._condition.notify_all()

    def _settle(self) -> None:
        """Wait until whoever was woken waits again."""
        settled = self._condition.wait_for(
            lambda: self.left or (self._deadline is not None and self._deadline > self._now),
            _PATIENCE_S,
        )
        assert settled, "the service does not wait any more"


class DeskMicrophone:
    """Audio of a simulated desk, `pace` times slower than its clock: noise, with speech at some moments.

    `script`: what happens at which moment; it may speak, command the service, or let the clock jump.
    """

    live = False
    name = "desk"

    def __init__(
        self,
        clock: DeskClock,
        end: datetime,
        script: Mapping[datetime, Callable[[DeskMicrophone], object]],
        *,
        pace: float = 60.0,
    ) -> None:
        self.clock = clock
        self._end, self._pace = end, pace
        self._script = dict(sorted(script.items()))
        self._speech: list[Samples] = []
        self._paused = self._stopped = False
        self._samples = 0
        self._random = np.random.default_rng(0)

    def say(self, speech: Samples) -> None:
        """Speak from now on."""
        self._speech.append(speech)

    @property
    def stopped(self) -> bool:
        return self._stopped

    def open(self) -> None: ...

    def __iter__(self) -> Iterator[SourceItem]:
        position, was_paused = 0, False
        yield DeviceChange(0, "opened", self.name)
        while self.clock.now() < self._end and not self._stopped:
            for moment in [moment for moment in self._script if moment <= self.clock.now()]:
                self._script.pop(moment)(self)
            if self._paused != was_paused:
                was_paused = self._paused
                yield DeviceChange(position, "paused" if was_paused else "opened", self.name)
            if self._paused:
                self.clock.advance(min([self._end, self.clock.now() + timedelta(seconds=30), *self._script]))
                continue
            samples = self._next()
            self.clock.advance(self.clock.now() + timedelta(seconds=self._pace * CHUNK_S))
            self._samples += len(samples)
            yield Chunk(position, samples)
            position += len(samples)
        self.clock.leave()

    def _next(self) -> Samples:
        size = round(CHUNK_S * SAMPLE_RATE)
        samples = (1e-4 * self._random.standard_normal(size)).astype(np.float32)
        if self._speech:
            said, rest = self._speech[0][:size], self._speech[0][size:]
            samples[: len(said)] += said
            self._speech[:1] = [rest] if len(rest) else []
        return samples

    def coalesce(self, samples: int) -> None: ...

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False

    def stop(self) -> None:
        self._stopped = True
        self.clock.leave()

    def close(self) -> None:
        self._stopped = True

    def counts(self) -> SourceCounts:
        return SourceCounts(offered=self._samples, taken=self._samples)


class Switch:
    """A detector that shows what it was set to."""

    def __init__(self) -> None:
        self.on: bool | None = False

    def now(self) -> bool | None:
        return self.on

    def close(self) -> None: ...


class Shown:
    """A notifier that remembers."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str]] = []

    def show(self, title: str, text: str) -> bool:
        self.messages.append((title, text))
        return True

    def close(self) -> None: ...


def desk_desktop() -> tuple[Desktop, Switch, Switch, Shown]:
    """Return a desktop, and its lock, its calls and its messages."""
    lock, calls, shown = Switch(), Switch(), Shown()
    return Desktop(lock, calls, shown), lock, calls, shown
