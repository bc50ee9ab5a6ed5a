"""The mood tracker's database after a year: its size, and the time that reading and checking it take."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from stream_emo.mood.records import Presence, Utterance
from stream_emo.mood.simulated import Life, records
from stream_emo.mood.store import Retention, Store
from stream_emo.progress import Progress

_YEAR = Life(first=date(2025, 1, 1), days=365, speech_h=2.0)
_THINNED_EVERY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class MoodStore:
    """A year at 2 h of speech a day (`stream_emo.mood.simulated`), thinned every day as the service does."""

    size_mb: float
    """Size of the database after the year, with the utterances of 30 days; 10^6 bytes."""
    largest_mb: float
    """The largest size of the file and its log at the end of a day."""
    unthinned_mb: float
    """Size had nothing been removed, as with all retentions at 0."""
    utterances: int
    """Of the whole year."""
    minutes: int
    """Kept at its end."""
    open_ms: float
    """Time to open the database for recording, its content checked."""
    read_days_ms: float
    """Time to read all days."""
    read_hours_ms: float
    """Time to read all hours."""
    read_minutes_ms: float
    """Time to read all minutes."""
    write_us: float
    """Time per record to write the year, processor and disk."""


def mood_store(progress: Progress) -> MoodStore:
    """Measure the database of a simulated year."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "thinned" / "mood.sqlite3"
        whole = Path(folder) / "whole" / "mood.sqlite3"
        largest, utterances, write_us = _write_year(path, progress, thinned=True)
        _write_year(whole, progress, thinned=False)
        open_ms = _milliseconds(lambda: Store.open(path, mode="record").close())
        with Store.open(path, mode="read") as store:
            end = datetime.now(UTC)
            start = end - timedelta(days=36_500)
            return MoodStore(
                size_mb=_megabytes(path),
                largest_mb=largest,
                unthinned_mb=_megabytes(whole),
                utterances=utterances,
                minutes=len(store.minutes(start, end)),
                open_ms=open_ms,
                read_days_ms=_milliseconds(lambda: store.days(start, end)),
                read_hours_ms=_milliseconds(lambda: store.hours(start, end)),
                read_minutes_ms=_milliseconds(lambda: store.minutes(start, end)),
                write_us=write_us,
            )


def _write_year(path: Path, progress: Progress, *, thinned: bool) -> tuple[float, int, float]:
    """Return the largest size, MB, the number of utterances and the time per record, us."""
    largest, utterances, count = 0.0, 0, 0
    begun = time.perf_counter()
    what = "mood-store: a year" if thinned else "mood-store: a year, nothing removed"
    with Store.open(path) as store:
        day = datetime.combine(_YEAR.first, datetime.min.time(), UTC)
        for record in records(_YEAR):
            at = record.start if isinstance(record, Presence) else record.at
            if at - day > _THINNED_EVERY:
                day = at
                store.flush()
                if thinned:
                    store.thin(at, Retention())
                largest = max(largest, sum(map(_megabytes, path.parent.iterdir())))
                progress.step((at.date() - _YEAR.first).days, _YEAR.days, what)
            store.add(record)
            count += 1
            utterances += isinstance(record, Utterance)
    progress.step(_YEAR.days, _YEAR.days, what)
    return round(largest, 1), utterances, round(1e6 * (time.perf_counter() - begun) / count, 1)


def _milliseconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return round(1000 * (time.perf_counter() - begun), 1)


def _megabytes(path: Path) -> float:
    return round(path.stat().st_size / 1e6, 1)
