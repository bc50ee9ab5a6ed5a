"""The audio encoder: the first layers of Whisper's encoder, fine-tuned on emotional speech.

Whisper's last layer keeps mainly what helps to transcribe; its first layers still carry tone and emotion.
The third was fine-tuned on acted emotion (see `training.audio_encoder_tuning`), so that its states generalise
to speakers, rooms and languages that are not in the training set. They are part of the checkpoint.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stream_emo.errors import WeightsError
from stream_emo.perception.mel import HOP_LENGTH, log_mel, scaled
from stream_emo.runtime.onnx import network
from stream_emo.types import Samples

AUDIO_ENCODER_VERSION = 1
"""Raise it when the same model and samples give other states: training features are kept under it."""
FRAME = 2 * HOP_LENGTH
"""Samples per state: 50 states per second."""
STATES = 1152
"""Width of a state: the normalised outputs of the three layers, each 384 wide as in Whisper tiny."""


class AudioEncoder:
    """Runs an ONNX model from `mel` [1, 80, 2 n] to `states` [1, n, width]. Thread-safe."""

    def __init__(self, path: Path, device: str = "cpu") -> None:
        """Load the model at `path`.

        Raises:
            WeightsError: the file is missing, or ONNX Runtime cannot load it.
        """
        try:
            model = path.read_bytes()
            self.digest = hashlib.sha256(model).hexdigest()
            """SHA-256 of the model file, in hexadecimal."""
            self._session = network(model, device)
            self.width = int(self._session.get_outputs()[0].shape[2])
            self._longest = int(self._session.get_modelmeta().custom_metadata_map["frames"])
        except Exception as error:  # ONNX Runtime's own errors share no base class; re-raised as ours.
            reason = " ".join(str(error).split())[:200]
            raise WeightsError(
                f"{path}: the audio encoder cannot be loaded ({reason}); "
                "reinstall stream_emo, or set fusion.checkpoint to open, research or your own folder"
            ) from error

    def encode(self, samples: Samples) -> NDArray[np.float32]:
        """Return states [ceil(n / 320), width] of n samples. Raises `ValueError` above 3 s."""
        frames = -(-len(samples) // FRAME)
        if frames > self._longest:
            raise ValueError(f"{frames} frames where the audio encoder takes {self._longest} at most")
        if frames == 0:
            return np.zeros((0, self.width), np.float32)
        # A transform needs more than half its length before the reflected edge.
        padded = np.zeros(max(2, frames) * FRAME, np.float32)
        padded[: len(samples)] = samples
        (states,) = self._session.run(None, {"mel": scaled(log_mel(padded))[None]})
        return np.asarray(states[0, :frames], np.float32)
