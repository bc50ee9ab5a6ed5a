"""A call on one channel, split into its two speakers: who spoke when, without knowing either voice before.

Utterances are cut into pieces of about 1.5 s, as speakers may follow each other without a pause, and each
piece goes to the speaker whose voice it resembles most: online clustering with two centroids.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stream_emo.audio.arrays import ArrayReader
from stream_emo.audio.base import Source
from stream_emo.audio.endpointer import Endpointer
from stream_emo.audio.reader_source import PacedSource, ReaderSource
from stream_emo.audio.samples import read
from stream_emo.audio.vad import make_vad
from stream_emo.calls.roles import DIARISED
from stream_emo.config import Config, GateConfig
from stream_emo.errors import SourceError
from stream_emo.perception.speaker_encoder import enough, shared
from stream_emo.types import SAMPLE_RATE, Chunk, Samples, SpeechEnd, SpeechStart

SPEAKERS = 2
_PIECE = round(1.5 * SAMPLE_RATE)
_ANOTHER = 0.3
"""Similarity to the only voice known so far below which a piece is another voice."""
_BLOCK = SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class Turn:
    """Samples [start, end) in which one speaker speaks, 0 or 1."""

    start: int
    end: int
    speaker: int


class Diariser(Protocol):
    """Tells speakers apart as they speak."""

    def speaker(self, samples: Samples) -> int:
        """Return who speaks in the next samples [n] of speech, 0 for the voice that was heard first."""


class Encoder(Protocol):
    """A speaker encoder."""

    def encode(self, samples: Samples) -> NDArray[np.float32]:
        """Return the embedding [n], of length 1, of speech."""


class OnlineClustering:
    """Two centroids, each the sum of the embeddings of what was assigned to it."""

    def __init__(self, encoder: Encoder | None = None) -> None:
        """Begin with nobody known; `encoder`: None: the one of the package. Raises `WeightsError`."""
        self._encoder = encoder or shared()
        self._sums: list[NDArray[np.float32]] = []
        self._last = 0

    def speaker(self, samples: Samples) -> int:
        """Return who speaks; where there is too little speech to tell, who spoke last."""
        if not enough(samples):
            return self._last
        embedding = self._encoder.encode(samples)
        similarity = [float(embedding @ total / np.linalg.norm(total)) for total in self._sums]
        if len(similarity) < SPEAKERS and (not similarity or similarity[0] < _ANOTHER):
            self._sums.append(embedding)
            self._last = len(self._sums) - 1
        else:
            self._last = int(np.argmax(similarity))
            self._sums[self._last] = self._sums[self._last] + embedding
        return self._last


def turns(samples: Samples, gate: GateConfig, diariser: Diariser) -> Iterator[Turn]:
    """Yield the turns of a call, in order; consecutive ones of one speaker are joined within an utterance.

    `samples`: the call, mono, 16 kHz.
    """
    for start, end in _utterances(samples, gate):
        open_turn: Turn | None = None
        for first, last in _pieces(start, end):
            speaker = diariser.speaker(samples[first:last])
            if open_turn is not None and open_turn.speaker == speaker:
                open_turn = Turn(open_turn.start, last, speaker)
                continue
            if open_turn is not None:
                yield open_turn
            open_turn = Turn(first, last, speaker)
        if open_turn is not None:
            yield open_turn


def split(samples: Samples, found: Iterable[Turn]) -> list[Samples]:
    """Return a channel [n] for each speaker, silent where that speaker does not speak."""
    channels = [np.zeros_like(samples) for _ in range(SPEAKERS)]
    for turn in found:
        channels[turn.speaker][turn.start : turn.end] = samples[turn.start : turn.end]
    return channels


def diarised_sources(path: Path | str, config: Config, *, realtime: bool = False) -> list[tuple[str, Source]]:
    """Return a source for each role of a recorded call on one channel, which is read and split as a whole.

    `realtime`: at the pace of a microphone. Channels are mixed, if there are several.

    Raises:
        SourceError: the file cannot be read, or nobody speaks in it.
        WeightsError: the speaker encoder cannot be loaded.
    """
    samples = read(Path(path))
    found = list(turns(samples, config.gate, OnlineClustering()))
    if not found:
        raise SourceError(f"{path}: nobody speaks in it; there is no call to split")
    make = PacedSource if realtime else ReaderSource
    channels = zip(DIARISED, split(samples, found), strict=True)
    return [(role, make(ArrayReader(own, SAMPLE_RATE), config.audio)) for (role, _), own in channels]


def _utterances(samples: Samples, gate: GateConfig) -> Iterator[tuple[int, int]]:
    """Yield the first sample of each utterance, and one past its last."""
    endpointer = Endpointer(gate, make_vad(gate))
    start = 0
    blocks = (Chunk(at, samples[at : at + _BLOCK]) for at in range(0, len(samples), _BLOCK))
    for items in (*(endpointer.feed(block) for block in blocks), endpointer.flush()):
        for item in items:
            if isinstance(item, SpeechStart):
                start = item.start
            elif isinstance(item, SpeechEnd):
                yield start, min(item.end, len(samples))


def _pieces(start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield [start, end) in equal pieces of about 1.5 s."""
    count = max(1, round((end - start) / _PIECE))
    edges = np.linspace(start, end, count + 1).astype(int).tolist()
    yield from pairwise(edges)
