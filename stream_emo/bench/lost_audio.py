"""Robustness to lost audio: utterances and word errors of clips from which short pieces are missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from stream_emo.audio.base import Frames, Lost, ReadItem
from stream_emo.audio.samples import read
from stream_emo.bench.wer import Clip, count_errors, librivox, ljspeech, normalized
from stream_emo.bench.workload import loaded
from stream_emo.config import Config
from stream_emo.engine import Engine
from stream_emo.events import Score
from stream_emo.monitor import Monitor
from stream_emo.progress import Progress, track
from stream_emo.types import SAMPLE_RATE, Samples

_MS = SAMPLE_RATE // 1000
_SEEDS = range(10)

Holes = Callable[[int, int], Iterator[tuple[int, int]]]
"""Gives the first and one past the last sample of each lost piece of so many samples, for a seed."""


@dataclass(frozen=True, slots=True)
class LossErrors:
    """Utterances and word errors over all clips and seeds."""

    clips: int
    lost_percent: float
    utterances: int
    words: int
    errors: int
    wer_percent: float


class LossyReader:
    """Reads an array of 16 kHz samples in which pieces are missing."""

    name = "lossy"
    rate = SAMPLE_RATE

    def __init__(self, samples: Samples, holes: Iterator[tuple[int, int]]) -> None:
        self._items = _pieces(samples, holes)

    def open(self) -> None:
        """Do nothing: the array is in memory."""

    def read(self, count: int) -> ReadItem:
        """Return the next frames up to a lost piece, or that piece."""
        return next(self._items, np.zeros((0, 1), np.float32))

    def stop(self) -> None:
        """Do nothing: reading does not wait."""

    def close(self) -> None:
        """Do nothing: it is in memory."""


def lost_audio(data: Path, progress: Progress) -> dict[str, LossErrors]:
    """Measure the word errors on the LibriVox and LJSpeech clips as they are, and with audio lost."""
    clips = [*librivox(data), *ljspeech(data)]
    cases: dict[str, Holes] = {
        "no_loss": lambda length, seed: iter(()),
        "one_percent_in_pieces_of_1_to_50_ms": _random_holes,
        "1_ms_per_100_ms": lambda length, seed: _regular_holes(length, 1 * _MS, 100 * _MS),
        "50_ms_per_s": lambda length, seed: _regular_holes(length, 50 * _MS, 1000 * _MS),
        "1_sample_per_100_ms": lambda length, seed: _regular_holes(length, 1, 100 * _MS),
    }
    runs = [(name, seed) for name in cases for seed in (_SEEDS if cases[name] is _random_holes else (0,))]
    found: dict[str, LossErrors] = {}
    with loaded(Config()) as engine:
        for name, seed in track(runs, progress, "lost-audio"):
            measured = _measure(engine, clips, cases[name], seed)
            found[name] = measured if name not in found else _sum(found[name], measured)
    return found


def _measure(engine: Engine, clips: list[Clip], holes: Holes, seed: int) -> LossErrors:
    heard, utterances, lost, total = [], 0, 0, 0
    for index, clip in enumerate(clips):
        samples = read(clip.path)
        pieces = list(holes(len(samples), seed * len(clips) + index))
        total += len(samples)
        lost += sum(last - first for first, last in pieces)
        monitor = Monitor(Config(), LossyReader(samples, iter(pieces)), engine=engine)
        finals: list[Score] = [score for score in monitor if score.final]
        utterances += len(finals)
        heard.append(" ".join(score.text for score in finals if score.text))
    words, errors = count_errors([normalized(clip.text) for clip in clips], list(map(normalized, heard)))
    return LossErrors(len(clips), 100 * lost / total, utterances, words, errors, 100 * errors / words)


def _sum(first: LossErrors, second: LossErrors) -> LossErrors:
    clips, words = first.clips + second.clips, first.words + second.words
    errors = first.errors + second.errors
    lost = (first.lost_percent * first.clips + second.lost_percent * second.clips) / clips
    utterances = first.utterances + second.utterances
    return replace(
        first,
        clips=clips,
        lost_percent=lost,
        utterances=utterances,
        words=words,
        errors=errors,
        wer_percent=100 * errors / words,
    )


def _random_holes(length: int, seed: int) -> Iterator[tuple[int, int]]:
    """Yield one piece at random in each of as many equal parts as give 1 % on average."""
    rng = np.random.default_rng(seed)
    count = max(1, round(0.01 * length / (25.5 * _MS)))
    for part in range(count):
        size = int(rng.integers(1 * _MS, 50 * _MS + 1))
        at = round((part + rng.uniform()) * (length // count - size)) + part * size
        yield at, at + size


def _regular_holes(length: int, size: int, every: int) -> Iterator[tuple[int, int]]:
    return ((at, at + size) for at in range(every, length - size, every))


def _pieces(samples: Samples, holes: Iterator[tuple[int, int]]) -> Iterator[Frames | Lost]:
    done = 0
    for first, last in holes:
        if first > done:
            yield samples[done:first, None]
        yield Lost(last - first, "overflow")
        done = last
    if done < len(samples):
        yield samples[done:, None]
