"""Silero VAD: a small recurrent network."""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stream_emo.errors import WeightsError
from stream_emo.runtime.onnx import import_onnxruntime, network
from stream_emo.types import Samples

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


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


def _silero_path() -> Path:
    # Found without importing the package, which would load CTranslate2 and PyAV.
    spec = find_spec("faster_whisper")
    folders = spec.submodule_search_locations if spec else None
    for folder in folders or ():
        return Path(folder) / "assets" / "silero_vad_v6.onnx"
    raise WeightsError(
        "gate.vad: faster-whisper, which carries the weights, is missing; pip install faster-whisper"
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
