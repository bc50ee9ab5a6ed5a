"""Reads records from the tables."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from stream_emo.events import EMOTIONS
from stream_emo.mood.records import Day, Hour, Minute, Note, Presence, Utterance
from stream_emo.mood.store.fold import milliseconds, moment
from stream_emo.mood.store.schema import SUMS

_SUMS = ", ".join(SUMS)
_HOUR = "(start_s + offset_min * 60) / 3600 * 3600 - offset_min * 60"


def select_utterances(connection: sqlite3.Connection, start: datetime, end: datetime) -> list[Utterance]:
    """Return those that began in [start, end), in order."""
    rows = connection.execute(
        "SELECT * FROM utterance WHERE at_ms >= ? AND at_ms < ? ORDER BY at_ms",
        (milliseconds(start), milliseconds(end)),
    )
    return [_utterance(row) for row in rows]


def select_minutes(connection: sqlite3.Connection, start: datetime, end: datetime) -> list[Minute]:
    """Return the minutes that began in [start, end), in order."""
    rows = connection.execute(
        f"SELECT start_s, offset_min, {_SUMS} FROM minute "
        "WHERE start_s >= ? AND start_s < ? ORDER BY start_s",
        (_seconds(start), _seconds(end)),
    )
    return [Minute(at=moment(1000 * row[0]), offset_min=row[1], **_sums(row[2:])) for row in rows]


def select_hours(connection: sqlite3.Connection, start: datetime, end: datetime) -> list[Hour]:
    """Return the sums of the same minutes by hours of local time, in order."""
    rows = connection.execute(
        f"SELECT {_HOUR} AS hour_s, offset_min, {', '.join(f'sum({name})' for name in SUMS)} "
        "FROM minute WHERE start_s >= ? AND start_s < ? GROUP BY hour_s, offset_min ORDER BY hour_s",
        (_seconds(start), _seconds(end)),
    )
    return [Hour(at=moment(1000 * row[0]), offset_min=row[1], **_sums(row[2:])) for row in rows]


def select_days(connection: sqlite3.Connection, first: date, last: date) -> list[Day]:
    """Return the local days from `first` to `last`, both included, in order."""
    rows = connection.execute(
        f"SELECT date, offset_min, minutes_with_speech, {_SUMS} FROM day "
        "WHERE date BETWEEN ? AND ? ORDER BY date",
        (_iso(first), _iso(last)),
    )
    return [
        Day(
            date=date.fromisoformat(row[0]),
            offset_min=row[1],
            minutes_with_speech=row[2],
            **_sums(row[3:]),
        )
        for row in rows
    ]


def select_presence(connection: sqlite3.Connection, start: datetime, end: datetime) -> list[Presence]:
    """Return what the service did in [start, end), in order, not cut at the ends."""
    rows = connection.execute(
        "SELECT start_ms, end_ms, offset_min, state FROM presence "
        "WHERE end_ms > ? AND start_ms < ? ORDER BY start_ms",
        (milliseconds(start), milliseconds(end)),
    )
    return [
        Presence(start=moment(row[0]), end=moment(row[1]), offset_min=row[2], state=row[3]) for row in rows
    ]


def select_notes(connection: sqlite3.Connection, start: datetime, end: datetime) -> list[Note]:
    """Return the notes of [start, end), in order."""
    rows = connection.execute(
        "SELECT at_ms, offset_min, mood, text FROM note WHERE at_ms >= ? AND at_ms < ? ORDER BY at_ms",
        (milliseconds(start), milliseconds(end)),
    )
    return [Note(at=moment(row[0]), offset_min=row[1], mood=row[2], text=row[3]) for row in rows]


def _seconds(at: datetime) -> int:
    """Return the first whole second since 1970 that is not before the moment."""
    return -(-milliseconds(at) // 1000)


def _iso(day: date) -> str:
    """Return the date alone, also of a datetime."""
    return date(day.year, day.month, day.day).isoformat()


def _utterance(row: Sequence[Any]) -> Utterance:
    probabilities = 9 + len(EMOTIONS)
    return Utterance(
        at=moment(row[0]),
        offset_min=row[1],
        duration_s=row[2],
        valence=row[3],
        arousal=row[4],
        valence_std=row[5],
        arousal_std=row[6],
        label=row[7],
        confidence=row[8],
        probabilities=dict(zip(EMOTIONS, row[9:probabilities], strict=True)),
        audio_weight=row[probabilities],
        text=row[probabilities + 1],
        source=row[probabilities + 2],
    )


def _sums(row: Sequence[Any]) -> dict[str, Any]:
    """Return the fields that a minute, an hour and a day share."""
    listened, speech, others, count, confident, valence, valence_square, arousal, arousal_square, *labels = (
        row
    )
    return {
        "listened_s": listened,
        "speech_s": speech,
        "others_s": others,
        "utterances": count,
        "confident": confident,
        "valence": valence / speech if speech else None,
        "arousal": arousal / speech if speech else None,
        "valence_var": _variance(valence_square, valence, speech),
        "arousal_var": _variance(arousal_square, arousal, speech),
        "shares": {name: number / confident for name, number in zip(EMOTIONS, labels, strict=True) if number},
    }


def _variance(squares: float, total: float, weight: float) -> float | None:
    # Rounding may make it negative where all values are the same.
    return max(0.0, squares / weight - (total / weight) ** 2) if weight else None
