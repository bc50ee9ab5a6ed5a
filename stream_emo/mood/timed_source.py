"""A source that remembers when its audio was recorded, on the wall clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from datetime import datetime, timedelta
from threading import Lock

from stream_emo.audio.base import Source, SourceCounts
from stream_emo.mood.wall_clock import WallClock
from stream_emo.types import SAMPLE_RATE, Chunk, Gap, SourceItem

_COALESCED = SAMPLE_RATE // 2
"""Samples that come at once while nobody speaks: a sixth of the wake-ups of a session that is watched."""
_APART = SAMPLE_RATE
"""Samples between two moments that are remembered."""
_MOMENTS = 600
"""Moments that are remembered: ten minutes, while a score comes a second or two after its speech."""


class TimedSource:
    """Passes on the audio of another source and maps positions of its sample clock to wall-clock time.

    The sample clock stands still while the machine sleeps, and drifts against the wall clock over a day.
    """

    def __init__(self, source: Source, clock: WallClock) -> None:
        self._source, self._clock = source, clock
        self._moments: deque[tuple[int, datetime]] = deque(maxlen=_MOMENTS)
        self._lock = Lock()

    @property
    def name(self) -> str:
        """Name of the source in messages."""
        return self._source.name

    @property
    def live(self) -> bool:
        """Whether audio arrives in real time."""
        return self._source.live

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called before the audio ended by itself."""
        return self._source.stopped

    def open(self) -> None:
        """Open the source. Raises `SourceError` if there is nothing to read."""
        self._source.open()

    def __iter__(self) -> Iterator[SourceItem]:
        """Yield the audio of the source."""
        for item in self._source:
            if isinstance(item, Chunk | Gap):
                self._note(item.end)
            yield item

    def coalesce(self, samples: int) -> None:
        """Allow the source to collect samples before it yields them: more than asked, as nobody waits."""
        self._source.coalesce(max(samples, _COALESCED) if samples else 0)

    def pause(self) -> None:
        """Take no audio until `resume`; a microphone is released."""
        self._source.pause()

    def resume(self) -> None:
        """Continue after `pause`."""
        self._source.resume()

    def stop(self) -> None:
        """End the iteration soon."""
        self._source.stop()

    def close(self) -> None:
        """Release what `open` took."""
        self._source.close()

    def counts(self) -> SourceCounts:
        """Return the counters now."""
        return self._source.counts()

    def at(self, position_s: float) -> datetime:
        """Return when the audio at a position of the session's clock (s) was recorded; now if unknown."""
        position = round(position_s * SAMPLE_RATE)
        with self._lock:
            moments = list(self._moments)
        for end, moment in moments:
            if end >= position:
                return moment - timedelta(seconds=(end - position) / SAMPLE_RATE)
        return self._clock.now()

    def _note(self, end: int) -> None:
        with self._lock:
            if not self._moments or end >= self._moments[-1][0] + _APART:
                self._moments.append((end, self._clock.now()))
