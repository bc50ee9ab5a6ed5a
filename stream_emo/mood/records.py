"""What the mood tracker keeps: one class per kind of record, every field with its unit.

Moments are aware datetimes in UTC. Beside each stands `offset_min`, the offset of local time in force then in
minutes east of UTC, so that a record belongs to the local day on which it was made, whatever the time zone in
which it is read.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import Literal

import msgspec

Source = Literal["monitor", "entry"]
"""Where an utterance was heard: by the monitor that runs all day, or in a spoken diary entry."""

State = Literal["listening", "paused", "quiet", "locked", "call", "lost"]
"""What the service did: it listened, was paused by its owner, kept quiet hours, waited for the screen to be
unlocked or for a call of another program to end, or had lost the microphone."""


def local(at: datetime, offset_min: int) -> datetime:
    """Return the moment as an aware datetime of the local time that was in force."""
    return at.astimezone(timezone(timedelta(minutes=offset_min)))


def local_date(at: datetime, offset_min: int) -> date:
    """Return the local day on which the moment was."""
    return local(at, offset_min).date()


class Utterance(msgspec.Struct, frozen=True, kw_only=True):
    """One utterance of the owner."""

    at: datetime
    """When it began, UTC."""
    offset_min: int
    """Local time then, minutes east of UTC."""
    duration_s: float
    valence: float
    """-1 (unpleasant) to 1 (pleasant)."""
    arousal: float
    """-1 (calm) to 1 (excited)."""
    valence_std: float
    """Standard deviation of the valence, as the model states it."""
    arousal_std: float
    """Standard deviation of the arousal."""
    label: str | None
    """The emotion with evidence beyond its operating point; None: not confident."""
    confidence: float
    """Calibrated probability of the label, 0 to 1; where that is None, of the likeliest emotion."""
    probabilities: dict[str, float]
    """Over the label set `stream_emo.events.EMOTIONS`; sum 1."""
    audio_weight: float
    """Share of the audio modality in the decision, 0 to 1."""
    text: str | None = None
    """Its words; None unless the owner asked for them to be kept."""
    source: Source = "monitor"


class Presence(msgspec.Struct, frozen=True, kw_only=True):
    """What the service did from `start` to `end`; a later record with the same start replaces it.

    The service extends the running one every few seconds. Where there is none, it did not run: a gap.
    """

    start: datetime
    """UTC"""
    end: datetime
    """UTC"""
    offset_min: int
    """Local time at the start, minutes east of UTC."""
    state: State


class Others(msgspec.Struct, frozen=True, kw_only=True):
    """Speech that was not the owner's: its time is added to the minute, and nothing else is kept."""

    at: datetime
    """When it began, UTC."""
    offset_min: int
    """Local time then, minutes east of UTC."""
    duration_s: float


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """What the owner noted about their own mood."""

    at: datetime
    """UTC"""
    offset_min: int
    """Local time then, minutes east of UTC."""
    mood: int | None = None
    """1 (very low) to 5 (very good); None: only words."""
    text: str | None = None


class _Sums(msgspec.Struct, frozen=True, kw_only=True):
    """What utterances add up to, over a minute, an hour or a day."""

    offset_min: int
    """Local time, minutes east of UTC; of a day: at its noon."""
    listened_s: float
    """Time in which the service listened."""
    speech_s: float
    """Speech of the owner."""
    others_s: float
    """Speech of others."""
    utterances: int
    """Utterances of the owner."""
    confident: int
    """Those of them that have a label."""
    valence: float | None
    """Mean of the utterances, weighted by their durations; None without speech."""
    arousal: float | None
    """Mean of the utterances, weighted by their durations; None without speech."""
    valence_var: float | None
    """Variance of the utterances about that mean, weighted by their durations; 0 for a single one."""
    arousal_var: float | None
    """Variance of the arousal in the same way."""
    shares: dict[str, float] = {}
    """Share of each label in the confident utterances; sum 1, empty where there are none."""


class Minute(_Sums, frozen=True, kw_only=True):
    """The utterances that began within one minute."""

    at: datetime
    """Its start, UTC, a whole minute."""


class Hour(_Sums, frozen=True, kw_only=True):
    """The utterances of one hour of local time: the sums of its minutes."""

    at: datetime
    """Its start, UTC."""


class Day(_Sums, frozen=True, kw_only=True):
    """The utterances of one local day."""

    date: date
    minutes_with_speech: int
    """Minutes in which the owner began an utterance."""


Record = Utterance | Presence | Others | Note
"""What can be added to the store; minutes and days follow from these."""
