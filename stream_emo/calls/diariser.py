"""A call on one channel, split into its two speakers: who spoke when, without knowing either voice before.

Utterances are cut into pieces of about 1.5 s, as speakers may follow each other without a pause, and the
pieces of the whole call are clustered by voice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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
_ROUNDS = 20
_BLOCK = SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class Turn:
    """Samples [start, end) in which one speaker speaks, 0 or 1."""

    start: int
    end: int
    speaker: int


class Diariser(Protocol):
    """Tells the two speakers of a call apart."""

    def speakers(self, pieces: Sequence[Samples]) -> list[int]:
        """Return who speaks in each piece [n] of a call's speech: 0 for the voice heard first, or 1."""


class Encoder(Protocol):
    """A speaker encoder."""

    def encode(self, samples: Samples) -> NDArray[np.float32]:
        """Return the embedding [n], of length 1, of speech."""


class TwoVoices:
    """Spherical k-means (Dhillon and Modha 2001) over all pieces of a call, begun along its widest direction.

    Pieces that are decided as they come would depend on when a voice counts as a second one. How much speech
    goes to the wrong speaker is measured by `stream-emo eval diarisation`.
    """

    def __init__(self, encoder: Encoder | None = None) -> None:
        """Take an encoder; None: the one of the package. Raises `WeightsError`."""
        self._encoder = encoder or shared()

    def speakers(self, pieces: Sequence[Samples]) -> list[int]:
        """Return who speaks in each piece; where there is too little speech to tell, who spoke before."""
        told = [enough(piece) for piece in pieces]
        if not any(told):
            return [0] * len(pieces)
        embeddings = np.stack(
            [self._encoder.encode(piece) for piece, tell in zip(pieces, told, strict=True) if tell]
        )
        labels = iter(_two_clusters(embeddings))
        found: list[int] = []
        for tell in told:
            found.append(next(labels) if tell else found[-1] if found else 0)
        return found


def _two_clusters(embeddings: NDArray[np.float32]) -> list[int]:
    """Return the cluster of each embedding [m, n], that of the first being 0."""
    centred = embeddings - embeddings.mean(0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    labels = centred @ axes[0] > 0
    for _ in range(_ROUNDS):
        sums = [embeddings[labels == side].sum(0) for side in (False, True)]
        one, other = (total / max(float(np.linalg.norm(total)), 1e-9) for total in sums)
        closer = embeddings @ other > embeddings @ one
        if np.array_equal(closer, labels):
            break
        labels = closer
    return [int(label != labels[0]) for label in labels]


def turns(samples: Samples, gate: GateConfig, diariser: Diariser) -> list[Turn]:
    """Return the turns of a call, in order; consecutive ones of one speaker are joined within an utterance.

    `samples`: the call, mono, 16 kHz.
    """
    utterances = [list(_pieces(start, end)) for start, end in _utterances(samples, gate)]
    pieces = [samples[first:last] for utterance in utterances for first, last in utterance]
    speakers = iter(diariser.speakers(pieces))
    found: list[Turn] = []
    for utterance in utterances:
        for place, (first, last) in enumerate(utterance):
            speaker = next(speakers)
            if place and found[-1].speaker == speaker:
                found[-1] = Turn(found[-1].start, last, speaker)
            else:
                found.append(Turn(first, last, speaker))
    return found


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
    found = turns(samples, config.gate, TwoVoices())
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
