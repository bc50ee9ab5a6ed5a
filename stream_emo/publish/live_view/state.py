"""The state of the live view: updated by a session's events, drawn by `parts` and `layout`."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from stream_emo.events import (
    Device,
    Error,
    Event,
    Gap,
    GapReason,
    Rolling,
    Score,
    Silence,
    Speech,
    Start,
    Stats,
    Stop,
)

UNSURE = "unsure"
"""Name of an utterance without a label in the view."""
RECENT_S = 300.0
"""Period that the course and the headline cover, s."""
FADED = 0.25
"""Presence below which the rolling state is no longer shown: two half-lives after the last speech."""

_UTTERANCES = 500  # Kept for the transcript.
_NOTES = 20
_REASONS: dict[GapReason, str] = {
    "overflow": "this machine was too slow",
    "device": "the device was away",
    "paused": "paused",
    "invalid": "samples that are not numbers, or audio that cannot be decoded",
    "stalled": "nothing came",
    "missing": "the file has a hole there",
}


@dataclass(frozen=True, slots=True)
class Note:
    """A line about the session itself: lost audio, the device, an error."""

    time: float
    """Session clock, s."""
    text: str
    warns: bool
    """Whether it is drawn as a warning."""
    about: str
    """Topic of the note: one note may replace another about the same topic."""
    lost_s: float = 0.0
    """Audio that it says was lost, s."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of speech and the rolling valence and arousal at its end."""

    utterance: int
    start: float
    """s"""
    end: float
    """s"""
    valence: float
    """-1 to 1."""
    arousal: float
    """-1 to 1."""


class ViewState:
    """The newest state of one session, as its events told it."""

    def __init__(self) -> None:
        self.source = ""
        self.role: str | None = None
        self.clock = 0.0
        """Session clock, s."""
        self.stats: Stats | None = None
        self.speaking = False
        self.quiet_since = 0.0
        """Where the newest speech ended, s; 0 before any."""
        self.utterances: dict[int, Score] = {}
        """The newest revision of each of the last utterances, oldest first."""
        self.segments: deque[Segment] = deque()
        self.notes: deque[Note] = deque(maxlen=_NOTES)
        self.device: Device | None = None
        self.stopped = False
        self._open: int | None = None

    def update(self, event: Event) -> None:
        """Take the next event of the session."""
        self.clock = max(self.clock, event.time)
        match event:
            case Start():
                self.source, self.role = event.source, event.role
            case Speech():
                self.speaking, self._open = True, event.utterance
            case Silence():
                self.speaking, self.quiet_since = False, event.time
            case Score():
                self._score(event)
            case Gap():
                self._gap(event)
            case Device():
                self._device(event)
            case Error():
                self.notes.append(Note(event.time, event.message, True, "error"))
            case Stats():
                self.take_stats(event)
            case Stop():
                self.take_stats(event.stats)
                self.stopped, self.speaking = True, False

    def take_stats(self, stats: Stats) -> None:
        """Take counters, also those that were asked for between events."""
        self.clock = max(self.clock, stats.time)
        self.stats = stats

    @property
    def newest(self) -> Score | None:
        """The newest score of the newest utterance."""
        return next(reversed(self.utterances.values()), None)

    @property
    def current(self) -> Score | None:
        """The newest score of the utterance that is being spoken."""
        newest = self.newest
        return newest if self.speaking and newest is not None and newest.utterance == self._open else None

    @property
    def rolling(self) -> Rolling | None:
        """The rolling state as of the newest score."""
        return None if self.newest is None else self.newest.rolling

    @property
    def presence(self) -> float:
        """Remaining weight of the rolling state: 1 at the newest score, halved by each half-life after it."""
        rolling = self.rolling
        if rolling is None:
            return 0.0
        if self.speaking or self.stats is None or self.stats.rolling is None or rolling.weight_s <= 0:
            return 1.0
        return min(1.0, self.stats.rolling.weight_s / rolling.weight_s)

    def shares(self, lookback_s: float | None = None) -> tuple[float, list[tuple[str, float]]]:
        """Return the seconds of speech in the last `lookback_s` (None: in all), and each label's share.

        The labels come with the largest share first; utterances without a label are `UNSURE`.
        """
        since = 0.0 if lookback_s is None else self.clock - lookback_s
        spoken: dict[str, float] = {}
        for score in self.utterances.values():
            label = score.label or UNSURE
            spoken[label] = spoken.get(label, 0.0) + max(0.0, score.end - max(score.start, since))
        total = sum(spoken.values())
        if total <= 0:
            return 0.0, []
        shares = [(label, s / total) for label, s in spoken.items() if s > 0]
        return total, sorted(shares, key=lambda pair: -pair[1])

    def _score(self, score: Score) -> None:
        before = self.utterances.get(score.utterance)
        if before is not None and before.revision > score.revision:
            return
        self.utterances[score.utterance] = score
        while len(self.utterances) > _UTTERANCES:
            del self.utterances[min(self.utterances)]
        self.quiet_since = max(self.quiet_since, score.end)
        self._segment(score, score.start if before is None else before.end)

    def _segment(self, score: Score, start: float) -> None:
        """Note the rolling state over the audio from `start` on, which no earlier revision covered."""
        if start >= score.end:
            # The same audio once more, for example with its words: the estimate is better now.
            if not self.segments or self.segments[-1].utterance != score.utterance:
                return
            start = min(self.segments.pop().start, score.end)
        rolling = score.rolling
        self.segments.append(Segment(score.utterance, start, score.end, rolling.valence, rolling.arousal))
        while self.segments[0].end < self.clock - RECENT_S:
            self.segments.popleft()

    def _gap(self, gap: Gap) -> None:
        about, lost = f"gap: {gap.reason}", gap.end - gap.start
        last = self.notes[-1] if self.notes else None
        if last is not None and last.about == about:
            self.notes.pop()
            lost += last.lost_s
        where = gap.start if last is None or last.about != about else last.time
        if gap.reason == "paused":
            text = f"paused for {lost:.1f} s"
        else:
            text = f"{lost:.2f} s of audio lost ({_REASONS[gap.reason]})"
        self.notes.append(Note(where, text, gap.reason != "paused", about, lost))

    def _device(self, device: Device) -> None:
        before, self.device = self.device, device
        if device.state == "lost":
            text = f"{device.name} is lost; waiting for it"
        elif device.state == "paused":
            text = "paused; the device is released"
        elif before is None or before.state == "opened":
            return
        elif before.state == "lost":
            text = f"{device.name} is back; it was away from {clock(before.time)} to {clock(device.time)}"
        else:
            text = "resumed"
        # What an earlier note says of the device is no longer so.
        self.notes = deque((note for note in self.notes if note.about != "device"), maxlen=_NOTES)
        self.notes.append(Note(device.time, text, device.state == "lost", "device"))


def clock(seconds: float) -> str:
    """Return a session time as people read it: 0:05, 12:30, 1:02:03."""
    whole = max(0, int(seconds))
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
