"""From decoded pieces to audio of one rate and one number of channels on the file's own time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from stream_emo.audio.base import Frames, Lost
from stream_emo.audio.file.decoded import Damage, Decoded
from stream_emo.types import Notice

if TYPE_CHECKING:
    import soxr

_TOLERANCE_S = 0.05
"""Times are rounded, and jitter, by less than this; what is more is a hole."""
_MAX_JUMP_S = 60.0
"""A longer jump of the time is not a hole where times may jump, or where the length is not known."""
_NOTABLE_S = 0.1
"""Damage of which the owner is told; less is a gap alone."""
_MAX_HOLE_S = 24 * 3600.0


class Timeline:
    """Puts decoded pieces one behind the other, with what is lost between them."""

    def __init__(self, rate: int, channels: int) -> None:
        """Build a timeline of frames at `rate` Hz."""
        self.rate, self.channels = rate, channels
        self.position = 0
        """Frames that were given or are lost, so far."""
        self.damaged_frames = 0
        """Frames that are lost to damage."""
        self._converter = _RateConverter(rate)
        self._shift: float | None = None
        """Position, in seconds, of time 0 of the link; None before its first piece."""
        self._longest = _MAX_JUMP_S
        self._pending = 0
        """Frames of damage since the last piece."""
        self._damaged = False

    def begin(self, *, jumps: bool, gapless: bool, duration_s: float | None) -> None:
        """Begin a link; its times count from here. For the rest see the decoder."""
        self._gapless = gapless
        self._shift = self.position / self.rate
        known = duration_s is not None and not jumps
        self._longest = min(duration_s or 0.0, _MAX_HOLE_S) + 1.0 if known else _MAX_JUMP_S
        self._known_end = self._shift + self._longest if known else None

    def place(self, item: Decoded | Damage) -> Iterator[Frames | Lost]:
        """Yield what is lost before a piece, and the piece itself."""
        if isinstance(item, Damage):
            self._damaged = True
            self._pending += round(item.duration_s * self.rate)
            return
        lost = self._lost_before(item.time)
        if lost and self._gapless and self.position > 0 and not self._damaged:
            self._damaged = True
        reason = "invalid" if self._damaged else "missing"
        if lost:
            yield from self._given(self._converter.flush())
            self.position += lost
            self.damaged_frames += lost if self._damaged else 0
            yield Lost(lost, reason)  # type: ignore[arg-type]
        self._pending, self._damaged = 0, False
        yield from self._given(self._converter.feed(_with_channels(item.frames, self.channels), item.rate))

    def end(self) -> Iterator[Frames]:
        """Yield what is left at the end of a link; damage there is no gap, since nothing follows."""
        yield from self._given(self._converter.flush())
        self._pending, self._damaged = 0, False

    def notice(self) -> Notice | None:
        """Return what the owner should know of the damage so far; None: nothing."""
        lost_s = self.damaged_frames / self.rate
        if lost_s <= _NOTABLE_S:
            return None
        return Notice(f"damaged: {lost_s:.1f} s of its audio cannot be decoded")

    def _given(self, parts: Iterator[Frames]) -> Iterator[Frames]:
        for frames in parts:
            if len(frames):
                self.position += len(frames)
                yield frames

    def _lost_before(self, time: float | None) -> int:
        """Return how many frames are lost before a piece that is heard at `time`."""
        position = self.position + self._converter.held
        if time is None or self._shift is None:
            return self._pending
        target = round((time + self._shift) * self.rate)
        tolerance = round(_TOLERANCE_S * self.rate)
        difference = target - (position + self._pending)
        if abs(difference) <= tolerance:
            return self._pending
        if difference > 0 and self._is_hole(target, target - position):
            return target - position
        if difference < 0 and target >= position - tolerance and not self._gapless:
            return max(0, target - position)  # There was less damage than packets said.
        # The time jumps, and nothing is missing.
        self._shift += (position + self._pending - target) / self.rate
        return self._pending

    def _is_hole(self, target: int, length: int) -> bool:
        if self._known_end is not None and target / self.rate > self._known_end:
            return False
        return length / self.rate <= self._longest


class _RateConverter:
    """Converts runs of another rate to one; those of the right rate pass."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._from = rate
        self._soxr: soxr.ResampleStream | None = None
        self._taken = self._given = 0
        """Frames of the current run, in and out."""

    @property
    def held(self) -> int:
        """Frames, at the one rate, that are still to come of what was fed."""
        return self._exact - self._given if self._soxr is not None else 0

    @property
    def _exact(self) -> int:
        return self._taken * self._rate // self._from

    def feed(self, frames: Frames, rate: int) -> Iterator[Frames]:
        """Yield frames that follow from frames [n, channels] at `rate` Hz."""
        if rate != self._from:
            yield from self.flush()
            self._from = rate
        if rate == self._rate:
            yield frames
            return
        if self._soxr is None:
            import soxr

            self._soxr = soxr.ResampleStream(rate, self._rate, frames.shape[1], dtype="float32", quality="HQ")
        self._taken += len(frames)
        converted = self._soxr.resample_chunk(np.ascontiguousarray(frames)).reshape(-1, frames.shape[1])
        self._channels = frames.shape[1]
        self._given += len(converted)
        yield converted

    def flush(self) -> Iterator[Frames]:
        """Yield the rest of the current run, which becomes as long as it should be."""
        if self._soxr is None:
            return
        rest = self._soxr.resample_chunk(np.zeros((0, self._channels), np.float32), last=True)
        exact: Frames = np.zeros((max(0, self._exact - self._given), self._channels), np.float32)
        rest = rest.reshape(-1, self._channels)[: len(exact)]
        exact[: len(rest)] = rest
        self._soxr = None
        self._taken = self._given = 0
        yield exact


def _with_channels(frames: Frames, channels: int) -> Frames:
    """Return frames with so many channels; where there are others, each is the mix of all."""
    if frames.shape[1] == channels:
        return frames
    return np.repeat(frames.mean(1, keepdims=True, dtype=np.float32), channels, axis=1)
