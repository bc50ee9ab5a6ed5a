"""Workloads: seeded sequences of recordings and pauses, and sources that play them."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stream_emo.audio.base import Source
from stream_emo.audio.reader_source import PacedSource, ReaderSource
from stream_emo.audio.samples import read as read_file
from stream_emo.config import AudioConfig, Config
from stream_emo.engine import Engine
from stream_emo.errors import SourceError
from stream_emo.monitor import Monitor
from stream_emo.progress import Progress
from stream_emo.types import SAMPLE_RATE, Samples

ACTED_SPEECH = "ravdess/Actor_*/*.flac"
"""Recordings of acted sentences (RAVDESS), relative to the data folder."""
READ_SPEECH = "librispeech_sample/**/*.opus"
"""Recordings of read books (LibriSpeech), relative to the data folder."""

_UTTERANCE_S = (3.5, 6.0)
_MAX_TURN = 8 * SAMPLE_RATE
_FADE_OUT = SAMPLE_RATE // 50
_SPEECH_DB = -45.0
_TURN_GAP_S = (0.25, 0.45)
"""Mean and standard deviation of the time between two turns of a call; negative: they overlap."""
_NOISE = 1e-4
_POLL_S = 1.0


@lru_cache(maxsize=512)
def read(path: Path) -> Samples:
    """Return a whole file as a source delivers it: mono, 16 kHz."""
    return read_file(path)


def clips(data: Path, pattern: str) -> list[Path]:
    """Return the sorted paths under the folder `data` that match `pattern`.

    Raises:
        SourceError: there are none.
    """
    found = sorted(data.glob(pattern))
    if not found:
        raise SourceError(f"no {pattern} in {data}; --data must name the folder with the data sets")
    return found


def single_utterances(data: Path) -> list[Path]:
    """Return the recordings of read speech of 3.5 to 6 s, most of which hold one utterance."""
    low, high = (limit * SAMPLE_RATE for limit in _UTTERANCE_S)
    return [path for path in clips(data, READ_SPEECH) if low <= len(read(path)) <= high]


def speech_with_pauses(
    paths: list[Path], *, seconds: float, pause_s: tuple[float, float], seed: int
) -> Samples:
    """Return `seconds` of the clips in random order, a pause of random length within `pause_s` after each."""
    rng = random.Random(seed)
    order = list(paths)
    rng.shuffle(order)
    pieces: list[Samples] = []
    missing = round(seconds * SAMPLE_RATE)
    while missing > 0:
        for path in order:
            pause = np.zeros(round(rng.uniform(*pause_s) * SAMPLE_RATE), np.float32)
            pieces += [read(path), pause]
            missing -= len(pieces[-2]) + len(pause)
            if missing <= 0:
                break
    return np.concatenate(pieces)[: round(seconds * SAMPLE_RATE)]


def call(paths: list[Path], *, seconds: float, seed: int) -> tuple[Samples, Samples]:
    """Return the two channels of a call: turns alternate, each side talks about 45 % of the time, and at
    times both do."""
    rng = random.Random(seed)
    channels = tuple(np.zeros(round(seconds * SAMPLE_RATE), np.float32) for _ in range(2))
    position, side = round(rng.uniform(0, 2) * SAMPLE_RATE), rng.randrange(2)
    while position < len(channels[0]):
        turn = read(rng.choice(paths))[:_MAX_TURN].copy()
        turn[-_FADE_OUT:] *= np.linspace(1, 0, _FADE_OUT, dtype=np.float32)
        target = channels[side][position : position + len(turn)]
        target += turn[: len(target)]
        position += max(_FADE_OUT, len(turn) + round(rng.gauss(*_TURN_GAP_S) * SAMPLE_RATE))
        side = 1 - side
    return channels[0], channels[1]


def faint_noise(seconds: float) -> Samples:
    """Return white noise at -80 dB, like that of a quiet line."""
    return np.random.default_rng(0).normal(0, _NOISE, round(seconds * SAMPLE_RATE)).astype(np.float32)


def true_end(samples: Samples) -> int:
    """Return the index after the last sample that is above -45 dB relative to the loudest."""
    loud = np.abs(samples) > np.abs(samples).max() * 10 ** (_SPEECH_DB / 20)
    return int(np.flatnonzero(loud)[-1]) + 1


class LoopReader:
    """Reads samples from memory, from the beginning again when they end."""

    name = "memory"
    rate = SAMPLE_RATE

    def __init__(self, samples: Samples, seconds: float | None = None) -> None:
        """Read `seconds` of audio altogether; None: the samples once."""
        self._samples = samples
        self._left = len(samples) if seconds is None else round(seconds * SAMPLE_RATE)
        self._position = 0
        self.started_at: float | None = None
        """`time.monotonic` of the first read, s: when a paced source began to play."""

    def open(self) -> None:
        """Do nothing: the samples are there."""

    def read(self, count: int) -> NDArray[np.float32]:
        """Return the next frames, float32 [up to `count`, 1]; none at the end."""
        self.started_at = self.started_at or time.monotonic()
        count = min(count, self._left, len(self._samples) - self._position)
        frames = self._samples[self._position : self._position + count, None]
        self._left -= count
        self._position = (self._position + count) % len(self._samples)
        return frames

    def stop(self) -> None:
        """End the audio."""
        self._left = 0

    def close(self) -> None:
        """Do nothing: there is nothing to release."""


def paced(reader: LoopReader) -> Source:
    """Return a live source that plays the reader at the pace of a microphone."""
    return PacedSource(reader, AudioConfig())


def unpaced(reader: LoopReader) -> Source:
    """Return a source that delivers the reader's audio as fast as it is taken, like a file."""
    return ReaderSource(reader, AudioConfig())


@contextmanager
def loaded(config: Config) -> Iterator[Engine]:
    """Give an engine that has loaded all its models, and close it after the block."""
    with Engine(config) as engine:
        engine.wait()
        yield engine


def follow(monitor: Monitor, seconds: float, progress: Progress, what: str) -> None:
    """Wait until the monitor has processed its `seconds` of audio and published all; report progress."""
    progress.step(0, seconds, what)
    while not monitor.wait(timeout=_POLL_S):
        # What was read may still be in work: only the end of the wait is the end.
        progress.step(min(monitor.stats().time, 0.99 * seconds), seconds, what)
    progress.step(seconds, seconds, what)


def run_unpaced(engine: Engine, samples: Samples, progress: Progress, what: str) -> None:
    """Score the samples from beginning to end, as fast as possible."""
    with Monitor(Config(), unpaced(LoopReader(samples)), engine=engine) as monitor:
        follow(monitor, len(samples) / SAMPLE_RATE, progress, what)
