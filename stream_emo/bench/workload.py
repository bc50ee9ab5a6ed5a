"""Real speech with pauses, seeded, as one file."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np

from stream_emo.audio.source import open_source
from stream_emo.config import AudioConfig
from stream_emo.errors import SourceError
from stream_emo.types import SAMPLE_RATE, Chunk, Samples


def read(path: Path) -> Samples:
    """A whole file, as a source delivers it."""
    source = open_source(path, AudioConfig())
    source.open()
    try:
        return np.concatenate([item.samples for item in source if isinstance(item, Chunk)])
    finally:
        source.close()


def clips(data: Path, pattern: str) -> list[Path]:
    """Sorted paths under `data`; none is an error."""
    found = sorted(data.glob(pattern))
    if not found:
        raise SourceError(f"no {pattern} in {data}; --data must name the folder with the data sets")
    return found


def conversation(paths: list[Path], *, seconds: float, pause_s: tuple[float, float], seed: int) -> Samples:
    """Clips in random order with pauses of random length until `seconds` are full."""
    chance = random.Random(seed)
    order = list(paths)
    chance.shuffle(order)
    pieces: list[Samples] = []
    left = round(seconds * SAMPLE_RATE)
    while left > 0:
        for path in order:
            pause = np.zeros(round(chance.uniform(*pause_s) * SAMPLE_RATE), np.float32)
            pieces += [read(path), pause]
            left -= len(pieces[-2]) + len(pause)
            if left <= 0:
                break
    return np.concatenate(pieces)[: round(seconds * SAMPLE_RATE)]


def write(path: Path, samples: Samples) -> Path:
    import soundfile

    soundfile.write(path, samples, SAMPLE_RATE, subtype="PCM_16")
    return path
