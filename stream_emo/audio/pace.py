"""The pace of a producer: whether it is live, and whether its pace contradicts the declared format."""

from __future__ import annotations

from stream_emo.audio.frame_queue import Clock

_HELD_S = 0.2
"""After the first audio: what a pipe held until then comes at once, s."""
_OBSERVED_S = 1.0
"""Time after that in which the pace is observed, s."""
_REALTIME = 1.3
"""Seconds of audio per second, up to which a producer delivers in real time."""
BURST_S = 4.0
"""Audio ahead of real time that a live producer does not have, s."""
_SETTLING_S = 2.0
_STEADY_S = 10.0
"""A pace counts as steady after so much time, in which audio came at least every..."""
_LONGEST_WAIT_S = 0.5
_FACTORS = {
    1 / 6: "a sixth",
    1 / 4: "a quarter",
    1 / 3: "a third",
    1 / 2: "half",
    2: "twice",
    3: "3 times",
    4: "4 times",
    6: "6 times",
}
"""Ratios of a wrong rate, number of channels or width to the right one."""
_TOLERANCE = 0.02


class Pace:
    """Tells from the first seconds of a producer whether it delivers in real time."""

    def __init__(self, clock: Clock) -> None:
        """Build a pace; `clock`: seconds."""
        self._clock = clock
        self._first: float | None = None
        self._held_s = 0.0
        self._total_s = 0.0

    def add(self, seconds: float) -> bool | None:
        """Count audio that came; return whether the producer is live, None: not known yet."""
        now = self._clock()
        self._first = now if self._first is None else self._first
        self._total_s += seconds
        elapsed = now - self._first
        if self._total_s > BURST_S + _REALTIME * elapsed:
            return False
        if elapsed < _HELD_S:
            self._held_s = self._total_s
        if elapsed < _HELD_S + _OBSERVED_S:
            return None
        return self._total_s - self._held_s <= _REALTIME * (elapsed - _HELD_S)

    @property
    def due(self) -> float | None:
        """When the pace is known even if no more comes, seconds of the clock; None before the first audio."""
        return None if self._first is None else self._first + _HELD_S + _OBSERVED_S


class PaceCheck:
    """Notices a steady producer whose audio lasts a multiple of the time in which it comes, or a part of it.

    A live producer of 8 kHz that is taken for one of 16 kHz delivers half a second of audio per second.
    """

    def __init__(self, clock: Clock) -> None:
        """Build a check; `clock`: seconds."""
        self._clock = clock
        self._begin = self._last = clock()
        self._total_s = 0.0
        self._done = False

    def add(self, seconds: float, *, waited: bool) -> str | None:
        """Count audio that came; return what is wrong, once. `waited`: the producer was not free."""
        if self._done:
            return None
        now = self._clock()
        if waited or now - self._last > _LONGEST_WAIT_S:
            self._begin = now + _SETTLING_S
        self._last = now
        if now <= self._begin:
            self._total_s = 0.0
            return None
        self._total_s += seconds
        if now - self._begin < _STEADY_S:
            return None
        self._done = True
        pace = self._total_s / (now - self._begin)
        for factor, name in _FACTORS.items():
            if abs(pace / factor - 1) < _TOLERANCE:
                return (
                    f"the audio comes steadily at {name} the pace of real time; if it is live, its rate, "
                    "channels or encoding are others than declared"
                )
        return None
