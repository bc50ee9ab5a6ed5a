"""Writes records: utterances, notes and presences as they are, and the sums by minute and day that follow."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from stream_emo.errors import StoreError
from stream_emo.events import EMOTIONS
from stream_emo.mood.records import Note, Others, Presence, Record, Utterance
from stream_emo.mood.store.schema import SUMS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_PLACE = {name: place for place, name in enumerate(SUMS)}
_MARKS = ", ".join("?" * len(SUMS))
_ADDED = ", ".join(f"{name} = {name} + excluded.{name}" for name in SUMS)
_ADD_MINUTE = f"""
    INSERT INTO minute (start_s, offset_min, {", ".join(SUMS)}) VALUES (?, ?, {_MARKS})
    ON CONFLICT (start_s) DO UPDATE SET {_ADDED}
"""
# Until noon the newest offset of local time holds, after it the first one that was written.
_ADD_DAY = f"""
    INSERT INTO day (date, offset_min, minutes_with_speech, {", ".join(SUMS)}) VALUES (?, ?, ?, {_MARKS})
    ON CONFLICT (date) DO UPDATE SET {_ADDED},
        minutes_with_speech = minutes_with_speech + excluded.minutes_with_speech,
        offset_min = CASE WHEN ? THEN excluded.offset_min ELSE offset_min END
"""
_ADD_UTTERANCE = f"INSERT INTO utterance VALUES ({', '.join('?' * (12 + len(EMOTIONS)))})"
ERASED = "erased_before_ms"
"""Key in `meta`: records from before this moment waited when all was erased, and are not written."""

LARGEST_OFFSET_MIN = 18 * 60
"""No local time is further from UTC, min."""


def milliseconds(at: datetime) -> int:
    """Return an aware datetime as ms since 1970, UTC.

    Raises:
        StoreError: it has no time zone.
    """
    if at.tzinfo is None:
        raise StoreError(f"{at}: a moment without a time zone cannot be stored")
    return (at - _EPOCH) // _MILLISECOND


def moment(ms: int) -> datetime:
    """Return the aware datetime, UTC, of ms since 1970."""
    return _EPOCH + timedelta(milliseconds=ms)


def check(record: Record) -> None:
    """Raise a `StoreError` if a record cannot be written: it would end the writing of others, too."""
    if not isinstance(record, Utterance | Presence | Others | Note):
        raise StoreError(f"{type(record).__name__} cannot be added to the store")
    milliseconds(record.start if isinstance(record, Presence) else record.at)
    if not -LARGEST_OFFSET_MIN <= record.offset_min <= LARGEST_OFFSET_MIN:
        raise StoreError(f"an offset of {record.offset_min} min from UTC: no local time has that")
    if isinstance(record, Presence):
        milliseconds(record.end)
    elif isinstance(record, Utterance):
        numbers = (record.duration_s, record.valence, record.arousal, record.valence_std, record.arousal_std)
        if not all(map(math.isfinite, (*numbers, record.confidence, *record.probabilities.values()))):
            raise StoreError(f"the utterance of {record.at} has a value that is not a number")
        if record.label is not None and record.label not in EMOTIONS:
            raise StoreError(f"unknown label {record.label!r}; known: {', '.join(EMOTIONS)}")
    elif isinstance(record, Note) and record.mood is not None and not 1 <= record.mood <= 5:
        raise StoreError(f"a mood of {record.mood}: must be between 1 and 5")


def write(connection: sqlite3.Connection, records: Iterable[Record]) -> None:
    """Write the records inside a transaction of the caller."""
    found = connection.execute("SELECT value FROM meta WHERE key = ?", (ERASED,)).fetchone()
    fold = _Fold(connection, int(found[0]) if found else None)
    for record in records:
        fold.take(record)
    fold.write()


@dataclass(slots=True)
class _DaySums:
    """What a batch adds to a local day."""

    offset_min: int
    until_noon: bool = False
    """Whether the offset was in force before noon."""
    minutes: int = 0
    """Minutes that had no utterance yet."""
    sums: list[float] = field(default_factory=lambda: [0.0] * len(SUMS))


class _Fold:
    """What a batch of records adds to the sums."""

    def __init__(self, connection: sqlite3.Connection, erased_ms: int | None) -> None:
        self._connection = connection
        self._erased_ms = erased_ms
        self._minutes: dict[int, tuple[int, list[float]]] = {}
        """By start, s since 1970: offset of local time, min, and sums."""

    def take(self, record: Record) -> None:
        match record:
            case Presence():
                self._presence(record)
            case _ if self._erased_ms is not None and milliseconds(record.at) < self._erased_ms:
                return
            case Utterance():
                self._utterance(record)
            case Others():
                self._sums(milliseconds(record.at), record.offset_min)[_PLACE["others_s"]] += (
                    record.duration_s
                )
            case Note():
                at = self._free("note", milliseconds(record.at))
                self._connection.execute(
                    "INSERT INTO note VALUES (?, ?, ?, ?)", (at, record.offset_min, record.mood, record.text)
                )

    def write(self) -> None:
        """Add the sums to minutes, and those to their local days."""
        days: dict[str, _DaySums] = {}
        for start_s, (offset_min, sums) in sorted(self._minutes.items()):
            local = moment(1000 * (start_s + 60 * offset_min))
            day = days.setdefault(local.date().isoformat(), _DaySums(offset_min))
            day.minutes += self._first_speech(start_s, sums)
            day.sums = [a + b for a, b in zip(day.sums, sums, strict=True)]
            if local.hour < 12:
                day.offset_min, day.until_noon = offset_min, True
            self._connection.execute(_ADD_MINUTE, (start_s, offset_min, *sums))
        for date, day in days.items():
            self._connection.execute(_ADD_DAY, (date, day.offset_min, day.minutes, *day.sums, day.until_noon))

    def _first_speech(self, start_s: int, sums: list[float]) -> bool:
        """Return whether these are the first utterances of a minute."""
        if not sums[_PLACE["utterances"]]:
            return False
        row = self._connection.execute(
            "SELECT utterances FROM minute WHERE start_s = ?", (start_s,)
        ).fetchone()
        return row is None or row[0] == 0

    def _sums(self, at_ms: int, offset_min: int) -> list[float]:
        """Return the sums of the minute in which a moment is."""
        start_s = at_ms // 60_000 * 60
        return self._minutes.setdefault(start_s, (offset_min, [0.0] * len(SUMS)))[1]

    def _utterance(self, record: Utterance) -> None:
        at = self._free("utterance", milliseconds(record.at))
        self._connection.execute(
            _ADD_UTTERANCE,
            (
                at,
                record.offset_min,
                record.duration_s,
                record.valence,
                record.arousal,
                record.valence_std,
                record.arousal_std,
                record.label,
                record.confidence,
                *(record.probabilities.get(name, 0.0) for name in EMOTIONS),
                record.audio_weight,
                record.text,
                record.source,
            ),
        )
        sums = self._sums(at, record.offset_min)
        added = {
            "speech_s": record.duration_s,
            "utterances": 1,
            "valence_sum": record.duration_s * record.valence,
            "valence_square_sum": record.duration_s * record.valence**2,
            "arousal_sum": record.duration_s * record.arousal,
            "arousal_square_sum": record.duration_s * record.arousal**2,
        }
        if record.label is not None:
            added |= {"confident": 1, record.label: 1}
        for name, value in added.items():
            sums[_PLACE[name]] += value

    def _presence(self, record: Presence) -> None:
        """Keep what the service did; time that it has listened since the last record goes to the minutes."""
        start, end = milliseconds(record.start), milliseconds(record.end)
        if self._erased_ms is not None:
            start = max(start, self._erased_ms)
        row = self._connection.execute("SELECT end_ms FROM presence WHERE start_ms = ?", (start,)).fetchone()
        known = start if row is None else int(row[0])
        if end < known:
            return
        self._connection.execute(
            "INSERT INTO presence VALUES (?, ?, ?, ?) "
            "ON CONFLICT (start_ms) DO UPDATE SET end_ms = excluded.end_ms, state = excluded.state",
            (start, end, record.offset_min, record.state),
        )
        while record.state == "listening" and known < end:
            until = min(end, (known // 60_000 + 1) * 60_000)
            self._sums(known, record.offset_min)[_PLACE["listened_s"]] += (until - known) / 1000
            known = until

    def _free(self, table: str, at_ms: int) -> int:
        """Return the moment, or the first after it that no row of the table has."""
        query = f"SELECT 1 FROM {table} WHERE at_ms = ?"
        while self._connection.execute(query, (at_ms,)).fetchone():
            at_ms += 1
        return at_ms
