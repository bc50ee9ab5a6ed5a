"""The types that flow between stages, in the order of the data's way, then the events that are published.

Inside the pipeline a position is an integer: a sample index at 16 kHz since the start of the session.
Seconds appear only in what is published.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
"""Samples per second of the one clock that everything after a source runs on."""

SCHEMA = 1
"""Version of the published events; raised when a field changes its meaning or goes away."""

EMOTIONS = ("neutral", "happy", "sad", "angry", "fearful", "disgusted", "surprised")

Samples = NDArray[np.float32]
"""Mono audio, shape [n], 16 kHz, nominal range [-1, 1]."""


def seconds(position: int) -> float:
    """A position or length in samples, as seconds."""
    return position / SAMPLE_RATE


# -- source -> gate -----------------------------------------------------------------------------------


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


GapReason = Literal["overflow", "device", "paused", "invalid"]
"""Why audio is missing: a full queue or driver buffer, a lost device, a pause that was asked for, samples
that are not numbers."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Samples [start, end) existed on the clock but were lost. Travels in order with the audio."""

    start: int
    end: int
    reason: GapReason

    @property
    def length(self) -> int:
        return self.end - self.start


DeviceState = Literal["opened", "lost", "paused"]


@dataclass(frozen=True, slots=True)
class DeviceChange:
    """A live device went away, was released for a pause, or came (back). `position`: where on the clock."""

    position: int
    state: DeviceState
    name: str


SourceItem = Chunk | Gap | DeviceChange


# -- gate -> perceive ---------------------------------------------------------------------------------


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
    """Speech seems to have ended at `end` (a little trailing silence included): a good moment to transcribe.

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
GateItem = SpeechItem | Gap | DeviceChange


# -- perceive -> fuse ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Word:
    """One recognised word; `start` and `end` are positions."""

    text: str
    start: int
    end: int
    probability: float


@dataclass(frozen=True, slots=True)
class Transcript:
    """What the decoder heard in samples [start, end) of an utterance."""

    text: str
    words: tuple[Word, ...]
    avg_logprob: float
    """Mean natural-log probability per token."""


@dataclass(frozen=True, slots=True, eq=False)
class AudioTokens:
    """How it was said: one token per 200 ms of speech.

    `features`: float32 [n, audio_features]; `positions`: int64 [n], each token's centre.
    """

    features: NDArray[np.float32]
    positions: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class TextTokens:
    """What was said: one token per word piece.

    `features`: float32 [m, text_features]; `positions`: int64 [m], the centre of the word it belongs to.
    """

    features: NDArray[np.float32]
    positions: NDArray[np.int64]


# -- fuse -> publish ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the fusion network says about one window, calibrated."""

    probabilities: Mapping[str, float]
    """Over `EMOTIONS`, sums to 1."""
    valence: float
    """-1 (unpleasant) to 1 (pleasant)."""
    arousal: float
    """-1 (calm) to 1 (excited)."""
    audio_weight: float
    text_weight: float
    """Share of each modality in the decision; they sum to 1, a missing modality has 0."""
    in_distribution: bool = True
    """False: too little was heard, or a voice unlike all that was learnt from; then there is no label."""


@dataclass(frozen=True, slots=True)
class Rolling:
    """The time-decayed mean of the estimates so far: the state of the conversation, not of one window."""

    probabilities: Mapping[str, float]
    valence: float
    arousal: float
    label: str | None


# -- published events: times are seconds since the start of the session --------------------------------


@dataclass(frozen=True, slots=True)
class Start:
    """First event of a session. `time` is the only wall-clock time: when second 0 was, ISO 8601, UTC."""

    session: str = field(compare=False)
    time: str = field(compare=False)
    source: str
    labels: tuple[str, ...] = EMOTIONS
    schema: int = SCHEMA


@dataclass(frozen=True, slots=True)
class PublishedWord:
    text: str
    start: float
    end: float
    probability: float


@dataclass(frozen=True, slots=True)
class Score:
    """What is known about an utterance so far. A higher `revision` of the same utterance replaces a lower.

    Equality leaves out what depends on the run and not on the samples: session and latency.
    """

    session: str = field(compare=False)
    channel: int
    utterance: int
    revision: int
    final: bool
    start: float
    end: float
    label: str | None
    """The likeliest emotion; None when the model abstains."""
    confidence: float
    """Calibrated probability of the likeliest emotion, 0 to 1."""
    probabilities: Mapping[str, float]
    valence: float
    arousal: float
    rolling: Rolling
    text: str | None
    """The whole utterance so far; None when no words are known (yet)."""
    words: tuple[PublishedWord, ...]
    audio_weight: float
    text_weight: float
    dropped_ms: float
    """Audio lost since the start of the session."""
    latency_ms: float | None = field(compare=False)
    """From the arrival of the sample that made this score due to its publication; None when not live."""


@dataclass(frozen=True, slots=True)
class Speech:
    """Speech began."""

    utterance: int
    time: float


@dataclass(frozen=True, slots=True)
class Silence:
    """Speech ended (the endpoint)."""

    utterance: int
    time: float


@dataclass(frozen=True, slots=True)
class Lost:
    """Audio was lost between `start` and `end`."""

    start: float
    end: float
    reason: GapReason


@dataclass(frozen=True, slots=True)
class Device:
    """A live device went away, was released for a pause, or came (back)."""

    time: float
    state: DeviceState
    name: str


@dataclass(frozen=True, slots=True)
class Stats:
    """Counters since the start of the session. Audio: offered = taken + dropped + queued."""

    time: float
    """How far the session's clock has come, s."""
    level_db: float
    """RMS of the last chunk relative to full scale, dB; -120 when silent."""
    speaking: bool
    offered: int
    taken: int
    dropped: int
    queued: int
    """Samples at the queue behind the source."""
    status_flags: int
    """Overflows that the audio driver reported."""
    clipped: int
    """Samples at or beyond full scale."""
    utterances: int
    scores: int
    shed_texts: int
    shed_scores: int
    """Refreshes left out because the machine was behind: transcripts, whole scores."""
    missed: int
    """Events that slow subscribers of a live session lost."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Something failed. `fatal`: the session ends with this."""

    message: str
    fatal: bool


@dataclass(frozen=True, slots=True)
class Stop:
    """Last event of a session."""

    reason: Literal["end", "closed", "failed"]
    stats: Stats = field(compare=False)


Event = Start | Score | Speech | Silence | Lost | Device | Stats | Failure | Stop
