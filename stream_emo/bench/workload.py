"""Real speech as people take turns in it, seeded; and sources that play it."""

from __future__ import annotations

import random
import time
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stream_emo.audio.source import PacedSource, ReaderSource, Source, open_source
from stream_emo.config import AudioConfig
from stream_emo.errors import SourceError
from stream_emo.types import SAMPLE_RATE, Chunk, Samples

ACTED = "ravdess/Actor_*/*.flac"
READING = "librispeech_sample/**/*.opus"
_UTTERANCE_S = (3.5, 6.0)
_LONGEST_TURN = 8 * SAMPLE_RATE
_FADE = SAMPLE_RATE // 50
_END_DB = -45.0
_GAP_S = (0.25, 0.45)
"""Mean and deviation of the time between two turns; below zero the second begins before the first ends."""


@lru_cache(maxsize=512)
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


def utterances(data: Path) -> list[Path]:
    """Recordings of reading of which most hold one utterance of 4 to 5 s."""
    low, high = (limit * SAMPLE_RATE for limit in _UTTERANCE_S)
    return [path for path in clips(data, READING) if low <= len(read(path)) <= high]


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


def call(paths: list[Path], *, seconds: float, seed: int) -> tuple[Samples, Samples]:
    """The two channels of a call: turn by turn, each talks about 45 % of the time, now and then at once."""
    chance = random.Random(seed)
    channels = tuple(np.zeros(round(seconds * SAMPLE_RATE), np.float32) for _ in range(2))
    at, side = round(chance.uniform(0, 2) * SAMPLE_RATE), chance.randrange(2)
    while at < len(channels[0]):
        turn = read(chance.choice(paths))[:_LONGEST_TURN].copy()
        turn[-_FADE:] *= np.linspace(1, 0, _FADE, dtype=np.float32)
        room = channels[side][at : at + len(turn)]
        room += turn[: len(room)]
        at += max(_FADE, len(turn) + round(chance.gauss(*_GAP_S) * SAMPLE_RATE))
        side = 1 - side
    return channels[0], channels[1]


def true_end(samples: Samples) -> int:
    """One past the last sample above -45 dB relative to the loudest."""
    loud = np.abs(samples) > np.abs(samples).max() * 10 ** (_END_DB / 20)
    return int(np.flatnonzero(loud)[-1]) + 1


class Tape:
    """A reader of samples in memory, over and over for `seconds`."""

    name = "tape"
    rate = SAMPLE_RATE

    def __init__(self, samples: Samples, seconds: float | None = None) -> None:
        """`seconds`: None: once."""
        self._samples = samples
        self._left = len(samples) if seconds is None else round(seconds * SAMPLE_RATE)
        self._at = 0
        self.begun: float | None = None
        """`time.monotonic` when the first sample was asked for: when a paced source began."""

    def open(self) -> None:
        pass

    def read(self, count: int) -> NDArray[np.float32]:
        self.begun = self.begun or time.monotonic()
        count = min(count, self._left, len(self._samples) - self._at)
        frames = self._samples[self._at : self._at + count, None]
        self._left -= count
        self._at = (self._at + count) % len(self._samples)
        return frames

    def stop(self) -> None:
        self._left = 0

    def close(self) -> None:
        pass


def paced(tape: Tape) -> Source:
    """As a microphone would give it."""
    return PacedSource(tape, AudioConfig())


def fast(tape: Tape) -> Source:
    """As fast as it is taken."""
    return ReaderSource(tape, AudioConfig())
