"""The two fine-tuned encoders, each kept in a cache file that is named after everything that it depends on.

So an interrupted run continues where it was, and evaluation fine-tunes the encoder of each fold once.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import compress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stream_emo.audio.samples import read
from stream_emo.config import GateConfig
from stream_emo.models.registry import MINILM, WHISPER, find
from stream_emo.perception.audio_encoder import FRAME
from stream_emo.perception.mel import MEL_VERSION, log_mel
from stream_emo.progress import NO_PROGRESS, Progress
from stream_emo.runtime.cache import file_digest
from stream_emo.training import audio_encoder_tuning, text_encoder_tuning
from stream_emo.training.audio_encoder_tuning import (
    AUDIO_TUNING_VERSION,
    AudioHyperparameters,
    MelSample,
    WhisperLayers,
    export,
)
from stream_emo.training.augment_spectrogram import SPECTROGRAM_VERSION, Mel
from stream_emo.training.corpora import Clip, Sentence
from stream_emo.training.features import SPEECH_VERSIONS, Arrays, cached, digest, speech_span
from stream_emo.training.labels import target
from stream_emo.training.text_encoder_tuning import TEXT_TUNING_VERSION, TextHyperparameters
from stream_emo.types import SAMPLE_RATE, Samples

_WORKERS = 2
_MAX_CLIP = 8 * SAMPLE_RATE
"""Samples of a clip's speech that are trained on."""
_MEL_VERSIONS = f"{SPEECH_VERSIONS} mel {MEL_VERSION}"
_TUNING_VERSIONS = f"{_MEL_VERSIONS} audio encoder {AUDIO_TUNING_VERSION} {SPECTROGRAM_VERSION}"


@dataclass(frozen=True, slots=True, eq=False)
class CorpusPart:
    """Clips of one corpus that an encoder is fine-tuned on."""

    clips: Sequence[Clip]
    """All clips of the corpus: their spectrograms are kept in one file."""
    used: NDArray[np.bool_]
    """[clips]: whether each is used."""
    share: float
    """Share of the epochs in which each clip is seen."""


def tuned_audio_encoder(
    corpora: Sequence[CorpusPart],
    emotions: Sequence[str],
    recorded: Sequence[Samples],
    cache: Path,
    hyperparameters: AudioHyperparameters,
    seed: int = 0,
    progress: Progress = NO_PROGRESS,
) -> Path:
    """Return the ONNX file, in `cache`, of an audio encoder fine-tuned on `corpora`.

    `recorded`: noises, each [n] at 16 kHz, that are mixed in.

    Within a corpus an emotion counts by the square root of its number of clips.

    Raises:
        SourceError: a clip or the noises cannot be read.
        WeightsError: Whisper is missing.
    """
    whisper = find(WHISPER, "") / "model.bin"
    made_by = [_TUNING_VERSIONS, repr(hyperparameters), " ".join(emotions), f"seed {seed}"]
    made_by.append(_content(recorded))
    made_by += [f"{_listing(list(compress(part.clips, part.used)))}\n{part.share}" for part in corpora]
    path = cache / f"encoder-{digest(*made_by, file_digest(whisper))}.onnx"
    if not path.is_file():
        samples = [sample for part in corpora for sample in _mel_samples(part, emotions, cache)]
        network = WhisperLayers.whisper(whisper, hyperparameters.layers)
        noise_mels = _noise_mels(recorded, cache)
        audio_encoder_tuning.fine_tune(
            network, samples, len(emotions), noise_mels, hyperparameters, seed, progress
        )
        cache.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial.onnx")
        export(network, partial)
        partial.replace(path)
    return path


def tuned_text_adapter(
    sentences: Sequence[Sentence],
    cache: Path,
    hyperparameters: TextHyperparameters,
    seed: int = 0,
    progress: Progress = NO_PROGRESS,
    start: Path | None = None,
) -> Path:
    """Return the file, in `cache`, of an adapter of MiniLM fitted to `sentences`; its head lies beside it.

    `start`: file of the adapter to go on from, of the same rank; None: the published model.

    Raises:
        WeightsError: MiniLM is missing.
    """
    folder = find(MINILM, "")
    made_by = [
        file_digest(folder / "model.safetensors"),
        f"text {TEXT_TUNING_VERSION}",
        repr(hyperparameters),
        f"seed {seed}",
        "" if start is None else file_digest(start),
    ]
    path = cache / f"adapter-{digest(*made_by, *map(repr, sentences))}.safetensors"
    if not path.is_file():
        model = text_encoder_tuning.fine_tune(folder, sentences, hyperparameters, seed, progress, start)
        _keep(path, model.save)
    return path


def interpolated_text_adapter(start: Path, end: Path, share: float, cache: Path) -> Path:
    """Return the file, in `cache`, of `start` moved by a share of the way to `end`, fitted from it."""
    path = cache / f"adapter-{digest(file_digest(start), file_digest(end), f'share {share}')}.safetensors"
    if not path.is_file():
        _keep(path, lambda partial: text_encoder_tuning.interpolate(start, end, share, partial))
    return path


def _keep(path: Path, save: Callable[[Path], None]) -> None:
    """Have an adapter and its head saved, and renamed when both are complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial.safetensors")
    save(partial)
    os.replace(partial.with_suffix(".head.safetensors"), path.with_suffix(".head.safetensors"))
    partial.replace(path)


def _mel_samples(part: CorpusPart, emotions: Sequence[str], cache: Path) -> list[MelSample]:
    targets = np.stack([target(clip.shares, emotions)[:-2] for clip in part.clips])
    labels = targets.argmax(1)
    sizes = np.bincount(labels[part.used], minlength=len(emotions))
    weights = 1 / np.sqrt(np.maximum(sizes, 1)[labels])
    weights /= weights[part.used].mean()
    rows = zip(_mels(part.clips, cache), targets, weights, part.used, strict=True)
    return [MelSample(mel, row, float(weight), part.share) for mel, row, weight, used in rows if used]


def _mels(clips: Sequence[Clip], cache: Path) -> list[NDArray[np.float16]]:
    """Return the spectrogram [80, 2 n] of each clip's speech."""
    config = GateConfig()
    files = "\n".join(f"{clip.path} {clip.path.stat().st_size}" for clip in clips)
    path = cache / f"mel-{digest(_MEL_VERSIONS, repr(config), files)}.npz"

    def spectrogram(clip: Clip) -> NDArray[np.float16]:
        samples = read(clip.path)
        start, end = speech_span(config, samples)
        return _whole_frames(samples[start : min(end, start + _MAX_CLIP)])

    def make() -> Arrays:
        with ThreadPoolExecutor(_WORKERS) as pool:
            return _pack(list(pool.map(spectrogram, clips)))

    return _unpack(cached(path, f"spectrograms of {len(clips)} clips", make))


def _content(recorded: Sequence[Samples]) -> str:
    return hashlib.sha256(b"".join(noise.tobytes() for noise in recorded)).hexdigest()


def _noise_mels(recorded: Sequence[Samples], cache: Path) -> list[Mel]:
    path = cache / f"mel-{digest(f'mel {MEL_VERSION}', _content(recorded))}.npz"
    what = f"spectrograms of {len(recorded)} noises"
    arrays = cached(path, what, lambda: _pack(list(map(_whole_frames, recorded))))
    return [mel.astype(np.float32) for mel in _unpack(arrays)]


def _whole_frames(samples: Samples) -> NDArray[np.float16]:
    padded = np.zeros(max(2, -(-len(samples) // FRAME)) * FRAME, np.float32)
    padded[: len(samples)] = samples
    return log_mel(padded).astype(np.float16)


def _pack(mels: Sequence[NDArray[np.float16]]) -> Arrays:
    return {"mels": np.concatenate(mels, 1), "columns": np.array([mel.shape[1] for mel in mels])}


def _unpack(arrays: Arrays) -> list[NDArray[np.float16]]:
    cuts = np.cumsum(arrays["columns"].astype(np.int64))[:-1]
    return [part.astype(np.float16) for part in np.split(arrays["mels"], cuts, axis=1)]


def _listing(clips: Sequence[Clip]) -> str:
    return "\n".join(f"{clip.path} {clip.path.stat().st_size} {clip.shares}" for clip in clips)
