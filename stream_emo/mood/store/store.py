"""The mood tracker's database: what adds to it, what reads from it, what removes from it."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import BinaryIO, Literal, Self, TypeVar

from stream_emo.errors import StoreError
from stream_emo.mood.records import Day, Hour, Minute, Note, Presence, Record, Utterance
from stream_emo.mood.sinks import Fanout, RecordSink
from stream_emo.mood.store.connection import connect, explained
from stream_emo.mood.store.exchange import Form, export_views, import_views
from stream_emo.mood.store.migrations import check, migrate
from stream_emo.mood.store.queries import (
    select_days,
    select_hours,
    select_minutes,
    select_notes,
    select_presence,
    select_utterances,
)
from stream_emo.mood.store.removal import Counts, Retention, erase_rows, thin_rows
from stream_emo.mood.store.writer import COMMIT_S, Writer
from stream_emo.runtime.private_files import exclusive, make_private

T = TypeVar("T")

Mode = Literal["read", "write", "record"]


class Store:
    """One database. Thread-safe; any number of processes may read and write, one may record."""

    def __init__(self, path: Path, key: str | None, *, read_only: bool, commit_s: float) -> None:
        """Use `Store.open`."""
        self.path = path
        self._key = key
        self._read_only = read_only
        self._commit_s = commit_s
        self._lock = threading.Lock()
        self._reader: sqlite3.Connection | None = None
        self._writer: Writer | None = None
        self._guard: BinaryIO | None = None
        self._fanout: Fanout | None = None
        self._closed = False

    @classmethod
    def open(
        cls, path: Path, *, key: str | None = None, mode: Mode = "write", commit_s: float = COMMIT_S
    ) -> Self:
        """Open the database at `path`; made if need be, unless it is only read.

        `mode` "read": it must exist. "write": for notes, erasing, imports, also while the service runs.
        "record": for the service, of which there can be one; its content is checked first.
        `key` encrypts, 64 hexadecimal digits; None: not encrypted. `commit_s`: how long records wait, s.

        Raises:
            StoreError: missing, damaged, made by a newer version, in use by another service, or the key does
                not fit.
        """
        store = cls(path, key, read_only=mode == "read", commit_s=commit_s)
        if mode == "read" and not path.exists():
            raise StoreError(f"{path}: nothing is recorded yet; begin with `stream-emo mood start`")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            make_private(path)
        except OSError as error:
            raise StoreError(f"{path}: cannot be used: {error.strerror or error}") from error
        if mode == "record":
            store._guard = _guard(path)
        try:
            store._prepare(checked=mode == "record")
        except BaseException:
            store.close()
            raise
        return store

    def __enter__(self) -> Self:
        """Return the store, which is closed at the end of the block."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Close the store."""
        self.close()

    def add(self, record: Record) -> None:
        """Queue a record; it is committed within 2 s. Returns at once.

        Raises:
            StoreError: an earlier record could not be written, or the store was opened for reading.
        """
        self._writing().add(record)
        if self._fanout is not None:
            self._fanout.write(record)

    def attach(self, sinks: Sequence[RecordSink]) -> None:
        """Hand what is added from now on to these sinks, too, on a thread of their own, and close them."""
        if sinks:
            self._fanout = Fanout(sinks)

    def flush(self) -> None:
        """Wait until all that was added is committed.

        Raises:
            StoreError: it could not be written.
        """
        if self._writer is not None:
            self._writer.call(lambda connection: None)

    def close(self) -> None:
        """Commit what was added and release the database. Raises `StoreError` as `flush` does."""
        if self._closed:
            return
        self._closed = True
        try:
            if self._writer is not None:
                self._writer.close()
        finally:
            with self._lock:
                if self._reader is not None:
                    self._reader.close()
                    self._reader = None
            if self._fanout is not None:
                self._fanout.close()
            if self._guard is not None:
                self._guard.close()

    def utterances(self, start: datetime, end: datetime) -> list[Utterance]:
        """Return those that began in [start, end), in order."""
        return self._read(lambda connection: select_utterances(connection, start, end))

    def minutes(self, start: datetime, end: datetime) -> list[Minute]:
        """Return the minutes that began in [start, end), in order, as far as anything was listened to.

        Those in which nobody spoke are there only as long as utterances are kept.
        """
        return self._read(lambda connection: select_minutes(connection, start, end))

    def hours(self, start: datetime, end: datetime) -> list[Hour]:
        """Return the sums of the same minutes by hours of local time, in order."""
        return self._read(lambda connection: select_hours(connection, start, end))

    def days(self, first: date, last: date) -> list[Day]:
        """Return the local days from `first` to `last`, both included, in order."""
        return self._read(lambda connection: select_days(connection, first, last))

    def presence(self, start: datetime, end: datetime) -> list[Presence]:
        """Return what the service did in [start, end), in order, not cut at the ends."""
        return self._read(lambda connection: select_presence(connection, start, end))

    def notes(self, start: datetime, end: datetime) -> list[Note]:
        """Return the notes of [start, end), in order."""
        return self._read(lambda connection: select_notes(connection, start, end))

    def meta(self, key: str) -> str | None:
        """Return a value that was kept under `key`; None: there is none."""
        row = self._read(
            lambda connection: connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        )
        return None if row is None else str(row[0])

    def set_meta(self, key: str, value: str | None) -> None:
        """Keep a value under `key` at once; None removes it. For example when its owner consented."""

        def work(connection: sqlite3.Connection) -> None:
            if value is None:
                connection.execute("DELETE FROM meta WHERE key = ?", (key,))
            else:
                connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

        self._write(work)

    def erase(self, before: datetime | None = None, *, now: datetime | None = None) -> Counts:
        """Remove all that was before a moment, or everything (None), from the file, its log and its copies.

        Records from before that moment that still wait to be written, in any process, are not written.
        `now`: the present on the clock of the records; None: the system's. Values under `set_meta` stay.
        Returns the rows removed by table.

        Raises:
            StoreError: another program reads for so long that its old pages cannot be removed.
        """
        at = now or datetime.now(UTC)
        return self._write(lambda connection: erase_rows(connection, self.path, before, at))

    def thin(self, now: datetime, retention: Retention) -> Counts:
        """Remove what is older than `retention` allows at `now`; return the rows removed by table."""
        return self._write(lambda connection: thin_rows(connection, self.path, now, retention))

    def export(self, path: Path, form: Form) -> Counts:
        """Write all records to `path`: a file ("json"), or a folder with a file per view ("csv", "parquet").

        Only their owner may read the files. Those that are there are replaced. Returns the rows by view.

        Raises:
            StoreError: they cannot be written, or pyarrow is missing ("parquet").
        """
        return self._read(lambda connection: export_views(connection, path, form))

    def import_from(self, path: Path) -> Counts:
        """Add what `export` wrote; return the rows that were new, by view. What is there stays as it is.

        Raises:
            StoreError: not an export, or a value that cannot be; then nothing is added.
        """
        return self._write(lambda connection: import_views(connection, path))

    def _prepare(self, *, checked: bool) -> None:
        """Bring the schema up to date, and check the content."""
        with explained(self.path, self._key):
            connection = connect(self.path, self._key, write=True)
            try:
                if checked:
                    check(connection, self.path)
                migrate(connection, self.path)
            finally:
                connection.close()

    def _writing(self) -> Writer:
        if self._read_only:
            raise StoreError(f"{self.path}: opened for reading only")
        with self._lock:
            if self._closed:
                raise StoreError(f"{self.path}: the store is closed")
            if self._writer is None:
                self._writer = Writer(self.path, self._key, commit_s=self._commit_s)
        return self._writer

    def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with explained(self.path, self._key):
            return self._writing().call(work)

    def _read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Return what a query finds in one state of the database."""
        with self._lock, explained(self.path, self._key):
            if self._closed:
                raise StoreError(f"{self.path}: the store is closed")
            if self._reader is None:
                self._reader = connect(self.path, self._key, write=False)
            return query(self._reader)


def _guard(path: Path) -> BinaryIO:
    """Lock the database against a second service."""
    lock = path.with_name(f"{path.name}.lock")
    try:
        return exclusive(lock)
    except BlockingIOError as error:
        raise StoreError(
            f"{path}: another service records already, see `stream-emo mood status`; end it first"
        ) from error
    except OSError as error:
        raise StoreError(f"{lock}: cannot be used: {error.strerror or error}") from error
