"""Removes records: at the owner's wish, so that nothing of them is left in the files, or as they age."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from stream_emo.errors import StoreError
from stream_emo.mood.store.connection import BUSY_S
from stream_emo.mood.store.fold import ERASED, milliseconds, moment
from stream_emo.mood.store.migrations import backups, transaction
from stream_emo.mood.store.schema import SUMS, TABLES

_HALF_DAY = timedelta(hours=12)
_READERS_S = 2.0
"""How long erasing waits for those who read."""

# Never back: the service may go on with what began before an earlier, larger moment.
_REMEMBER = """
    INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE
    SET value = excluded.value WHERE CAST(excluded.value AS INTEGER) > CAST(value AS INTEGER)
"""

Counts = Mapping[str, int]
"""Rows that were removed or imported, by table."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long each kind of record is kept, in days; 0: for ever."""

    utterances: int = 30
    minutes: int = 365
    """Of minutes and of what the service did."""
    days: int = 0
    """Of days and notes."""


def erase_rows(connection: sqlite3.Connection, path: Path, before: datetime | None, now: datetime) -> Counts:
    """Remove all that was before a moment, or everything (None), also from the log and the copies.

    Whole minutes go; a day that began before the moment keeps the sums of its other minutes. A day whose
    minutes were thinned goes as a whole where the moment is not before its noon.

    Raises:
        StoreError: another program reads for so long that its old pages cannot be removed.
    """
    until = milliseconds(now if before is None else min(before, now))
    with transaction(connection):
        counts = _rows(connection)
        if before is None:
            for table in TABLES:
                connection.execute(f"DELETE FROM {table}")
        else:
            _erase_before(connection, until)
        connection.execute(_REMEMBER, (ERASED, str(until)))
        left = _rows(connection)
    for copy in backups(path):
        _overwrite(copy)
        copy.unlink()
    connection.execute("VACUUM")
    _empty_log(connection, path)
    return {table: counts[table] - left[table] for table in TABLES}


def thin_rows(connection: sqlite3.Connection, path: Path, now: datetime, retention: Retention) -> Counts:
    """Remove what is older than allowed; the rows of days by their date."""
    with transaction(connection):
        counts = _rows(connection)
        if retention.utterances:
            oldest = now - timedelta(days=retention.utterances)
            connection.execute("DELETE FROM utterance WHERE at_ms < ?", (milliseconds(oldest),))
            # What the service did tells where it listened; this is most of the rows.
            connection.execute(
                "DELETE FROM minute WHERE start_s < ? AND speech_s = 0 AND others_s = 0",
                (milliseconds(oldest) // 1000,),
            )
        if retention.minutes:
            oldest = now - timedelta(days=retention.minutes)
            connection.execute("DELETE FROM minute WHERE start_s < ?", (milliseconds(oldest) // 1000,))
            connection.execute("DELETE FROM presence WHERE end_ms < ?", (milliseconds(oldest),))
        if retention.days:
            oldest = now - timedelta(days=retention.days)
            connection.execute("DELETE FROM day WHERE date < ?", (oldest.date().isoformat(),))
            connection.execute("DELETE FROM note WHERE at_ms < ?", (milliseconds(oldest),))
        left = _rows(connection)
    if retention.utterances:
        _remove_old_copies(path, now - timedelta(days=retention.utterances))
    return {table: counts[table] - left[table] for table in TABLES}


def _rows(connection: sqlite3.Connection) -> dict[str, int]:
    return {table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in TABLES}


def _erase_before(connection: sqlite3.Connection, until_ms: int) -> None:
    connection.execute("DELETE FROM utterance WHERE at_ms < ?", (until_ms,))
    connection.execute("DELETE FROM note WHERE at_ms < ?", (until_ms,))
    connection.execute("DELETE FROM presence WHERE end_ms <= ?", (until_ms,))
    # Two overlap where the clock was set back; one of them is enough.
    connection.execute("UPDATE OR REPLACE presence SET start_ms = ? WHERE start_ms < ?", (until_ms, until_ms))
    rows = connection.execute(
        "SELECT DISTINCT date(start_s + 60 * offset_min, 'unixepoch') FROM minute WHERE start_s * 1000 < ?",
        (until_ms,),
    )
    cut = {row[0] for row in rows}
    connection.execute("DELETE FROM minute WHERE start_s * 1000 < ?", (until_ms,))
    for day, offset_min in connection.execute("SELECT date, offset_min FROM day").fetchall():
        # A day whose minutes are gone cannot be cut: it stays where the moment is in its first half, as the
        # midnight of another offset is, after travel or on the day that daylight saving begins.
        if day in cut or moment(until_ms) >= _midnight(day, offset_min) + _HALF_DAY:
            _rebuild(connection, day)


def _midnight(day: str, offset_min: int) -> datetime:
    """Return the moment at which a local day began."""
    local = date.fromisoformat(day)
    return moment(0) + timedelta(days=(local - date(1970, 1, 1)).days, minutes=-offset_min)


def _rebuild(connection: sqlite3.Connection, day: str) -> None:
    """Sum up a day again from the minutes that it has left; without any it is removed."""
    columns = ", ".join(f"sum({name})" for name in SUMS)
    begin = milliseconds(_midnight(day, 0)) // 1000
    sums = connection.execute(
        f"SELECT count(*), sum(utterances > 0), {columns} FROM minute "
        "WHERE start_s + 60 * offset_min >= ? AND start_s + 60 * offset_min < ?",
        (begin, begin + 86_400),
    ).fetchone()
    if sums[0]:
        assignments = ", ".join(f"{name} = ?" for name in ("minutes_with_speech", *SUMS))
        connection.execute(f"UPDATE day SET {assignments} WHERE date = ?", (*sums[1:], day))
    else:
        connection.execute("DELETE FROM day WHERE date = ?", (day,))


def _empty_log(connection: sqlite3.Connection, path: Path) -> None:
    """Move the log into the file, and cut it to nothing: it holds pages as they were."""
    # What is queued waits as long as this does.
    connection.execute(f"PRAGMA busy_timeout = {round(1000 * _READERS_S)}")
    busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    connection.execute(f"PRAGMA busy_timeout = {round(1000 * BUSY_S)}")
    if busy:
        raise StoreError(
            f"{path}: erased, but another program still reads the old pages; end it and erase again"
        )


def _overwrite(copy: Path) -> None:
    """Fill a file with zeros; a file system that writes elsewhere may keep the old blocks for a while."""
    with copy.open("r+b") as file:
        left = copy.stat().st_size
        while left > 0:
            left -= file.write(bytes(min(left, 1 << 20)))


def _remove_old_copies(path: Path, oldest: datetime) -> None:
    """Remove copies that hold what is no longer kept."""
    for copy in backups(path):
        if copy.stat().st_mtime < oldest.timestamp():
            copy.unlink()
