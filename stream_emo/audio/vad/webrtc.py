"""The detector of the WebRTC project."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from stream_emo.errors import WeightsError
from stream_emo.types import SAMPLE_RATE, Samples


class WebRtcVad:
    """The detector of the WebRTC project (PyPI webrtcvad-wheels): Gaussian mixtures on six bands.

    It decides every 20 ms; the probability is the share of frames with speech in the last 200 ms.
    Mode 2 of 0 (finds most speech) to 3: 1 finds speech in the noise of clean rooms, 3 misses quiet speech.
    """

    frame = 320
    _mode = 2
    _history = 10

    def __init__(self) -> None:
        """Create the detector. Raises `WeightsError` if the package is missing."""
        self.reset()

    def reset(self) -> None:
        self._detector = _webrtc_detector(self._mode)
        self._decisions = deque([False] * self._history, maxlen=self._history)

    def probabilities(self, frames: Samples) -> list[float]:
        return [self._next(frame) for frame in frames]

    def _next(self, frame: Samples) -> float:
        pcm = (np.clip(frame, -1.0, 1.0) * 32767.0).astype("<i2")
        self._decisions.append(self._detector.is_speech(pcm.tobytes(), SAMPLE_RATE))
        return sum(self._decisions) / self._history


def _webrtc_detector(mode: int) -> Any:
    try:
        import webrtcvad
    except ImportError as error:
        raise WeightsError(
            "gate.vad = webrtc: package missing; pip install webrtcvad-wheels, or set gate.vad = silero"
        ) from error
    return webrtcvad.Vad(mode)
