"""The messages of the REST interface, which the server writes and `stream_emo.client` reads."""

from __future__ import annotations

import msgspec

from stream_emo.events import Alert, Event


class ChannelItem(msgspec.Struct, kw_only=True):
    """How one side of a call is now."""

    channel: int
    role: str | None
    scored: bool
    """Whether its emotion is estimated; false: timed only."""
    label: str | None = None
    """The emotion of the conversation (rolling state); null: unclear, not scored, or nothing said yet."""
    valence: float | None = None
    """-1 (unpleasant) to 1 (pleasant); null before the first score."""
    arousal: float | None = None
    """-1 (calm) to 1 (excited)."""
    speaking: bool = False
    talk_share: float | None = None
    """Share of all talk, 0 to 1."""
    dropped_ms: float = 0.0
    """Audio lost since the start of the call, ms."""
    latency_ms: float | None = None
    """Of the newest score: from the arrival of the last sample needed to publication, ms."""


class Note(msgspec.Struct):
    """What somebody wrote about a call."""

    text: str
    at: str
    """Wall-clock time, ISO 8601, UTC."""


class CallItem(msgspec.Struct, kw_only=True):
    """How a call is now."""

    id: str
    started_at: str
    """Wall-clock time of second 0, ISO 8601, UTC."""
    live: bool
    ended_reason: str | None
    """Why it ended, in a few words; null while it is live."""
    attention: float
    """How much it needs somebody's attention, 0 to 1; 0 once it has ended."""
    purpose: str | None
    """Why an agent is scored; null: no agent is."""
    channels: list[ChannelItem]
    alerts: list[Alert]
    """Those that are raised now."""
    notes: list[Note]


class Timeline(msgspec.Struct, kw_only=True):
    """What happened in a call so far, without what was replaced since."""

    call: CallItem
    after: int
    """Id of the newest event in it: a stream of events with `after` set to this goes on without a hole."""
    events: list[Event]
    """In order of publication: the newest revision of each utterance, the newest `stats` and `dynamics` of
    each channel, and all of the other types."""


class ChannelSummary(msgspec.Struct, kw_only=True):
    """What one side of a call came to."""

    channel: int
    role: str | None
    scored: bool
    utterances: int
    emotions: dict[str, float]
    """Share of the scored time by label, "unclear" where it is null; sum 1, or empty."""
    valence: float | None
    """Mean over the scored time."""
    arousal: float | None
    valence_first: float | None
    """Mean over the first minute of scored speech."""
    valence_last: float | None
    """Mean over the last minute of it."""
    talk_s: float | None
    talk_share: float | None
    words_per_minute: float | None
    interruptions: int | None
    longest_s: float | None
    response_s: float | None
    """Median time until this side answers, s."""
    dropped_ms: float


class AlertSpan(msgspec.Struct, kw_only=True):
    """One alert from raised to cleared."""

    rule: str
    channel: int
    start: float
    """s"""
    end: float | None
    """s; null: it was never cleared."""


class Summary(msgspec.Struct, kw_only=True):
    """What a call came to."""

    id: str
    started_at: str
    duration_s: float
    live: bool
    ended_reason: str | None
    purpose: str | None
    channels: list[ChannelSummary]
    alerts: list[AlertSpan]
    notes: list[Note]


class StreamMessage(msgspec.Struct):
    """One message of the event stream over a WebSocket."""

    id: int
    """Number of the event in the server's log: what `after` takes after a reconnect."""
    event: msgspec.Raw
    """The event."""


class Begin(msgspec.Struct, tag_field="type", tag="begin"):
    """The first message of the event stream over a WebSocket."""

    after: int
    """The stream begins after the event with this id."""
    missed: bool
    """Whether events after that have left the replay log."""


class Problem(msgspec.Struct):
    """Why a request failed: the body of every answer with a status from 400 on."""

    error: str
