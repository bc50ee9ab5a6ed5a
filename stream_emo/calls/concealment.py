"""Packet-loss concealment by repetition of the pitch waveform, after ITU-T G.711 Appendix I (1999).

The last pitch period before a loss is repeated, more than one when the loss goes on; it fades by a fifth per
10 ms after the first 10 ms, so that nothing is left after 60 ms. What comes after the loss is blended in.
Unlike the appendix this works at any rate and delays nothing: the beginning of a loss is not blended.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

Audio = NDArray[np.float32]
"""Mono audio, shape [n], any rate, nominal range [-1, 1]."""

CONCEALED_S = 0.06
"""Loss that is concealed at most, s: after that the fade has reached zero."""
_MIN_PITCH_S, _MAX_PITCH_S = 0.005, 0.015
_MATCHED_S = 0.02
"""What is compared with itself to find the pitch, s."""
_STEP_S = 0.01
"""Duration after which a period more is repeated, and by which the fade is counted, s."""
_MOST_PERIODS = 3
_FADE_PER_STEP = 0.2
_BLENDED_S, _MOST_BLENDED_S = 0.004, 0.01
"""Blending after a loss, s: at least, with as much more per step lost, and at most."""
_SEARCH_RATE = 4_000
"""Rate of the first, coarse search for the pitch, Hz."""


class Concealment:
    """Fills losses in one stream of audio with what its last pitch periods would have gone on as."""

    def __init__(self, rate: int) -> None:
        """Build for audio at `rate` frames per second, 8,000 or more."""
        self._rate = rate
        self._kept = round((_MATCHED_S + _MOST_PERIODS * _MAX_PITCH_S) * rate)
        """Frames of the past that concealment looks at."""
        self._past: deque[Audio] = deque()
        """What holds them, joined only when something was lost."""
        self._past_frames = 0
        self._history = np.zeros(self._kept, np.float32)
        """The past as it was when the loss began."""
        self._lost = 0
        """Frames of the loss that goes on."""
        self._pitch = 0
        self._periods = np.zeros(0, np.float32)
        """What is repeated."""
        self._phase = 0
        self._made: list[Audio] = []
        """What stands for the loss that goes on."""

    def received(self, samples: Audio) -> Audio:
        """Return samples [n] that follow; after a loss their beginning is blended with its continuation."""
        if self._lost and len(samples):
            samples = self._blended(samples)
            for made in self._made:
                self._remember(made)
            self._lost, self._made = 0, []
        self._remember(samples)
        return samples

    def conceal(self, count: int) -> Audio:
        """Return [count] samples in the place of lost ones that follow."""
        if not self._lost:
            self._history = self._joined_past()
            self._pitch = self._find_pitch()
            self._periods, self._phase = np.zeros(0, np.float32), 0
        made = self._continued(count)
        self._made.append(made)
        self._lost += count
        return made

    def skip(self) -> None:
        """Note that samples are missing that nothing stands for."""
        self._past.clear()
        self._past_frames = 0
        self._history = np.zeros(self._kept, np.float32)
        self._lost, self._made = 0, []

    def _blended(self, samples: Audio) -> Audio:
        steps = self._lost / (_STEP_S * self._rate)
        length_s = min(_BLENDED_S * (1 + max(0.0, steps - 1)), _MOST_BLENDED_S)
        length = min(round(length_s * self._rate), len(samples))
        up = np.arange(1, length + 1, dtype=np.float32) / (length + 1)
        made = self._continued(length)
        return np.concatenate([made * (1 - up) + samples[:length] * up, samples[length:]]).astype(np.float32)

    def _remember(self, samples: Audio) -> None:
        self._past.append(samples)
        self._past_frames += len(samples)
        while self._past_frames - len(self._past[0]) >= self._kept:
            self._past_frames -= len(self._past.popleft())

    def _joined_past(self) -> Audio:
        joined = np.concatenate([np.zeros(self._kept, np.float32), *self._past])
        return joined[-self._kept :]

    def _continued(self, count: int) -> Audio:
        """Return the next [count] samples of the repetition, faded."""
        step = round(_STEP_S * self._rate)
        parts = []
        position = self._lost
        while count:
            length = min(count, step - position % step)
            self._use_periods(min(position // step + 1, _MOST_PERIODS))
            rows = (self._phase + np.arange(length)) % len(self._periods)
            self._phase = (self._phase + length) % len(self._periods)
            steps = (position + np.arange(length)) / step
            fade = np.clip(1 - _FADE_PER_STEP * np.maximum(steps - 1, 0), 0, 1)
            parts.append(self._periods[rows] * fade.astype(np.float32))
            position += length
            count -= length
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)

    def _use_periods(self, count: int) -> None:
        """Repeat the last `count` pitch periods from now on, their end blended into their beginning."""
        length = count * self._pitch
        if len(self._periods) == length:
            return
        quarter = max(1, self._pitch // 4)
        periods = self._history[-length:].copy()
        before = self._history[-length - quarter : -length]
        up = np.arange(1, quarter + 1, dtype=np.float32) / (quarter + 1)
        periods[-quarter:] = periods[-quarter:] * (1 - up) + before * up
        # The phase within a pitch period is kept when there are more of them.
        self._phase = self._phase % self._pitch
        self._periods = periods

    def _find_pitch(self) -> int:
        """Return the lag, in frames, at which the end of the history resembles itself most."""
        stride = max(1, self._rate // _SEARCH_RATE)
        lowest, highest = (round(limit * self._rate) for limit in (_MIN_PITCH_S, _MAX_PITCH_S))
        coarse = self._best_lag(np.arange(lowest, highest + 1, stride), stride)
        near = np.arange(max(lowest, coarse - stride + 1), min(highest, coarse + stride - 1) + 1)
        return self._best_lag(near, 1 if stride < 4 else stride // 2)

    def _best_lag(self, lags: NDArray[np.int64], stride: int) -> int:
        """Return which of the lags gives the greatest normalised correlation, of every `stride`-th sample."""
        length = round(_MATCHED_S * self._rate)
        rows = np.arange(len(self._history) - length, len(self._history), stride)
        end = self._history[rows]
        lagged = self._history[rows[None] - lags[:, None]]
        energy = np.sqrt(np.sum(np.square(lagged), 1)) + 1e-9
        return int(lags[int(np.argmax(lagged @ end / energy))])
