"""What is known about one call: a fold over its events, and the answers of the REST interface from it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from stream_emo.calls.continuation import Earlier
from stream_emo.events import (
    Alert,
    Dynamics,
    Event,
    Gap,
    Rolling,
    Score,
    Silence,
    Speech,
    Start,
    Stats,
    Stop,
)
from stream_emo.serve.api_types import (
    AlertSpan,
    CallItem,
    ChannelItem,
    ChannelSummary,
    Note,
    Summary,
    Timeline,
)

_UNPLEASANT = {"angry": 1.0, "fearful": 1.0, "disgusted": 1.0, "sad": 0.5}
"""How much each emotion asks for attention."""
_FIRST_S = 60.0
"""Scored speech at the beginning and the end of a call that the summary compares, s."""


@dataclass
class _Channel:
    """The newest of everything on one channel."""

    start: Start | None = None
    rolling: Rolling | None = None
    score: Score | None = None
    speaking: bool = False
    stats: Stats | None = None
    dynamics: Dynamics | None = None
    lost_ms: float = 0.0
    stop: Stop | None = None
    finals: dict[int, Score] = field(default_factory=dict)
    """The final score of each utterance."""


class CallView:
    """One call as its events tell it. Thread-safe."""

    def __init__(self, call_id: str, channels: int | None) -> None:
        """Begin with nothing; the call is over once `channels` of them have stopped, None: once told so."""
        self.id = call_id
        self._count = channels
        self._lock = threading.Lock()
        self._channels: dict[int, _Channel] = {}
        self._events: dict[tuple[object, ...], Event] = {}
        """By a key that what replaces an event shares with it; in order of publication."""
        self._alerts: dict[tuple[str, int], Alert] = {}
        """Those that are raised now."""
        self._spans: list[AlertSpan] = []
        self._time = 0.0
        self._cursor = 0
        self.ended_at: float | None = None
        """When the last channel stopped, s since 1970."""
        self.ended_reason: str | None = None
        """Why the call ended, where something other than its events knows."""
        self.cut_off: float | None = None
        """When the call began that ended with its server, s since 1970; None for any other."""
        self.notes: list[Note] = []

    @property
    def live(self) -> bool:
        """Whether some channel has not stopped."""
        return self.ended_at is None

    def fold(self, event: Event, number: int, at: float) -> None:
        """Take in the next event: `number` in the log, published at `at` (s since 1970)."""
        with self._lock:
            self._cursor = number
            self._time = max(self._time, event.time)
            key = _key(event)
            self._events.pop(key, None)
            self._events[key] = event
            channel = self._channels.setdefault(event.channel, _Channel())
            self._take(channel, event)
            if isinstance(event, Alert):
                self._take_alert(event)
            stopped = sum(known.stop is not None for known in self._channels.values())
            if isinstance(event, Stop) and self._count is not None and stopped >= self._count:
                self.end(at, {"end": "ended", "closed": "closed"}.get(event.reason, "failed"))

    def end(self, at: float, reason: str) -> None:
        """Note that no event will follow."""
        self.ended_at = self.ended_at or at
        self.ended_reason = self.ended_reason or reason

    @property
    def stopped(self) -> bool:
        """Whether all channels that are known have stopped."""
        return all(channel.stop is not None for channel in self._channels.values())

    def earlier(self, roles: Sequence[str], oldest: float) -> list[Earlier] | None:
        """Return how far each channel had come, if the call was cut off and has these roles.

        None: it cannot go on, also if nothing of it was published since `oldest`, s since 1970.
        """
        began = self.cut_off
        if began is None or began + self._time < oldest:
            return None
        with self._lock:
            starts = {number: channel.start for number, channel in self._channels.items()}
            if max(starts) >= len(roles) or any(
                start is not None and start.role != roles[number] for number, start in starts.items()
            ):
                return None
            return [self._earlier(number, began) for number in range(len(roles))]

    def go_on(self, channels: int) -> list[Alert]:
        """Let events follow again, after `earlier`; return the alerts that nobody will clear."""
        self._count = channels
        self.cut_off = self.ended_at = self.ended_reason = None
        with self._lock:
            return list(self._alerts.values())

    def _earlier(self, number: int, began: float) -> Earlier:
        events = [event for event in self._events.values() if event.channel == number]
        utterances = [event.utterance for event in events if isinstance(event, Speech | Silence | Score)]
        return Earlier(
            began,
            seq=max((event.seq for event in events), default=-1) + 1,
            utterance=max(utterances, default=-1) + 1,
            end=self._time,
        )

    def item(self) -> CallItem:
        """Return how the call is now."""
        with self._lock:
            return self._item()

    def timeline(self) -> Timeline:
        """Return what happened so far."""
        with self._lock:
            return Timeline(call=self._item(), after=self._cursor, events=list(self._events.values()))

    def summary(self) -> Summary:
        """Return what the call came to."""
        with self._lock:
            return Summary(
                id=self.id,
                started_at=self._started_at(),
                duration_s=round(self._time, 3),
                live=self.live,
                ended_reason=self.ended_reason,
                purpose=self._purpose(),
                channels=[_summary(number, channel) for number, channel in sorted(self._channels.items())],
                alerts=list(self._spans),
                notes=list(self.notes),
            )

    def _take(self, channel: _Channel, event: Event) -> None:
        match event:
            case Start():
                channel.start = event
            case Speech() | Silence():
                channel.speaking = isinstance(event, Speech)
            case Score():
                channel.score, channel.rolling = event, event.rolling
                channel.lost_ms = max(channel.lost_ms, event.dropped_ms)
                if event.final:
                    channel.finals[event.utterance] = event
            case Gap(reason="overflow" | "device" | "invalid" | "missing"):
                channel.lost_ms += 0.0 if channel.score else 1000 * (event.end - event.start)
            case Stats():
                channel.stats, channel.speaking = event, event.speaking
                channel.rolling = event.rolling or channel.rolling
            case Dynamics():
                channel.dynamics = event
            case Stop():
                channel.stop, channel.speaking = event, False

    def _take_alert(self, alert: Alert) -> None:
        key = (alert.rule, alert.channel)
        if alert.state == "raised":
            if key not in self._alerts:
                span = AlertSpan(rule=alert.rule, channel=alert.channel, start=alert.since, end=None)
                self._spans.append(span)
            self._alerts[key] = alert
        elif self._alerts.pop(key, None) is not None:
            # `since` of this event is when the rule ceased to be met: the span is the one that is open.
            span = next(span for span in reversed(self._spans) if (span.rule, span.channel) == key)
            span.end = alert.time

    def _item(self) -> CallItem:
        alerts = list(self._alerts.values()) if self.live else []
        return CallItem(
            id=self.id,
            started_at=self._started_at(),
            live=self.live,
            ended_reason=self.ended_reason,
            attention=self._attention(),
            purpose=self._purpose(),
            channels=[_item(number, channel) for number, channel in sorted(self._channels.items())],
            alerts=alerts,
            notes=list(self.notes),
        )

    def _attention(self) -> float:
        """Return how much the call needs attention: half for the state of its scored sides, halves of the
        rest for every alert that is raised."""
        if not self.live:
            return 0.0
        strain = max((_strain(channel.rolling) for channel in self._channels.values()), default=0.0)
        return round(1 - (1 - strain / 2) * 0.5 ** len(self._alerts), 4)

    def _started_at(self) -> str:
        return next((start.started_at for start in self._starts()), "")

    def _purpose(self) -> str | None:
        return next((start.purpose for start in self._starts() if start.purpose), None)

    def _starts(self) -> Iterator[Start]:
        return (channel.start for channel in self._channels.values() if channel.start is not None)


def _key(event: Event) -> tuple[object, ...]:
    """Return what an event shares with those that replace it."""
    if isinstance(event, Score):
        return ("score", event.channel, event.utterance)
    if isinstance(event, Stats | Dynamics):
        return (type(event), event.channel)
    return (event.channel, event.seq)


def _strain(rolling: Rolling | None) -> float:
    """Return how much a rolling state asks for attention, 0 to 1."""
    if rolling is None:
        return 0.0
    emotion = sum(weight * rolling.probabilities.get(name, 0.0) for name, weight in _UNPLEASANT.items())
    return min(1.0, max(0.0, (emotion + max(0.0, -rolling.valence)) / 2))


def _item(number: int, channel: _Channel) -> ChannelItem:
    start, rolling = channel.start, channel.rolling
    return ChannelItem(
        channel=number,
        role=start.role if start else None,
        scored=start.scored if start else True,
        label=rolling.label if rolling else None,
        valence=rolling.valence if rolling else None,
        arousal=rolling.arousal if rolling else None,
        speaking=channel.speaking,
        talk_share=channel.dynamics.talk_share if channel.dynamics else None,
        dropped_ms=round(channel.lost_ms, 1),
        latency_ms=channel.score.latency_ms if channel.score else None,
    )


def _summary(number: int, channel: _Channel) -> ChannelSummary:
    finals = sorted(channel.finals.values(), key=lambda score: score.start)
    weights = [max(score.end - score.start, 0.01) for score in finals]
    whole = sum(weights)
    emotions: dict[str, float] = {}
    for score, weight in zip(finals, weights, strict=True):
        name = score.label or "unclear"
        emotions[name] = emotions.get(name, 0.0) + weight / whole
    dynamics = channel.dynamics
    return ChannelSummary(
        channel=number,
        role=channel.start.role if channel.start else None,
        scored=channel.start.scored if channel.start else True,
        utterances=max(len(finals), channel.stats.utterances if channel.stats else 0),
        emotions={name: round(share, 4) for name, share in emotions.items()},
        valence=_mean([score.valence for score in finals], weights),
        arousal=_mean([score.arousal for score in finals], weights),
        valence_first=_first(finals, weights),
        valence_last=_first(finals[::-1], weights[::-1]),
        talk_s=dynamics.talk_s if dynamics else None,
        talk_share=dynamics.talk_share if dynamics else None,
        words_per_minute=dynamics.words_per_minute if dynamics else None,
        interruptions=dynamics.interruptions if dynamics else None,
        longest_s=dynamics.longest_s if dynamics else None,
        response_s=dynamics.response_s if dynamics else None,
        dropped_ms=round(channel.lost_ms, 1),
    )


def _first(scores: list[Score], weights: list[float]) -> float | None:
    """Return the mean valence over the first minute of these scores."""
    values: list[float] = []
    so_far = 0.0
    for score, weight in zip(scores, weights, strict=True):
        values.append(score.valence)
        so_far += weight
        if so_far >= _FIRST_S:
            break
    return _mean(values, weights[: len(values)])


def _mean(values: list[float], weights: list[float]) -> float | None:
    if not values:
        return None
    return round(sum(v * w for v, w in zip(values, weights, strict=True)) / sum(weights), 4)
