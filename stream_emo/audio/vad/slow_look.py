"""A second look at high-pitched sound: Silero on the same samples at two thirds of their speed and pitch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stream_emo.audio.vad.acoustics import FRAME
from stream_emo.audio.vad.silero import SileroVad
from stream_emo.types import Samples

_HANGOVER = 8  # Frames that are looked at after the last that was wanted: between two vowels.
_TAPS = 4


class SlowLook:
    """Shows Silero frames at two thirds of their speed, where a shout has a pitch that it knows.

    Only what is wanted is looked at, and what follows it for 0.26 s; where it begins again, Silero has
    no past. Two samples become three by cubic interpolation, so a frame is one and a half of Silero's.
    """

    def __init__(self) -> None:
        self._silero = SileroVad()
        self.reset()

    def reset(self) -> None:
        self._past = np.zeros(_TAPS - 1, np.float32)
        self._rest = np.zeros(0, np.float32)
        self._idle = _HANGOVER + 1
        """Frames since the last that was wanted."""

    def probabilities(self, frames: Samples, wanted: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return the probability [n] of speech in frames [n, 512]; 0 where nobody looked."""
        found = np.zeros(len(frames))
        if self._idle > _HANGOVER and not wanted.any():
            self._past = frames[-1, -_TAPS + 1 :].copy()
            return found
        looked = np.empty(len(frames), bool)
        for index, is_wanted in enumerate(wanted):
            self._idle = 0 if is_wanted else self._idle + 1
            looked[index] = self._idle <= _HANGOVER
        for first, end in _runs(looked):
            if first > 0:  # Else it may continue the last call's.
                self._begin(frames[first - 1])
            found[first:end] = self._look(frames[first:end])
        if not looked[-1]:
            self._begin(frames[-1])
        return found

    def _begin(self, before: Samples) -> None:
        """Forget what was looked at; the next frame follows the frame `before`."""
        self._silero.reset()
        self._past = before[-_TAPS + 1 :].copy()
        self._rest = np.zeros(0, np.float32)

    def _look(self, frames: Samples) -> NDArray[np.float64]:
        """Return for each of consecutive frames the mean probability of the slow frames that it completes."""
        held = len(self._rest)
        slow = np.concatenate([self._rest, _slowed(np.concatenate([self._past, frames.reshape(-1)]))])
        self._past = frames[-1, -_TAPS + 1 :].copy()
        whole = len(slow) // FRAME
        self._rest = slow[whole * FRAME :]
        probabilities = np.array(self._silero.probabilities(slow[: whole * FRAME].reshape(-1, FRAME)))
        ends = (held + (np.arange(len(frames)) + 1) * (FRAME * 3 // 2)) // FRAME
        sums = np.concatenate([[0.0], np.cumsum(probabilities)])
        counts = np.diff(ends, prepend=0)
        return np.diff(sums[ends], prepend=0.0) / counts


def _slowed(samples: Samples) -> Samples:
    """Return 3 / 2 n samples of 3 + n samples (n even): cubic Lagrange interpolation over four samples."""
    windows = np.lib.stride_tricks.sliding_window_view(samples, _TAPS)
    even, odd = windows[0::2], windows[1::2]
    slow = np.stack([even[:, 1], even @ _lagrange(2 / 3), odd @ _lagrange(1 / 3)], axis=1)
    return np.asarray(slow.reshape(-1), np.float32)


def _lagrange(position: float) -> NDArray[np.float32]:
    """Return the weights of four samples for a value between the second (0) and the third (1)."""
    before, after = position + 1, position - 1
    far = position - 2
    return np.array(
        [
            -position * after * far / 6,
            before * after * far / 2,
            -before * position * far / 2,
            before * position * after / 6,
        ],
        np.float32,
    )


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the first index and the one after the last of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(first), int(end)) for first, end in edges.reshape(-1, 2)]
