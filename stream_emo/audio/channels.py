"""Mixing of channels to mono, and channels that cancel each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stream_emo.audio.base import Frames
from stream_emo.types import Samples

_WINDOW_S = 0.02
_DECAY = 0.8
"""Weight of the energies so far at each window: a memory of 0.1 s."""
_CANCELLED = 0.06
"""The mix has cancelled when its energy is this share of what unrelated channels (also silent ones) leave in
it: the sum of their energies over the square of their number..."""
_RESTORED = 0.4
"""...and from this share on it is mixed again."""
_FLOOR = 1e-6
"""Mean square below which nothing is decided, -60 dB."""


class ChannelMixer:
    """Mixes channels to their mean, unless they cancel each other: then the loudest is taken alone.

    Each window of 20 ms is mixed by what was learned from those before it, so that there is no delay and the
    size of blocks changes nothing.
    """

    def __init__(self, rate: int) -> None:
        """Build a mixer of frames at `rate` Hz."""
        self._window = round(rate * _WINDOW_S)
        self._filled = 0
        self._mixed_energy = 0.0
        self._energies: NDArray[np.float64] | None = None
        """Energy of each channel, like `_mixed_energy` decayed and the current window's."""
        self.alone: int | None = None
        """The channel that is taken alone; None: all are mixed."""

    def mix(self, frames: Frames) -> Samples:
        """Return mono samples [n] of frames [n, channels]."""
        if frames.shape[1] == 1:
            return np.ascontiguousarray(frames[:, 0])
        mono: Samples = frames.mean(1)
        edges = [0, *range(self._window - self._filled, len(frames), self._window)]
        energies = np.add.reduceat(np.square(frames, dtype=np.float64), edges, axis=0)
        mixed = np.add.reduceat(np.square(mono, dtype=np.float64), edges).tolist()
        for first, last, energy, mixed_energy in zip(
            edges, [*edges[1:], len(frames)], energies, mixed, strict=True
        ):
            if self.alone is not None:
                mono[first:last] = frames[first:last, self.alone]
            self._learn(last - first, energy, mixed_energy)
        return mono

    def _learn(self, length: int, energies: NDArray[np.float64], mixed_energy: float) -> None:
        if self._energies is None or len(self._energies) != len(energies):
            self._energies, self._mixed_energy, self.alone = np.zeros(len(energies)), 0.0, None
        self._energies = self._energies + energies
        self._mixed_energy += mixed_energy
        self._filled += length
        if self._filled == self._window:
            self._filled = 0
            self._decide(self._energies)
            self._energies = _DECAY * self._energies
            self._mixed_energy *= _DECAY

    def _decide(self, energies: NDArray[np.float64]) -> None:
        if energies.max() < _FLOOR * self._window:
            return
        unrelated = float(energies.sum()) / len(energies) ** 2
        if self.alone is None and self._mixed_energy < _CANCELLED * unrelated:
            self.alone = int(energies.argmax())
        elif self.alone is not None and self._mixed_energy > _RESTORED * unrelated:
            self.alone = None
