"""The types that flow between stages, in the order of the data flow; what is published is in `events`.

Inside the pipeline a position is an integer: a sample index at 16 kHz since the start of the session.
Seconds appear only in what is published.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from stream_emo.events import DeviceState, GapReason

SAMPLE_RATE = 16_000
"""Samples per second of the one clock that everything after a source runs on."""

Samples = NDArray[np.float32]
"""Mono audio, shape [n], 16 kHz, nominal range [-1, 1]."""


def seconds(position: int) -> float:
    """Return a position or length in samples as seconds."""
    return position / SAMPLE_RATE


# -- source -> endpointer -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Consecutive samples; `start` is the position of the first."""

    start: int
    samples: Samples
    arrived: float | None = None
    """When the last sample came from a live source: seconds of `time.monotonic`; None when not live."""

    @property
    def end(self) -> int:
        return self.start + len(self.samples)


@dataclass(frozen=True, slots=True)
class Gap:
    """Samples [start, end) existed on the clock but were lost. Travels in order with the audio."""

    start: int
    end: int
    reason: GapReason

    @property
    def length(self) -> int:
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class DeviceChange:
    """A live device was opened, lost, or released for a pause, at `position` on the clock."""

    position: int
    state: DeviceState
    name: str


@dataclass(frozen=True, slots=True)
class Notice:
    """Something about the audio that its owner should know; the audio goes on."""

    message: str
    """One line, which does not name the source: the event that it becomes names the session."""


SourceItem = Chunk | Gap | DeviceChange | Notice


# -- endpointer -> perception -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SpeechStart:
    """An utterance begins. `start`: its first sample, pre-roll included; `onset`: where speech was found."""

    utterance: int
    start: int
    onset: int


@dataclass(frozen=True, slots=True, eq=False)
class SpeechChunk:
    """Consecutive samples of the open utterance."""

    utterance: int
    start: int
    samples: Samples


@dataclass(frozen=True, slots=True)
class SpeechPause:
    """Speech seems to have ended at `end` (trailing padding included): a good moment to transcribe.

    Either `SpeechChunk`s follow, beginning at `end`, or a `SpeechEnd` with the same `end`.
    `decided_at`: how far the clock had come when this was decided.
    """

    utterance: int
    end: int
    decided_at: int


@dataclass(frozen=True, slots=True)
class SpeechEnd:
    """The utterance is over.

    `end`: one past its last sample. After a split for length that may lie before samples already sent;
    those belong to the next utterance and are sent again.
    `decided_at`: how far the clock had come when this was decided.
    """

    utterance: int
    end: int
    decided_at: int
    reason: Literal["silence", "length", "gap", "end"]


SpeechItem = SpeechStart | SpeechChunk | SpeechPause | SpeechEnd
GateItem = SpeechItem | Gap | DeviceChange | Notice


# -- perception -> fusion -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Word:
    """One recognised word; `start` and `end` are positions."""

    text: str
    start: int
    end: int
    probability: float


@dataclass(frozen=True, slots=True)
class Transcript:
    """The trusted text of an utterance so far."""

    text: str
    words: tuple[Word, ...]
    avg_logprob: float
    """Mean natural-log probability per token."""
    language: str = "en"
    """Configured or detected, ISO 639-1."""


@dataclass(frozen=True, slots=True, eq=False)
class AudioTokens:
    """The audio modality: one token per 200 ms of speech.

    `features`: float32 [n, audio_features]; `positions`: int64 [n], each token's centre.
    """

    features: NDArray[np.float32]
    positions: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class TextTokens:
    """The text modality: one token per word piece.

    `features`: float32 [m, text_features]; `positions`: int64 [m], the centre of the word it belongs to.
    """

    features: NDArray[np.float32]
    positions: NDArray[np.int64]


# -- fusion -> publication ----------------------------------------------------------------------------

Modalities = Literal["audio", "text", "both"]
"""What an estimate rests on."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """The calibrated output of the fusion network for one window."""

    probabilities: Mapping[str, float]
    """Over `EMOTIONS`, sums to 1."""
    valence: float
    """-1 (unpleasant) to 1 (pleasant)."""
    arousal: float
    """-1 (calm) to 1 (excited)."""
    audio_weight: float
    text_weight: float
    """Share of each modality in the decision; they sum to 1, a missing modality has 0."""
    seconds: float
    """From the first token in the window to its end, s: how much speech the estimate rests on."""
    in_distribution: bool = True
    """False: too little audio, or audio that is out of distribution; then there is no label."""

    @property
    def modalities(self) -> Modalities:
        """The modalities that were there."""
        if self.text_weight == 0:
            return "audio"
        return "text" if self.audio_weight == 0 else "both"
