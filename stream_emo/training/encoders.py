"""The two encoders as training makes them, each kept in a file that is named after everything that made it.

So an interrupted run goes on where it was, and evaluation teaches each fold once.
"""

from __future__ import annotations

import hashlib
import inspect
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stream_emo.audio import endpointer as gate_module
from stream_emo.audio import samples as recordings
from stream_emo.audio import vad as vad_module
from stream_emo.audio.samples import read
from stream_emo.config import GateConfig
from stream_emo.models.registry import MINILM, WHISPER, find
from stream_emo.perception import mel as mel_module
from stream_emo.perception.audio_encoder import FRAME
from stream_emo.perception.mel import log_mel
from stream_emo.training import audio_encoder_tuning, text_encoder_tuning
from stream_emo.training.audio_encoder_tuning import (
    AUDIO_TUNING_VERSION,
    AudioHyperparameters,
    MelSample,
    WhisperLayers,
    export,
)
from stream_emo.training.augment_audio import noises
from stream_emo.training.augment_spectrogram import SPECTROGRAM_VERSION, Mel
from stream_emo.training.corpora import Clip, Sentence
from stream_emo.training.features import digest, file_digest, kept, speech_span
from stream_emo.training.labels import merged
from stream_emo.training.text_encoder_tuning import TEXT_TUNING_VERSION, TextHyperparameters
from stream_emo.types import SAMPLE_RATE, Samples

_WORKERS = 2
_LONGEST = 8 * SAMPLE_RATE  # Of a clip, that is learnt from.
_MEL_MAKERS = (gate_module, vad_module, recordings, mel_module)
_VERSIONS = f"audio encoder {AUDIO_TUNING_VERSION} {SPECTROGRAM_VERSION}"


def taught_voice(
    corpora: Sequence[Sequence[Clip]],
    emotions: Sequence[str],
    data: Path,
    cache: Path,
    recipe: AudioHyperparameters,
    seed: int = 0,
) -> Path:
    """A voice encoder taught on these corpora; the ONNX file in `cache`.

    In each corpus every emotion counts by the square root of its size, so that none drowns the others.

    Raises:
        SourceError: a clip or the noises in `data` cannot be read.
        WeightsError: no Whisper.
    """
    whisper = find(WHISPER, "") / "model.bin"
    made_by = [
        *map(inspect.getsource, _MEL_MAKERS),
        _VERSIONS,
        repr(recipe),
        " ".join(emotions),
        f"seed {seed}",
    ]
    made_by += [
        file_digest(whisper),
        *map(_listed, corpora),
    ]
    path = cache / f"encoder-{digest(*made_by)}.onnx"
    if not path.is_file():
        lessons = [lesson for clips in corpora for lesson in _lessons(clips, emotions, cache)]
        network = WhisperLayers.whisper(whisper, recipe.layers)
        audio_encoder_tuning.fine_tune(
            network, lessons, len(emotions), _noise_mels(data, cache), recipe, seed
        )
        cache.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial.onnx")
        export(network, partial)
        partial.replace(path)
    return path


def taught_words(
    sentences: Sequence[Sentence], cache: Path, recipe: TextHyperparameters, seed: int = 0
) -> Path:
    """The changes to MiniLM learnt from these sentences; the file in `cache`, its reading beside it.

    Raises `WeightsError`: no MiniLM.
    """
    folder = find(MINILM, "")
    made_by = [file_digest(folder / "model.safetensors"), f"text {TEXT_TUNING_VERSION}", repr(recipe)]
    path = cache / f"words-{digest(*made_by, f'seed {seed}', *map(repr, sentences))}.safetensors"
    if not path.is_file():
        reader = text_encoder_tuning.fine_tune(folder, sentences, recipe, seed)
        cache.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial.safetensors")
        reader.save(partial)
        os.replace(partial.with_suffix(".head.safetensors"), path.with_suffix(".head.safetensors"))
        partial.replace(path)
    return path


def _lessons(clips: Sequence[Clip], emotions: Sequence[str], cache: Path) -> list[MelSample]:
    labels = np.array([list(emotions).index(merged(clip.label, emotions)) for clip in clips])
    sizes = np.bincount(labels, minlength=len(emotions))
    weights = 1 / np.sqrt(sizes[labels])
    weights /= weights.mean()
    return [
        MelSample(mel, int(label), float(weight))
        for mel, label, weight in zip(_mels(clips, cache), labels, weights, strict=True)
    ]


def _mels(clips: Sequence[Clip], cache: Path) -> list[NDArray[np.float16]]:
    """The spectrogram of each clip's speech."""
    gate = GateConfig()
    path = cache / f"mel-{digest(*map(inspect.getsource, _MEL_MAKERS), repr(gate), _listed(clips))}.npz"

    def spectrogram(clip: Clip) -> NDArray[np.float16]:
        samples = read(clip.path)
        start, end = speech_span(gate, samples)
        return _whole_frames(samples[start : min(end, start + _LONGEST)])

    def make() -> dict[str, NDArray[np.generic]]:
        with ThreadPoolExecutor(_WORKERS) as pool:
            return _flat(list(pool.map(spectrogram, clips)))

    return _unflat(kept(path, f"spectrograms of {len(clips)} clips", make))


def _noise_mels(data: Path, cache: Path) -> list[Mel]:
    recorded = noises(data)
    heard = hashlib.sha256(b"".join(noise.tobytes() for noise in recorded)).hexdigest()
    path = cache / f"mel-{digest(inspect.getsource(mel_module), heard)}.npz"
    what = f"spectrograms of {len(recorded)} noises"
    made = kept(path, what, lambda: _flat(list(map(_whole_frames, recorded))))
    return [mel.astype(np.float32) for mel in _unflat(made)]


def _whole_frames(samples: Samples) -> NDArray[np.float16]:
    padded = np.zeros(max(2, -(-len(samples) // FRAME)) * FRAME, np.float32)
    padded[: len(samples)] = samples
    return log_mel(padded).astype(np.float16)


def _flat(mels: Sequence[NDArray[np.float16]]) -> dict[str, NDArray[np.generic]]:
    return {"mels": np.concatenate(mels, 1), "columns": np.array([mel.shape[1] for mel in mels])}


def _unflat(made: dict[str, NDArray[np.generic]]) -> list[NDArray[np.float16]]:
    cuts = np.cumsum(made["columns"].astype(np.int64))[:-1]
    return [part.astype(np.float16) for part in np.split(made["mels"], cuts, axis=1)]


def _listed(clips: Sequence[Clip]) -> str:
    return "\n".join(f"{clip.path} {clip.path.stat().st_size} {clip.label}" for clip in clips)
