"""Sums of records in memory, for tests of reports without a database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from stream_emo.mood.records import (
    Day,
    Hour,
    Note,
    Others,
    Presence,
    Record,
    Utterance,
    local,
    local_date,
)


class InMemory:
    """Gives the hours, days, presence and notes of some records, summed up plainly."""

    def __init__(self, records: Iterable[Record]) -> None:
        self._records = list(records)
        hours: dict[tuple[datetime, int], list[Utterance]] = defaultdict(list)
        days: dict[date, list[Utterance]] = defaultdict(list)
        listened: dict[date, float] = defaultdict(float)
        others: dict[date, float] = defaultdict(float)
        for record in self._records:
            if isinstance(record, Utterance):
                at = local(record.at, record.offset_min)
                begin = at.replace(minute=0, second=0, microsecond=0).astimezone(UTC)
                hours[begin, record.offset_min].append(record)
                days[at.date()].append(record)
            elif isinstance(record, Others):
                others[local_date(record.at, record.offset_min)] += record.duration_s
            elif isinstance(record, Presence) and record.state == "listening":
                day = local_date(record.start, record.offset_min)
                listened[day] += (record.end - record.start).total_seconds()
        self._hours = [
            Hour(at=at, listened_s=3600.0, others_s=0.0, **_sums(own), offset_min=offset)
            for (at, offset), own in sorted(hours.items())
        ]
        self._days = [
            Day(
                date=at,
                listened_s=listened[at],
                others_s=others[at],
                minutes_with_speech=len(
                    {utterance.at.replace(second=0, microsecond=0) for utterance in days[at]}
                ),
                offset_min=0,
                **_sums(days[at]),
            )
            for at in sorted({*days, *listened})
        ]

    def hours(self, start: datetime, end: datetime) -> list[Hour]:
        return [hour for hour in self._hours if start <= hour.at < end]

    def days(self, first: date, last: date) -> list[Day]:
        return [day for day in self._days if first <= day.date <= last]

    def presence(self, start: datetime, end: datetime) -> list[Presence]:
        found = [record for record in self._records if isinstance(record, Presence)]
        return [record for record in found if record.end > start and record.start < end]

    def notes(self, start: datetime, end: datetime) -> list[Note]:
        found = [record for record in self._records if isinstance(record, Note)]
        return [record for record in found if start <= record.at < end]


def utterance(at: datetime, valence: float = 0.0, arousal: float = 0.0, **fields: Any) -> Utterance:
    """Return an utterance of five seconds in UTC without a label."""
    given: dict[str, Any] = {
        "offset_min": 0,
        "duration_s": 5.0,
        "valence_std": 0.3,
        "arousal_std": 0.2,
        "label": None,
        "confidence": 0.5,
        "probabilities": {"neutral": 1.0},
        "audio_weight": 1.0,
    }
    return Utterance(at=at, valence=valence, arousal=arousal, **given | fields)


def spoken_day(
    day: date, valence: float, arousal: float = 0.0, *, count: int = 120, hour: int = 9
) -> list[Record]:
    """Return a day with utterances every half minute from an hour on, and the listening."""
    begin = datetime(day.year, day.month, day.day, hour, tzinfo=UTC)
    listening = Presence(start=begin, end=begin + timedelta(hours=4), offset_min=0, state="listening")
    swing = [0.1 if number % 2 else -0.1 for number in range(count)]
    return [
        listening,
        *(
            utterance(begin + timedelta(seconds=30 * number), valence + one, arousal + one)
            for number, one in enumerate(swing)
        ),
    ]


def _sums(own: Sequence[Utterance]) -> dict[str, Any]:
    speech_s = sum(one.duration_s for one in own)
    found: dict[str, Any] = {
        "speech_s": speech_s,
        "utterances": len(own),
        "confident": sum(one.label is not None for one in own),
    }
    for name in ("valence", "arousal"):
        mean = sum(one.duration_s * getattr(one, name) for one in own) / speech_s if own else None
        found[name] = mean
        found[f"{name}_var"] = (
            None
            if mean is None
            else sum(one.duration_s * (getattr(one, name) - mean) ** 2 for one in own) / speech_s
        )
    labels = [one.label for one in own if one.label]
    found["shares"] = {label: labels.count(label) / len(labels) for label in labels}
    return found
