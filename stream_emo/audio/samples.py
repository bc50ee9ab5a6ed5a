"""Whole recordings as samples."""

from __future__ import annotations

from pathlib import Path

import soundfile
import soxr

from stream_emo.errors import SourceError
from stream_emo.types import SAMPLE_RATE, Samples


def read(path: Path) -> Samples:
    """A sound file as mono at 16 kHz. Raises `SourceError`."""
    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise SourceError(f"{path}: cannot be decoded ({error})") from error
    mono: Samples = samples.mean(1)
    return mono if rate == SAMPLE_RATE else soxr.resample(mono, rate, SAMPLE_RATE)
