"""Stalls of live producers, noticed on the wall clock.

A producer that delivers in real time and then delivers nothing (a muted call, push to talk, voice activity
detection at the sender, a network failure) makes the sample clock stand still. What is missing becomes gaps.
"""

from __future__ import annotations

from stream_emo.audio.frame_queue import Clock, FrameBlock, FrameGap, FrameItem
from stream_emo.events import GapReason
from stream_emo.types import Notice

STALL_S = 0.5
"""Time without audio that should have come, after which a producer counts as stalled, s."""
_LATE_S = 0.3
"""How late the next of large blocks may be, s."""
_MAX_AHEAD_S = 10.0
_LEAK = 0.05
"""Seconds by which the time ahead shrinks per second besides playing: one burst is forgotten in time, and a
producer that always delivers 6 s every 6 s is not taken for stalled."""
_SETTLING_S = 1.0
"""Time in which the earliest arrival tells when frame 0 was recorded: what came first may have waited, s."""


class StallClock:
    """Compares what a producer delivers with the wall clock.

    How far ahead of real time it delivers is tracked as in a leaky bucket, so that a producer of large blocks
    is not taken for stalled between two of them. All lengths are frames, all times seconds of the clock.
    """

    def __init__(self, rate: int, clock: Clock) -> None:
        """Build a clock for frames at `rate` Hz; it begins with the first block."""
        self._rate = rate
        self._clock = clock
        self._origin: float | None = None
        """When frame 0 was recorded, at the latest."""
        self._first_arrival = 0.0
        self._position = 0
        """End of the frames so far, gaps included."""
        self._arrived = 0.0
        self._ahead_s = 0.0
        """Audio that was delivered before its time and lasts on after `_arrived`, s."""
        self._stalled = False
        self._filled = 0
        """Frames of the gaps of the newest stall."""
        self._repayable_s = _MAX_AHEAD_S
        """What a burst at the beginning or after a stall may deliver without counting as ahead, s..."""
        self._repaid_s = 0.0
        """...and has delivered; a producer that did so after the stall before, too, has that habit."""
        self._paused = False
        self._resumed_at = 0.0

    def set_paused(self, paused: bool) -> None:
        """Say whether audio is wanted: nothing is missing in a pause. From any thread."""
        self._resumed_at = self._clock()
        self._paused = paused

    @property
    def due(self) -> float | None:
        """When the producer will count as stalled; None: not before something has arrived."""
        if self._origin is None or self._stalled or self._paused:
            return None
        return self._arrived + max(STALL_S, self._ahead_s + _LATE_S)

    def check(self) -> FrameGap | None:
        """Return the gap up to now if the producer counts as stalled from now on.

        It is empty when earlier bursts have taken the frames ahead of the wall clock.
        """
        due, now = self.due, self._clock()
        if due is None or now < due:
            return None
        self._stalled, self._ahead_s = True, 0.0
        gap = self._gap_until(now, "stalled")
        self._filled = gap.last - gap.first
        return gap

    def take(self, item: FrameItem) -> list[FrameItem]:
        """Return the item that arrived, after the gap that is missing before it."""
        if isinstance(item, Notice):
            return [item]
        if isinstance(item, FrameBlock):
            return [*self._returned(item), item]
        length = item.last - item.first
        if length == 0:
            return list(self._resumed())
        # A driver that reports what it lost in the stall reports what is filled already.
        length -= min(length, self._filled) if self._stalled else 0
        self._position += length
        self._arrived = max(self._arrived, min(self._clock(), self._arrived + length / self._rate))
        return [FrameGap(item.last - length, item.last, item.reason)] if length else []

    def _returned(self, block: FrameBlock) -> list[FrameItem]:
        """Count a block; return the rest of the stall that it ends."""
        length_s = len(block.frames) / self._rate
        recorded = block.arrived - length_s
        origin = recorded - self._position / self._rate
        if self._origin is None:
            self._origin, self._arrived, self._first_arrival = origin, block.arrived, block.arrived
        elif block.arrived < self._first_arrival + _SETTLING_S:
            self._origin = min(self._origin, origin)
        gaps: list[FrameItem] = []
        if self._stalled:
            self._stalled = False
            gap = self._gap_until(recorded, "stalled")
            self._repayable_s = 0.0 if self._repaid_s > STALL_S else block.arrived - self._arrived
            self._repaid_s = 0.0
            self._arrived = block.arrived
            gaps = [gap] if gap.last > gap.first else []
        elapsed = max(0.0, block.arrived - self._arrived)
        ahead = max(0.0, self._ahead_s - (1 + _LEAK) * elapsed) + length_s
        repaid = min(self._repayable_s, max(0.0, ahead - max(self._ahead_s, length_s)))
        self._repayable_s -= repaid
        self._repaid_s += repaid if block.arrived >= self._first_arrival + _SETTLING_S else 0.0
        self._ahead_s = min(ahead - repaid, _MAX_AHEAD_S)
        self._arrived = max(self._arrived, block.arrived)
        self._position += len(block.frames)
        return gaps

    def _resumed(self) -> list[FrameItem]:
        """Return the rest of a pause, in which the producer may have delivered nothing."""
        if self._origin is None:
            return []
        self._arrived, self._ahead_s, self._stalled = self._resumed_at, 0.0, False
        gap = self._gap_until(self._arrived, "paused")
        return [gap] if gap.last > gap.first else []

    def _gap_until(self, moment: float, reason: GapReason) -> FrameGap:
        """Return the gap up to the wall clock's `moment`; empty if the frames are ahead of it."""
        assert self._origin is not None, "nothing has arrived"
        end = round((moment - self._origin) * self._rate)
        gap = FrameGap(self._position, max(self._position, end), reason)
        self._position = gap.last
        return gap
