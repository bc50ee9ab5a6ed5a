"""Arrival times of samples, and their level."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

import numpy as np

from stream_emo.types import Samples

SILENT_DB = -120.0
_CHUNKS = 4096
"""Chunks whose arrival is remembered: over two minutes of blocks of 32 ms."""


class ArrivalTimes:
    """Holds the arrival times of a live source's samples, from which latencies follow. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ends: deque[tuple[int, float]] = deque(maxlen=_CHUNKS)
        self._lock = threading.Lock()

    def note(self, end: int, arrived: float) -> None:
        """Remember that the sample before `end` arrived at `arrived`, seconds of the clock."""
        with self._lock:
            self._ends.append((end, arrived))

    def age_ms(self, position: int) -> float | None:
        """Return the milliseconds since the sample before `position` arrived; None when unknown."""
        arrived = None
        with self._lock:
            for end, moment in reversed(self._ends):
                if end < position:
                    break
                arrived = moment
        return None if arrived is None else 1000 * (self._clock() - arrived)


def level_db(samples: Samples) -> float:
    """Return the RMS level of samples relative to full scale, dB; -120 when silent or empty."""
    power = float(np.mean(np.square(samples))) if len(samples) else 0.0
    return max(SILENT_DB, 10 * float(np.log10(power))) if power > 0 else SILENT_DB
