"""What a report tells: courses, patterns, agreement and changes, each with the data that stands behind it.

Nothing is told that its data cannot carry: what has too little of it is None, and reports say so.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal, Protocol

from stream_emo.mood.changes import MEMORY_DAYS, Direction, changes
from stream_emo.mood.course import (
    AFFECTS,
    Affect,
    DayValue,
    Interval,
    course,
    interval,
)
from stream_emo.mood.records import Day, Hour, Note, Presence, local, local_date

FEWEST_WEEK_DAYS = 3
"""Days with enough speech that the mean of a week takes at least."""
FEWEST_PATTERN_DAYS = 10
"""Days with enough speech in an hour that the pattern shows it from."""
HOUR_UTTERANCES = 20
FEWEST_PAIRS = 20
"""Days with speech and a self-report from which their agreement is told."""
LOW_DAYS, LOW_KNOWN, LOW_RELATIVE = 21, 10, -0.75
"""A long low stretch: the mean relative valence of the latest 21 days, 10 of them known at least..."""
LOW_NOTES, LOW_MOOD = 5, 2.0
"""...or this many self-reports at least in those days with at most this mean."""
_ONE = timedelta(1)


class Reader(Protocol):
    """What a report reads from: the store."""

    def hours(self, start: datetime, end: datetime) -> list[Hour]:
        """Return the hours that begin in [start, end)."""

    def days(self, first: date, last: date) -> list[Day]:
        """Return the days from `first` to `last`."""

    def presence(self, start: datetime, end: datetime) -> list[Presence]:
        """Return what the service did between `start` and `end`."""

    def notes(self, start: datetime, end: datetime) -> list[Note]:
        """Return the notes of [start, end)."""


@dataclass(frozen=True, slots=True)
class WeekValue:
    """One week from Monday on, or what of it lies in the range."""

    first: date
    last: date
    days: int
    """Days with enough speech."""
    speech_s: float
    affect: dict[Affect, Interval]
    """Means over those days; empty where there are fewer than `FEWEST_WEEK_DAYS`."""


@dataclass(frozen=True, slots=True)
class HourValue:
    """What an hour of the day usually differs from its day."""

    hour: int
    """Local time, 0 to 23."""
    days: int
    """Days with enough speech in it."""
    speech_s: float
    """Mean speech of all days that were heard in this hour."""
    affect: dict[Affect, Interval]
    """Mean differences; empty for fewer than `FEWEST_PATTERN_DAYS`."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far the valence of days follows the self-reports of the same days."""

    pairs: int
    """Days with both."""
    spearman: Interval | None
    """Rank correlation; None for fewer than `FEWEST_PAIRS`."""


@dataclass(frozen=True, slots=True)
class DatedChange:
    """A notable change of a daily course."""

    affect: Affect
    first: date
    """First day of the new level, as estimated."""
    noticed: date
    direction: Direction
    size: float
    """In standard deviations of the days before."""
    days: int
    """Days of the new level until it was noticed."""


@dataclass(frozen=True, slots=True)
class Low:
    """A long low stretch, of the voice or of the self-reports."""

    days: int
    """Days that are known of the latest `LOW_DAYS`."""
    relative: float | None
    """Mean relative valence; None: not known, or not low."""
    mood: float | None
    """Mean self-report; None: not known, or not low."""


@dataclass(frozen=True, slots=True)
class Summary:
    """All that a report tells about the days from `first` to `last`."""

    first: date
    last: date
    made: datetime
    days: list[DayValue]
    weeks: list[WeekValue]
    hours: list[HourValue]
    """The hours of the day in which there was speech."""
    shares: dict[str, int]
    """Utterances by label; those without one are `utterances - confident`."""
    utterances: int
    confident: int
    listened_s: float
    speech_s: float
    others_s: float
    agreement: Agreement
    changes: list[DatedChange]
    """Noticed within the range."""
    charted: int
    """Days with enough speech that the chart of changes has seen."""
    low: Low | None
    notes: list[Note]
    presence: list[Presence]

    def count(self, kind: Literal["gap", "silent", "thin", "enough"]) -> int:
        """Return how many days are of this kind."""
        return sum(day.kind == kind for day in self.days)


def summarise(reader: Reader, first: date, last: date, made: datetime | None = None) -> Summary:
    """Return what a report tells about the days from `first` to `last`, both included."""
    start = first - timedelta(MEMORY_DAYS)
    days, hours = reader.days(start, last), reader.hours(_before(start), _after(last))
    everything = course(days, hours, start, last)
    shown = everything[MEMORY_DAYS:]
    # Whole days of any time zone, of which those count whose local date lies in the range.
    begin, end = _before(first), _after(last)
    notes = [
        note for note in reader.notes(begin, end) if first <= local_date(note.at, note.offset_min) <= last
    ]
    latest = everything[-LOW_DAYS:]
    sums = [value.day for value in shown if value.day is not None]
    return Summary(
        first,
        last,
        made or datetime.now(UTC),
        shown,
        _weeks(shown),
        _pattern(hours, sums),
        _shares(sums),
        sum(day.utterances for day in sums),
        sum(day.confident for day in sums),
        sum(day.listened_s for day in sums),
        sum(day.speech_s for day in sums),
        sum(day.others_s for day in sums),
        _agreement(shown, notes),
        [change for change in dated_changes(everything) if change.noticed >= first],
        sum(bool(value.adjusted) for value in everything),
        _low(latest, reader.notes(_before(latest[0].date), end)),
        notes,
        reader.presence(begin, end),
    )


def dated_changes(days: Sequence[DayValue]) -> list[DatedChange]:
    """Return the notable changes of both courses, by the day on which they were noticed."""
    known = [value for value in days if value.adjusted]
    found = [
        DatedChange(
            affect,
            known[change.first].date,
            known[change.noticed].date,
            change.direction,
            change.size,
            change.noticed - change.first + 1,
        )
        for affect in AFFECTS
        for change in changes([value.adjusted[affect] for value in known])
    ]
    return sorted(found, key=lambda change: change.noticed)


def spearman(one: Sequence[float], other: Sequence[float]) -> Interval | None:
    """Return the rank correlation with its 95 % interval; None where one does not vary.

    The interval is that of Bonett and Wright (2000), "Sample Size Requirements for Estimating Pearson,
    Kendall and Spearman Correlations".
    """
    x, y = _ranks(one), _ranks(other)
    middle = (len(x) + 1) / 2
    squares = sum((a - middle) ** 2 for a in x) * sum((b - middle) ** 2 for b in y)
    if squares == 0:
        return None
    found = sum((a - middle) * (b - middle) for a, b in zip(x, y, strict=True)) / math.sqrt(squares)
    place = math.atanh(max(-0.9999, min(0.9999, found)))
    width = 1.959964 * math.sqrt((1 + found**2 / 2) / (len(x) - 3))
    return Interval(found, math.tanh(place - width), math.tanh(place + width))


def _ranks(values: Sequence[float]) -> list[float]:
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    begin = 0
    while begin < len(order):
        end = begin
        while end < len(order) and values[order[end]] == values[order[begin]]:
            end += 1
        for place in range(begin, end):
            ranks[order[place]] = (begin + end + 1) / 2
        begin = end
    return ranks


def _weeks(days: Sequence[DayValue]) -> list[WeekValue]:
    by_monday: dict[date, list[DayValue]] = defaultdict(list)
    for value in days:
        by_monday[value.date - timedelta(value.date.weekday())].append(value)
    found = []
    for week in by_monday.values():
        known = [value for value in week if value.kind == "enough"]
        affect: dict[Affect, Interval] = {}
        if len(known) >= FEWEST_WEEK_DAYS:
            affect = {name: interval([value.affect[name].mean for value in known]) for name in AFFECTS}
        speech_s = sum(value.speech_s for value in week)
        found.append(WeekValue(week[0].date, week[-1].date, len(known), speech_s, affect))
    return found


def _pattern(hours: Sequence[Hour], days: Sequence[Day]) -> list[HourValue]:
    by_date = {day.date: day for day in days}
    by_hour: dict[int, list[tuple[Hour, Day]]] = defaultdict(list)
    for hour in hours:
        at = local(hour.at, hour.offset_min)
        day = by_date.get(at.date())
        if day is not None and hour.listened_s + hour.speech_s > 0:
            by_hour[at.hour].append((hour, day))
    found = []
    for number, heard in sorted(by_hour.items()):
        spoken = [(hour, day) for hour, day in heard if hour.utterances >= HOUR_UTTERANCES]
        affect: dict[Affect, Interval] = {}
        if len(spoken) >= FEWEST_PATTERN_DAYS:
            for name in AFFECTS:
                affect[name] = interval([getattr(hour, name) - getattr(day, name) for hour, day in spoken])
        speech_s = sum(hour.speech_s for hour, _ in heard) / len(heard)
        if speech_s:
            found.append(HourValue(number, len(spoken), speech_s, affect))
    return found


def _shares(days: Sequence[Day]) -> dict[str, int]:
    counts: dict[str, float] = defaultdict(float)
    for day in days:
        for label, share in day.shares.items():
            counts[label] += share * day.confident
    return {label: round(count) for label, count in counts.items()}


def _agreement(days: Sequence[DayValue], notes: Sequence[Note]) -> Agreement:
    moods: dict[date, list[int]] = defaultdict(list)
    for note in notes:
        if note.mood is not None:
            moods[local_date(note.at, note.offset_min)].append(note.mood)
    both = [
        (sum(moods[value.date]) / len(moods[value.date]), value.adjusted["valence"])
        for value in days
        if value.adjusted and value.date in moods
    ]
    if len(both) < FEWEST_PAIRS:
        return Agreement(len(both), None)
    return Agreement(len(both), spearman(*zip(*both, strict=True)))


def _low(latest: Sequence[DayValue], notes: Sequence[Note]) -> Low | None:
    values = [value.relative["valence"] for value in latest if value.relative]
    relative = sum(values) / len(values) if len(values) >= LOW_KNOWN else None
    first, last = latest[0].date, latest[-1].date
    moods = [
        note.mood
        for note in notes
        if note.mood is not None and first <= local_date(note.at, note.offset_min) <= last
    ]
    mood = sum(moods) / len(moods) if len(moods) >= LOW_NOTES else None
    if relative is not None and relative > LOW_RELATIVE:
        relative = None
    if mood is not None and mood > LOW_MOOD:
        mood = None
    return None if relative is None and mood is None else Low(len(values), relative, mood)


def _before(first: date) -> datetime:
    """Return a moment before the day in any time zone."""
    return datetime.combine(first, time(), UTC) - _ONE


def _after(last: date) -> datetime:
    """Return a moment after the day in any time zone."""
    return datetime.combine(last, time(), UTC) + 2 * _ONE
