"""Playout of telephone audio: late, lost, repeated and reordered frames are put right, or become a gap.

A frame that comes in order is given out at once: nothing is delayed by a line without faults. A frame that
comes early waits, until what is missing before it has come or `playout_s` of audio would have followed. Then
what is missing counts as lost: 60 ms of it at most are concealed, the rest is a gap. Positions decide, not
arrival: with the same frames in the same order the same comes out.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from stream_emo.audio.pcm import Encoding, PcmFormat
from stream_emo.calls.concealment import CONCEALED_S, Audio, Concealment

_JUMP_S = 10.0
"""A step in the positions by more than this is a new count of the sender, not a loss, s."""
_LATE_S = 1.0
_LATE_FRAMES = 3
"""So many consecutive frames that are late by more than `_LATE_S` are a new count of the sender, too."""
_SLACK_S = 0.01
"""Difference of a position from the end of the frame before that is rounding of a timestamp, s."""


@dataclass(frozen=True, slots=True)
class Missing:
    """So many frames are missing, and nothing stands for them."""

    frames: int


@dataclass(slots=True)
class PlayoutCounts:
    """What happened to the frames of a channel so far, each in frames of the line's rate."""

    received: int = 0
    """Played as they came."""
    concealed: int = 0
    missing: int = 0
    late: int = 0
    """Dropped: what stood for them, or they themselves, had been played."""
    reordered: int = 0
    """Played after others that had come before them in a wrong order."""


class Playout:
    """Puts the frames of one channel into order."""

    def __init__(self, rate: int, encoding: Encoding, playout_s: float) -> None:
        """Build for audio in `encoding` at `rate` frames per second; `playout_s`: how long to wait, s.

        Raises:
            ConfigError: rate or encoding is unsupported.
        """
        self.counts = PlayoutCounts()
        self._format = PcmFormat(rate, 1, encoding)
        self._concealment = Concealment(rate)
        self._most_waiting = round(playout_s * rate)
        self._next = 0
        """Position that is to be played next."""
        self._waiting: list[tuple[int, Audio]] = []
        """Frames that came early, by position."""
        self._late_end, self._late_frames = 0, 0

    def push(self, data: bytes, position: int | None = None) -> list[Audio | Missing]:
        """Return what is to be played now, after a frame has come.

        Args:
            data: audio of one channel; an incomplete sample at its end is left out.
            position: frames from the start of the call to the first of `data`; None: after what came last.
        """
        samples = self._format.decode(data[: len(data) // self._format.width * self._format.width])[:, 0]
        if not len(samples):
            return []
        if position is None:
            position = self._end
        position = self._snapped(position, len(samples))
        if self._is_new_count(position, len(samples)):
            played = self.flush()
            self._next = position
        else:
            played = []
        self._insert(position, samples)
        return played + self._due()

    def flush(self) -> list[Audio | Missing]:
        """Return all that waits, with what is missing in between.

        For the end, and for when nothing has come for longer than the playout time.
        """
        played: list[Audio | Missing] = []
        while self._waiting:
            played += self._release()
        return played

    @property
    def waiting(self) -> bool:
        """Whether frames wait for others before them."""
        return bool(self._waiting)

    @property
    def _end(self) -> int:
        """Return the end of the newest frame."""
        if self._waiting:
            position, samples = self._waiting[-1]
            return position + len(samples)
        return self._next

    def _snapped(self, position: int, length: int) -> int:
        """Return the position without what is mere rounding of a timestamp."""
        slack = min(round(_SLACK_S * self._format.rate), length // 2)
        for end in (self._next, self._end):
            if abs(position - end) <= slack:
                return end
        return position

    def _is_new_count(self, position: int, length: int) -> bool:
        """Return whether the sender has restarted its count, instead of having lost or repeated frames."""
        behind_s = (self._next - position) / self._format.rate
        if abs(behind_s) > _JUMP_S:
            self._late_frames = 0
            return True
        if behind_s <= _LATE_S:
            return False
        self._late_frames = self._late_frames + 1 if position == self._late_end else 1
        self._late_end = position + length
        if self._late_frames < _LATE_FRAMES:
            return False
        self._late_frames = 0
        return True

    def _insert(self, position: int, samples: Audio) -> None:
        """Keep what of a frame is neither played nor waiting."""
        row = bisect_left(self._waiting, position, key=lambda item: item[0])
        before = self._next
        if row:
            earlier, audio = self._waiting[row - 1]
            before = max(before, earlier + len(audio))
        after = self._waiting[row][0] if row < len(self._waiting) else position + len(samples)
        first, last = max(0, before - position), min(len(samples), after - position)
        kept = max(0, last - first)
        self.counts.late += len(samples) - kept
        if kept:
            self.counts.reordered += kept if self._waiting and row < len(self._waiting) else 0
            self._waiting.insert(row, (position + first, samples[first:last]))

    def _due(self) -> list[Audio | Missing]:
        """Return what follows without a hole, and what has waited for long enough."""
        played: list[Audio | Missing] = []
        while self._waiting and (
            self._waiting[0][0] == self._next or self._end - self._next > self._most_waiting
        ):
            played += self._release()
        return played

    def _release(self) -> list[Audio | Missing]:
        """Return the first frame that waits, after what is missing before it."""
        position, samples = self._waiting.pop(0)
        played = self._lost(position - self._next)
        self._next = position + len(samples)
        self.counts.received += len(samples)
        return [*played, self._concealment.received(samples)]

    def _lost(self, count: int) -> list[Audio | Missing]:
        if count == 0:
            return []
        concealed = min(count, round(CONCEALED_S * self._format.rate))
        played: list[Audio | Missing] = [self._concealment.conceal(concealed)]
        self.counts.concealed += concealed
        if count > concealed:
            self._concealment.skip()
            self.counts.missing += count - concealed
            played.append(Missing(count - concealed))
        return played


class Line(Protocol):
    """Where the audio of a call goes; see `stream_emo.calls.call.Call`."""

    def push(self, channel: int, data: Audio) -> object:
        """Deliver the audio of a channel that follows."""
        ...

    def missing(self, channel: int, frames: int) -> object:
        """Say that so many frames of a channel are missing."""
        ...


class CallPlayout:
    """The playouts of all channels of a call, in front of the call."""

    def __init__(self, call: Line, rate: int, encoding: Encoding, channels: int, playout_s: float) -> None:
        """Build for a call with so many channels; see `Playout`."""
        self._call = call
        self._playouts = [Playout(rate, encoding, playout_s) for _ in range(channels)]

    @property
    def counts(self) -> Sequence[PlayoutCounts]:
        """Return what happened to the frames, by channel."""
        return [playout.counts for playout in self._playouts]

    @property
    def waiting(self) -> bool:
        """Whether frames wait for others; `flush` when nothing comes for the playout time."""
        return any(playout.waiting for playout in self._playouts)

    def push(self, channel: int, data: bytes, position: int | None = None) -> None:
        """Take a frame of a channel; give the call what is to be played now."""
        self._play(channel, self._playouts[channel].push(data, position))

    def flush(self) -> None:
        """Give the call all that waits."""
        for channel, playout in enumerate(self._playouts):
            self._play(channel, playout.flush())

    def _play(self, channel: int, items: Sequence[Audio | Missing]) -> None:
        for item in items:
            if isinstance(item, Missing):
                self._call.missing(channel, item.frames)
            else:
                self._call.push(channel, item)
