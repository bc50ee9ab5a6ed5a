"""The mood tracker's database: what adds to it, what reads from it, what removes from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Literal, Self

from stream_emo.mood.records import Day, Hour, Minute, Note, Presence, Record, Utterance

Counts = Mapping[str, int]
"""Rows that were removed or imported, by table."""

Mode = Literal["read", "write", "record"]


@dataclass(frozen=True, slots=True)
class Retention:
    """How long each kind of record is kept, in days; 0: for ever."""

    utterances: int = 30
    minutes: int = 365
    """Of minutes and of what the service did."""
    days: int = 0


class Store:
    """One database. Thread-safe; any number of processes may read and write, one may record."""

    @classmethod
    def open(cls, path: Path, *, key: str | None = None, mode: Mode = "write") -> Self:
        """Open the database at `path`; made if need be, unless it is only read.

        `mode` "read": it must exist. "write": for notes, erasing, imports, also while the service runs.
        "record": for the service, of which there can be one; its content is checked first.
        `key` encrypts; None: not encrypted.

        Raises:
            StoreError: missing, damaged, made by a newer version, in use by another service, or the key does
                not fit.
        """
        raise NotImplementedError

    def __enter__(self) -> Self:
        """Return the store, which is closed at the end of the block."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Close the store."""
        self.close()

    def add(self, record: Record) -> None:
        """Queue a record; it is committed within 2 s. Returns at once.

        Raises:
            StoreError: an earlier record could not be written.
        """
        raise NotImplementedError

    def flush(self) -> None:
        """Wait until all that was added is committed.

        Raises:
            StoreError: it could not be written.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Commit what was added and release the database. Raises `StoreError` as `flush` does."""
        raise NotImplementedError

    def utterances(self, start: datetime, end: datetime) -> list[Utterance]:
        """Return those that began in [start, end), in order."""
        raise NotImplementedError

    def minutes(self, start: datetime, end: datetime) -> list[Minute]:
        """Return the minutes that began in [start, end), in order, as far as anything was listened to.

        Those in which nobody spoke are there only as long as utterances are kept.
        """
        raise NotImplementedError

    def hours(self, start: datetime, end: datetime) -> list[Hour]:
        """Return the sums of the same minutes by hours of local time, in order."""
        raise NotImplementedError

    def days(self, first: date, last: date) -> list[Day]:
        """Return the local days from `first` to `last`, both included, in order."""
        raise NotImplementedError

    def presence(self, start: datetime, end: datetime) -> list[Presence]:
        """Return what the service did in [start, end), in order, not cut at the ends."""
        raise NotImplementedError

    def notes(self, start: datetime, end: datetime) -> list[Note]:
        """Return the notes of [start, end), in order."""
        raise NotImplementedError

    def meta(self, key: str) -> str | None:
        """Return a value that was kept under `key`; None: there is none."""
        raise NotImplementedError

    def set_meta(self, key: str, value: str | None) -> None:
        """Keep a value under `key` at once; None removes it. For example when its owner consented."""
        raise NotImplementedError

    def erase(self, before: datetime | None = None) -> Counts:
        """Remove all that was before a moment, or everything (None), from the file, its log and its backups.

        Values under `set_meta` stay.
        """
        raise NotImplementedError

    def thin(self, now: datetime, retention: Retention) -> Counts:
        """Remove what is older than `retention` allows at `now`."""
        raise NotImplementedError
