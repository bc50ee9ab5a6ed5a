"""Whole recordings as samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from stream_emo.audio.file.reader import FileReader
from stream_emo.audio.reader_source import ReaderSource
from stream_emo.config import AudioConfig
from stream_emo.types import Chunk, Gap, Samples

READ_VERSION = 2
"""Raise it when the same file gives other samples: training features are kept under it."""


def read(path: Path) -> Samples:
    """Return a sound file as a monitor processes it: mono, 16 kHz, channels mixed; invalid samples are zero.

    Raises:
        SourceError: the file is missing, not audio, or damaged.
    """
    source = ReaderSource(FileReader(path), AudioConfig())
    source.open()
    try:
        parts = [_samples(item) for item in source if isinstance(item, Chunk | Gap)]
    finally:
        source.close()
    return np.concatenate(parts)


def _samples(item: Chunk | Gap) -> Samples:
    return item.samples if isinstance(item, Chunk) else np.zeros(item.length, np.float32)
