"""A stated generator of what the mood tracker records, for benchmarks, evaluation and tests.

One desk, one owner. The level of each day is drawn about a constant (or with a stated correlation from day
to day), shifts move it from a stated day on, evenings sound calmer, utterances scatter about all that. How
much is spoken differs from day to day; some days are hardly spoken on, some are not recorded at all. On
most days the owner notes a mood that follows the level of the day, with much of its own. No person's data
went into it.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone

from stream_emo.events import EMOTIONS
from stream_emo.mood.records import Note, Others, Presence, Record, Utterance

_LEVEL = (0.02, 0.10)
_DAY_STD = (0.05, 0.03)
"""Standard deviation of the levels of days: valence, arousal."""
_UTTERANCE_STD = (0.20, 0.11)
_EVENING = (0.0, -0.03)
"""What the last hours of a day differ."""
_MEAN_UTTERANCE_S = 5.0
_CONFIDENT = 0.12
_SILENT_DAYS, _GAP_DAYS, _NOTE_DAYS = 0.04, 0.03, 0.6
_FIRST_HOUR, _LAST_HOUR = 8, 22


@dataclass(frozen=True, slots=True)
class Shift:
    """A lasting change of the level, from a day on."""

    day: int
    """Number of its first day, from 0."""
    valence: float = 0.0
    """In standard deviations of the levels of days."""
    arousal: float = 0.0


@dataclass(frozen=True, slots=True)
class Life:
    """What is simulated; the same values give the same records."""

    first: date
    days: int = 365
    speech_h: float = 2.0
    """Mean speech of the owner per day, h."""
    related: float = 0.0
    """Correlation of the levels of successive days."""
    shifts: tuple[Shift, ...] = ()
    offset_min: int = 60
    """Local time, minutes east of UTC."""
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Level:
    """One simulated day."""

    date: date
    valence: float
    arousal: float
    speech_s: float
    """0: nothing was recorded on this day."""


def levels(life: Life) -> Iterator[Level]:
    """Yield the level of each day."""
    random_ = random.Random(life.seed)
    deviations = [random_.gauss(0, 1), random_.gauss(0, 1)]
    for number in range(life.days):
        fresh = math.sqrt(1 - life.related**2)
        deviations = [life.related * one + fresh * random_.gauss(0, 1) for one in deviations]
        shifts = [shift for shift in life.shifts if number >= shift.day]
        moved = (sum(shift.valence for shift in shifts), sum(shift.arousal for shift in shifts))
        valence, arousal = (
            level + std * (one + shift)
            for level, std, one, shift in zip(_LEVEL, _DAY_STD, deviations, moved, strict=True)
        )
        # Log-normal, its mean 1.
        speech_s = life.speech_h * 3600 * math.exp(random_.gauss(-0.08, 0.4))
        drawn = random_.random()
        if drawn < _GAP_DAYS:
            speech_s = 0.0
        elif drawn < _GAP_DAYS + _SILENT_DAYS:
            speech_s *= 0.02
        yield Level(life.first + timedelta(number), valence, arousal, speech_s)


def records(life: Life) -> Iterator[Record]:
    """Yield the records of all days, in the order of their beginnings within each kind and day."""
    random_ = random.Random(life.seed + 1)
    for level in levels(life):
        if level.speech_s:
            yield from _presence(level, life)
            yield from _utterances(level, life, random_)
            if random_.random() < _NOTE_DAYS:
                relative = (level.valence - _LEVEL[0]) / _DAY_STD[0]
                mood = round(3.2 + 0.6 * relative + random_.gauss(0, 0.7))
                yield Note(at=_at(level, life, 20.5), offset_min=life.offset_min, mood=max(1, min(5, mood)))


def observed(life: Life) -> Iterator[tuple[date, float, float, int]]:
    """Yield date, mean valence, mean arousal and number of utterances of each day with speech.

    The means have the error of so many utterances; hours of the day play no part.
    """
    random_ = random.Random(life.seed + 2)
    for level in levels(life):
        count = round(level.speech_s / _MEAN_UTTERANCE_S)
        if count:
            valence, arousal = (
                mean + random_.gauss(0, std) / math.sqrt(count)
                for mean, std in zip((level.valence, level.arousal), _UTTERANCE_STD, strict=True)
            )
            yield level.date, valence, arousal, count


def _presence(level: Level, life: Life) -> Iterator[Presence]:
    """Yield what the service did: it listened, but for lunch, when the screen was locked."""
    spans: tuple[tuple[float, float, str], ...] = (
        (_FIRST_HOUR, 12.5, "listening"),
        (12.5, 13.25, "locked"),
        (13.25, _LAST_HOUR, "listening"),
    )
    for start, end, state in spans:
        begin, finish = _at(level, life, start), _at(level, life, end)
        if state == "locked":
            yield Presence(start=begin, end=finish, offset_min=life.offset_min, state="locked")
        else:
            yield Presence(start=begin, end=finish, offset_min=life.offset_min, state="listening")


def _utterances(level: Level, life: Life, random_: random.Random) -> Iterator[Utterance | Others]:
    """Yield utterances in conversations of some minutes, and some speech of others between them."""
    left = level.speech_s
    while left > 0:
        hour = random_.uniform(_FIRST_HOUR, _LAST_HOUR - 1)
        if 12.5 <= hour < 13.25:
            continue
        at = _at(level, life, hour)
        until = at + timedelta(minutes=random_.uniform(2, 20))
        while at < until and left > 0:
            duration_s = min(12.0, max(0.6, random_.expovariate(1 / _MEAN_UTTERANCE_S)))
            yield _utterance(level, life, random_, at, duration_s)
            left -= duration_s
            at += timedelta(seconds=duration_s + random_.uniform(0.6, 3))
            if random_.random() < 0.15:
                yield Others(at=at, offset_min=life.offset_min, duration_s=duration_s)
                at += timedelta(seconds=duration_s + 0.5)


def _utterance(
    level: Level, life: Life, random_: random.Random, at: datetime, duration_s: float
) -> Utterance:
    late = max(0.0, (at + timedelta(minutes=life.offset_min)).hour - 17) / (_LAST_HOUR - 18)
    valence, arousal = (
        max(-1.0, min(1.0, mean + late * evening + random_.gauss(0, std)))
        for mean, evening, std in zip((level.valence, level.arousal), _EVENING, _UTTERANCE_STD, strict=True)
    )
    label = None
    if random_.random() < _CONFIDENT:
        # A label that goes with the valence and the arousal, mostly neutral.
        odds = (6, 1 + 6 * max(0, valence), 1 + 4 * max(0, -valence), 1 + 4 * max(0, arousal), 0.3, 0.3, 0.4)
        label = random_.choices(EMOTIONS, odds)[0]
    likely = label or "neutral"
    rest = 0.4 / (len(EMOTIONS) - 1)
    return Utterance(
        at=at,
        offset_min=life.offset_min,
        duration_s=round(duration_s, 2),
        valence=round(valence, 4),
        arousal=round(arousal, 4),
        valence_std=0.3,
        arousal_std=0.2,
        label=label,
        confidence=0.6,
        probabilities={name: 0.6 if name == likely else rest for name in EMOTIONS},
        audio_weight=0.7,
    )


def _at(level: Level, life: Life, hour: float) -> datetime:
    zone = timezone(timedelta(minutes=life.offset_min))
    return (datetime.combine(level.date, time(), zone) + timedelta(hours=hour)).astimezone(UTC)
