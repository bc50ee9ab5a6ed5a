"""The speaker encoder: who speaks, as a vector, whatever is said and however.

Wan et al. (2018), "Generalized End-to-End Loss for Speaker Verification" (GE2E): three LSTM layers over mel
spectrograms of 1.6 s, with the weights of Resemblyzer 0.1.4 (Apache-2.0), which was trained on
LibriSpeech-other, VoxCeleb1 and VoxCeleb2. A projection after it keeps what tells speakers apart and drops
what emotion changes; see `training.speaker_encoder`, which writes the file.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stream_emo.errors import WeightsError
from stream_emo.perception.mel import HOP_LENGTH, log_mel
from stream_emo.runtime.onnx import network
from stream_emo.types import SAMPLE_RATE, Samples

LICENCE = "Apache-2.0"
"""SPDX identifier of the licence of the weights that belong to the package; see `weights/README.md`."""
MIN_SAMPLES = SAMPLE_RATE
"""Without silence; shorter speech says too little about who speaks."""
BANDS = 40
"""Mel bands that the network takes."""
PART = 160
"""Columns of the spectrogram that are encoded at a time: 1.6 s."""
THRESHOLD = "threshold"
"""Metadata key of the model: the similarity from which on speech counts as the owner's."""
_STEP = 80  # Columns between the beginnings of two parts.
_MIN_COVERAGE = 0.75  # A last part with less speech is left out, unless it is the only one.
_LOUDNESS = 10 ** (-30 / 20)  # RMS that quieter speech is raised to.
_FRAME = 480  # Samples of the frames whose loudness decides what is silence.
_SILENCE_DB = 35.0  # Frames so far below the loudest are silence...
_KEPT = 3  # ...unless they are so many frames or fewer from one that is not.


class SpeakerEncoder:
    """Encodes speech as embeddings of the speaker. Thread-safe."""

    def __init__(self, path: Path | None = None) -> None:
        """Load the network at `path`; None: the one that belongs to the package.

        Raises:
            WeightsError: the file is missing or damaged.
        """
        path = path or packaged()
        try:
            model = path.read_bytes()
            self.digest = hashlib.sha256(model).hexdigest()
            """SHA-256 of the model file, in hexadecimal: embeddings of another one cannot be compared."""
            self._session = network(model)
            self.threshold = float(self._session.get_modelmeta().custom_metadata_map[THRESHOLD])
            """Similarity from which on speech counts as the owner's."""
        except Exception as error:  # ONNX Runtime's own errors share no base class; re-raised as ours.
            reason = " ".join(str(error).split())[:200]
            raise WeightsError(
                f"{path}: the speaker encoder cannot be loaded ({reason}); reinstall stream_emo"
            ) from error

    def encode(self, samples: Samples) -> NDArray[np.float32]:
        """Return the embedding [n], of length 1, of speech: that of the mean over its parts of 1.6 s.

        Raises:
            ValueError: there is too little speech, see `enough`.
        """
        speech = without_silence(samples)
        if len(speech) < MIN_SAMPLES:
            raise ValueError(f"{len(speech)} samples of speech, where {MIN_SAMPLES} are the least")
        (embedding,) = self._session.run(None, {"mels": parts(speech)})
        return np.asarray(embedding, np.float32)


@cache
def shared() -> SpeakerEncoder:
    """Return the encoder of the package, loaded once per process. Raises `WeightsError`."""
    return SpeakerEncoder()


def packaged() -> Path:
    """Return the path of the network that belongs to the package."""
    return Path(__file__).parent / "weights/speaker_encoder.onnx"


def mean_of(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean [n] of embeddings [m, n], scaled to length 1."""
    mean = embeddings.mean(0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-9), np.float32)


def parts(samples: Samples) -> NDArray[np.float32]:
    """Return the input of the network: the power in each mel band, float32 [parts, 160, 40], of speech.

    Quiet speech is raised; short speech is padded with silence.
    """
    speech = _raised(samples)
    whole = len(speech) // HOP_LENGTH * HOP_LENGTH
    mel = 10 ** log_mel(speech[:whole], BANDS).T
    starts = [0]
    while starts[-1] + _STEP + _MIN_COVERAGE * PART <= len(mel):
        starts.append(starts[-1] + _STEP)
    padded = np.zeros((starts[-1] + PART, BANDS), np.float32)
    padded[: len(mel)] = mel[: len(padded)]
    return np.stack([padded[start : start + PART] for start in starts])


def enough(samples: Samples) -> bool:
    """Return whether there is enough speech in samples [n] to tell who speaks."""
    return len(without_silence(samples)) >= MIN_SAMPLES


def without_silence(samples: Samples) -> Samples:
    """Return the samples [n] that are speech, see `speech_mask`."""
    return samples[speech_mask(samples)]


def speech_mask(samples: Samples) -> NDArray[np.bool_]:
    """Return which samples [n] are at most 35 dB below the loudest 30 ms, or within 90 ms of those."""
    mask = np.zeros(len(samples), bool)
    whole = len(samples) // _FRAME * _FRAME
    if whole:
        power = np.square(samples[:whole].reshape(-1, _FRAME), dtype=np.float64).mean(1)
        loud = power > power.max() * 10 ** (-_SILENCE_DB / 10)
        kept = np.convolve(loud, np.ones(2 * _KEPT + 1))[_KEPT:-_KEPT] > 0
        mask[:whole] = np.repeat(kept, _FRAME)
    return mask


def _raised(samples: Samples) -> Samples:
    """Return the samples, quiet ones raised to the loudness that the encoder was trained with."""
    rms = float(np.sqrt(np.square(samples, dtype=np.float64).mean()))
    return samples if rms >= _LOUDNESS or rms == 0 else (samples * (_LOUDNESS / rms)).astype(np.float32)
