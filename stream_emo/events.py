"""The published events: one class per event type, to and from JSON, the same over every transport.

Every event carries an envelope: `type`, `session`, `channel`, `seq` and `time`. Times are seconds on the
session's clock, which begins at 0 with its first sample; the only wall-clock time is `Start.started_at`.

    line = event.to_json()          # one JSON object, without the line feed
    event = decode(line)            # the same event again
    schema = json_schema()          # JSON Schema of all of them
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from stream_emo.errors import EventError

SCHEMA_VERSION = 4
"""Version of the published schema; raised when a field changes its meaning or goes away."""

EMOTIONS = ("neutral", "happy", "sad", "angry", "fearful", "disgusted", "surprised")
"""The label set, in the order of every probability vector."""

GapReason = Literal["overflow", "device", "paused", "invalid", "stalled", "missing"]
"""Why audio is missing: a full queue or driver buffer, a lost device, a pause that was asked for, audio that
cannot be decoded or samples that are not numbers, a live producer that delivered nothing, a hole in the time
of a file."""

DeviceState = Literal["opened", "lost", "paused"]
AlertState = Literal["raised", "cleared"]
StopReason = Literal["end", "closed", "failed"]

DECIMALS = 4
"""Decimals that published numbers keep."""


class Envelope(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """The fields that every event has besides its tag, `type`."""

    session: str
    """Which conversation."""
    channel: int
    """Which side of it, from 0."""
    seq: int = -1
    """Number of the event within its session and channel, from 0, without holes; -1: not published yet."""
    time: float
    """Session clock, s: end of the audio that the event concerns."""

    def to_json(self) -> str:
        """Return the event as one line of JSON, without the line feed."""
        return msgspec.json.encode(self).decode()


class Start(Envelope, frozen=True, kw_only=True, tag="start"):
    """The first event of a session."""

    started_at: str
    """Wall-clock time of second 0, ISO 8601, UTC; the only one."""
    source: str
    """Name of the device, file or stream."""
    language: str | None
    """Spoken language as configured, ISO 639-1 or "auto"; null: nothing is transcribed."""
    role: str | None = None
    """Who speaks on this channel, for example "customer"; null: not stated."""
    scored: bool = True
    """False: the channel is timed only, its emotion is not estimated."""
    purpose: str | None = None
    """Stated purpose for which an agent is scored, see `calls.purpose`; null: only customers are."""
    live: bool = False
    """True: the audio arrives in real time, and what cannot be taken in time is lost; false: it waits."""
    licence: str = "not stated"
    """Licence of the weights that score: an SPDX identifier, or its terms in a few words."""
    labels: tuple[str, ...] = EMOTIONS
    schema: int = SCHEMA_VERSION


class Speech(Envelope, frozen=True, kw_only=True, tag="speech"):
    """Speech began at `time`."""

    utterance: int


class Silence(Envelope, frozen=True, kw_only=True, tag="silence"):
    """Speech ended (the endpoint); `time` is where the utterance's audio ended."""

    utterance: int


class Word(msgspec.Struct, frozen=True):
    """One recognised word."""

    text: str
    start: float
    """s"""
    end: float
    """s"""
    probability: float
    """0 to 1"""


class Rolling(msgspec.Struct, frozen=True):
    """The time-decayed mean of the estimates so far: the state of the conversation, not of one window."""

    probabilities: dict[str, float]
    """Over the label set; sum 1."""
    valence: float
    """-1 (unpleasant) to 1 (pleasant)."""
    arousal: float
    """-1 (calm) to 1 (excited)."""
    valence_std: float
    """Standard deviation of the valence."""
    arousal_std: float
    """Standard deviation of the arousal."""
    label: str | None
    """The emotion of the conversation, with hysteresis; null: too little speech, or none for long."""
    weight_s: float
    """Seconds of speech that the mean rests on, each decayed by its age: falls towards 0 in silence."""
    evidence: dict[str, float] = {}
    """Mean evidence of each emotion but neutral, as in a score, each limited to -1 to 2."""


class Score(Envelope, frozen=True, kw_only=True, tag="score"):
    """A score of an utterance so far; a higher `revision` of the same utterance replaces a lower."""

    utterance: int
    revision: int
    """Number of the revision within the utterance, from 0."""
    final: bool
    """True in exactly one revision of an utterance, the last."""
    start: float
    """s"""
    end: float
    """s"""
    label: str | None
    """The emotion with evidence beyond its operating point for `fusion.false_alarms_per_hour`; neutral where
    there is no evidence of any; null: some but not enough, too little audio, or out of distribution."""
    confidence: float
    """Calibrated probability of the label, 0 to 1; where it is null, of the likeliest emotion."""
    probabilities: dict[str, float]
    """Over the label set; sum 1."""
    evidence: dict[str, float] = {}
    """Of each emotion but neutral: 0 is typical of neutral speech, 1 the operating point of the label for
    `fusion.false_alarms_per_hour`, whatever the modalities and the length of the speech."""
    valence: float
    """-1 (unpleasant) to 1 (pleasant)."""
    arousal: float
    """-1 (calm) to 1 (excited)."""
    valence_std: float
    """Standard deviation of the valence: 68 % of the truths are within one."""
    arousal_std: float
    """Standard deviation of the arousal."""
    rolling: Rolling
    text: str | None
    """Transcript of the utterance so far; null when no words are known or trusted."""
    words: tuple[Word, ...]
    language: str | None
    """Language of the text, ISO 639-1, as configured or detected; null without text."""
    audio_weight: float
    """Share of the audio modality in the decision, 0 to 1; 0 when it is missing."""
    text_weight: float
    """Share of the text modality; the two sum to 1."""
    dropped_ms: float
    """Audio lost since the start of the session, ms."""
    voice: float | None = None
    """How much the voice resembles the enrolled one, -1 to 1, where a session has one to compare with; null
    where the speech was too short. Below the enrolled voice's threshold nothing was estimated: there is no
    label and no text, and the numbers are those of no evidence."""
    latency_ms: float | None
    """Time from the arrival of the sample that made this score due to publication, ms; null if not live."""


class Gap(Envelope, frozen=True, kw_only=True, tag="gap"):
    """Audio between `start` and `end` was lost."""

    start: float
    """s"""
    end: float
    """s"""
    reason: GapReason


class Device(Envelope, frozen=True, kw_only=True, tag="device"):
    """A live device was opened, lost, or released for a pause."""

    state: DeviceState
    name: str


class Alert(Envelope, frozen=True, kw_only=True, tag="alert"):
    """A rule about one channel of a call began or ceased to be met."""

    rule: str
    """Name of the rule."""
    state: AlertState
    """"raised", or "cleared" once the rule is no longer met."""
    hint: str
    """What the agent may do about it."""
    value: float
    """What the rule measures, as it was at `time`."""
    threshold: float
    """What the value passed."""
    since: float
    """Since when the rule was met, or is no longer met, s."""
    course: tuple[tuple[float, float], ...]
    """Evidence: time (s) and value, oldest first."""
    text: str | None
    """Words that were said last on the channel; null when none are known, or the rule is not about scores."""
    audio_weight: float
    """Share of the audio modality in the score that raised it; 0 where the rule is not about scores."""
    text_weight: float
    """Share of the text modality."""


class Dynamics(Envelope, frozen=True, kw_only=True, tag="dynamics"):
    """The course of a conversation on one channel so far, without regard to emotion."""

    talk_s: float
    """Speech of this channel."""
    talk_share: float
    """Its share of the speech of all channels, 0 to 1."""
    words_per_minute: float | None
    """Of its speech; null when nothing is transcribed."""
    overlap_s: float
    """Time in which another channel spoke, too."""
    interruptions: int
    """How often this channel began while another spoke, and went on for more than 0.5 s."""
    longest_s: float
    """Its longest monologue."""
    dead_air_s: float
    """For how long nobody has spoken as of now, if that is more than 3 s; else 0."""
    dead_air_total_s: float
    """Sum of all times of more than 3 s in which nobody spoke."""
    response_s: float | None
    """Median time from the end of another channel's speech to its own; null before the first."""


class Stats(Envelope, frozen=True, kw_only=True, tag="stats"):
    """Counters since the start of the session. Samples of audio: offered = taken + dropped + queued."""

    level_db: float
    """RMS of the newest chunk relative to full scale, dB; -120 when silent."""
    speaking: bool
    offered: int
    taken: int
    dropped: int
    queued: int
    driver_overflows: int
    """Overflows that the audio driver reported."""
    clipped: int
    """Samples at or beyond full scale."""
    utterances: int
    scores: int
    skipped_transcripts: int
    """Partial transcripts left out because the machine was behind (load shedding)."""
    skipped_scores: int
    """Live scores left out for the same reason."""
    dropped_events: int
    """Events that slow subscribers of a live session lost."""
    rolling: Rolling | None
    """The rolling state as of now; null before the first score."""


class Error(Envelope, frozen=True, kw_only=True, tag="error"):
    """Something failed."""

    message: str
    fatal: bool
    """True: the session ends with this."""


class Stop(Envelope, frozen=True, kw_only=True, tag="stop"):
    """The last event of a session."""

    reason: StopReason
    """"end" of input, "closed" by its owner, or "failed"."""
    stats: Stats


Event = Start | Speech | Silence | Score | Gap | Device | Alert | Dynamics | Stats | Error | Stop

_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


def decode(line: str | bytes) -> Event:
    """Return the event in one line of JSON; fields that this version does not know are ignored.

    Raises:
        EventError: the line is not JSON, or not an event of this schema.
    """
    try:
        return _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise EventError(f"not an event of schema {SCHEMA_VERSION}: {error}") from error


def numbered(event: Event, seq: int) -> Event:
    """Return the event with its number, which the counters inside a `Stop` share."""
    if isinstance(event, Stop):
        return msgspec.structs.replace(event, seq=seq, stats=msgspec.structs.replace(event.stats, seq=seq))
    return msgspec.structs.replace(event, seq=seq)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of every event, told apart by `type`."""
    return msgspec.json.schema(Event)
