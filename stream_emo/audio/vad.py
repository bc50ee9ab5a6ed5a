"""Voice activity detection: the probability of speech per frame, from two detectors behind one protocol."""

from __future__ import annotations

from collections import deque
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from stream_emo.config import GateConfig
from stream_emo.errors import WeightsError
from stream_emo.runtime.onnx import import_onnxruntime, network
from stream_emo.types import SAMPLE_RATE, Samples

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


VAD_VERSION = 1
"""Raise it when the same samples give other probabilities: training features are kept under it."""


class Vad(Protocol):
    """A streaming voice activity detector, which keeps a state from frame to frame until `reset`."""

    @property
    def frame(self) -> int:
        """Samples per frame."""

    def probabilities(self, frames: Samples) -> list[float]:
        """Return the probability of speech, 0 to 1, of each of the next frames [n, `frame`]."""

    def reset(self) -> None:
        """Clear the state: the next frame does not continue the last one."""


def make_vad(config: GateConfig) -> Vad:
    """Return the configured detector. Raises `WeightsError` when its package or weights are missing."""
    return SileroVad() if config.vad == "silero" else WebRtcVad()


class SileroVad:
    """Silero VAD 6 (github.com/snakers4/silero-vad, MIT), the ONNX file that faster-whisper carries.

    A frame is 512 samples; the network sees the last 64 samples of the frame before as well and keeps
    an LSTM state. The network is loaded once per process, the state belongs to the instance. In a batch, a
    frame costs half of what it costs alone.
    """

    frame = 512
    _max_batch = 32  # A second: more gains nothing, and a long file would need much memory.
    _context = 64
    _state = (1, 1, 128)

    def __init__(self, path: Path | None = None) -> None:
        """Load the ONNX file `path`; None: the one in faster-whisper. Raises `WeightsError` if that fails."""
        self._session = _silero_session(path or _silero_path())
        self._names = [value.name for value in self._session.get_inputs()]
        self.reset()

    def reset(self) -> None:
        self._past = np.zeros(self._context, np.float32)
        self._hidden = self._cell = np.zeros(self._state, np.float32)

    def probabilities(self, frames: Samples) -> list[float]:
        found: list[float] = []
        for first in range(0, len(frames), self._max_batch):
            found += self._next(frames[first : first + self._max_batch])
        return found

    def _next(self, frames: Samples) -> list[float]:
        seen = np.empty((len(frames), self._context + self.frame), np.float32)
        seen[:, self._context :] = frames
        seen[0, : self._context] = self._past
        seen[1:, : self._context] = frames[:-1, -self._context :]
        self._past = seen[-1, -self._context :].copy()
        values = (seen, self._hidden, self._cell)
        found, self._hidden, self._cell = self._session.run(None, dict(zip(self._names, values, strict=True)))
        return [float(probability) for probability in found.flat]


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


def _silero_path() -> Path:
    # Found without importing the package, which would load CTranslate2 and PyAV.
    spec = find_spec("faster_whisper")
    folders = spec.submodule_search_locations if spec else None
    for folder in folders or ():
        return Path(folder) / "assets" / "silero_vad_v6.onnx"
    raise WeightsError(
        "gate.vad = silero: faster-whisper, which carries the weights, is missing; pip install faster-whisper"
    )


@lru_cache
def _silero_session(path: Path) -> InferenceSession:
    failures = import_onnxruntime().capi.onnxruntime_pybind11_state
    if not path.is_file():
        raise WeightsError(
            f"gate.vad = silero: {path} is missing; pip install --upgrade 'faster-whisper>=1.2.1'"
        )
    broken = (failures.InvalidProtobuf, failures.InvalidGraph, failures.Fail, failures.InvalidArgument)
    try:
        session = network(path)
    except broken as error:
        raise WeightsError(f"gate.vad = silero: {path} is broken; reinstall faster-whisper") from error
    shapes = [value.shape[1:] for value in session.get_inputs()]
    if shapes != [[576], [1, 128], [1, 128]]:
        raise WeightsError(
            f"gate.vad = silero: {path} is not Silero VAD 6; pip install --upgrade 'faster-whisper>=1.2.1'"
        )
    return session
