"""Floating-point audio of a wrong scale: integers that were never divided, gain that was never taken back."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from stream_emo.audio.base import Frames

_SUSPICIOUS = 2.0
"""No mixing overload reaches this amplitude (6 dB above full scale) often."""
_SHARE = 0.01
"""Share of a window's values beyond `_SUSPICIOUS` from which the scale is wrong; fewer are faults."""
_WINDOW_S = 0.5
_FULL_SCALES = (2.0**15, 2.0**23, 2.0**31)
"""Full scales of integer PCM..."""
_SMALLEST_PEAK = 256.0
"""...which are meant by any peak from this on, and by whole numbers of any size."""
_PEAK_QUANTILE = 0.999
"""The peak leaves out single values that are faults."""


class ScaleGuard:
    """Scales floating-point frames whose values are far beyond [-1, 1].

    From the first suspicious value on it holds a window of 0.5 s, and decides then; so the size of blocks
    changes nothing, and audio of the right scale has no delay. Divisors are powers of two: no rounding.
    """

    def __init__(self, rate: int) -> None:
        """Build a guard of frames at `rate` Hz."""
        self._window = round(rate * _WINDOW_S)
        self._held: list[Frames] = []
        self.held = 0
        """Frames that are held."""
        self.divisor = 1.0
        """What the frames are divided by; 1: their scale is right."""

    def feed(self, frames: Frames) -> Iterator[Frames]:
        """Yield the frames [n, channels] that are decided, at the right scale."""
        while len(frames):
            scaled = frames / np.float32(self.divisor) if self.divisor != 1 else frames
            if not self.held:
                right = _first_suspicious(scaled)
                if right:
                    yield scaled[:right]
                if right == len(frames):
                    return
                frames, scaled = frames[right:], scaled[right:]
            taken = min(len(frames), self._window - self.held)
            self._held.append(scaled[:taken].copy())  # The caller may use its array again.
            self.held += taken
            frames = frames[taken:]
            if self.held == self._window:
                factor = _divisor(np.concatenate(self._held))
                self.divisor *= factor
                yield self._release(factor)

    def flush(self) -> Iterator[Frames]:
        """Yield what is held, as it is."""
        if self.held:
            yield self._release(1.0)

    def _release(self, divisor: float) -> Frames:
        window = np.concatenate(self._held)
        self._held, self.held = [], 0
        return window / np.float32(divisor) if divisor != 1 else window


def _first_suspicious(frames: Frames) -> int:
    suspicious = (np.abs(frames) > _SUSPICIOUS).any(1)
    return int(suspicious.argmax()) if suspicious.any() else len(frames)


def _divisor(window: Frames) -> float:
    """Return what brings a window to full scale; 1 if its scale is right, or it is not audio at all."""
    values: NDArray[np.float32] = np.abs(window[np.isfinite(window)])
    if np.count_nonzero(values > _SUSPICIOUS) <= _SHARE * window.size:
        return 1.0
    peak = float(np.quantile(values, _PEAK_QUANTILE))
    if peak < _SMALLEST_PEAK and not np.array_equal(values, np.rint(values)):
        return float(2.0 ** np.ceil(np.log2(max(peak, _SUSPICIOUS))))
    return next((scale for scale in _FULL_SCALES if peak <= scale), 1.0)
