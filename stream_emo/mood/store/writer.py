"""The one thread of a process that writes to the database."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from stream_emo.errors import StoreError
from stream_emo.mood.records import Record
from stream_emo.mood.store.connection import connect, explained
from stream_emo.mood.store.fold import check, write
from stream_emo.mood.store.migrations import transaction

T = TypeVar("T")

COMMIT_S = 2.0
"""How long a record waits at most before it is committed."""
_BATCH = 5000
"""Records that wait at most before they are committed sooner."""


class Writer:
    """Commits queued records in batches, and does other work on the same connection in between."""

    def __init__(self, path: Path, key: str | None, *, commit_s: float = COMMIT_S) -> None:
        """Open a connection and begin. Raises `StoreError` as `connect`."""
        self._path, self._key, self._commit_s = path, key, commit_s
        self._connection = connect(path, key, write=True)
        self._changed = threading.Condition()
        self._records: deque[Record] = deque()
        self._work: deque[tuple[Callable[[sqlite3.Connection], Any], Future[Any]]] = deque()
        self._closing = False
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="stream_emo-mood-store", daemon=True)
        self._thread.start()

    def add(self, record: Record) -> None:
        """Queue a record. Waits only while very many wait already.

        Raises:
            StoreError: it cannot be written, or an earlier record could not.
        """
        check(record)
        with self._changed:
            self._changed.wait_for(lambda: len(self._records) < 2 * _BATCH or self._failure is not None)
            self._check()
            self._records.append(record)
            if len(self._records) in (1, _BATCH):
                self._changed.notify_all()

    def call(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return `work(connection)`, called on the thread after all that was queued is committed.

        Raises:
            StoreError: what was queued could not be written.
        """
        future: Future[T] = Future()
        with self._changed:
            self._check()
            if self._closing:
                raise StoreError("the store is closed")
            self._work.append((work, future))
            self._changed.notify_all()
        return future.result()

    def close(self) -> None:
        """Commit what is queued, and end the thread. Raises as `call` does."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()
        self._check()

    def _check(self) -> None:
        if self._failure is not None:
            raise _told(self._failure)

    def _run(self) -> None:
        try:
            while self._step():
                pass
        except Exception as error:
            with self._changed:
                self._failure = error
                for _, future in self._work:
                    future.set_exception(_told(error))
                self._work.clear()
                self._changed.notify_all()
        finally:
            self._connection.close()

    def _step(self) -> bool:
        """Wait for something to do and do it; return False when all is done and the store was closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._records or self._work or self._closing)
            deadline = time.monotonic() + self._commit_s
            self._changed.wait_for(
                lambda: self._work or self._closing or len(self._records) >= _BATCH,
                timeout=max(0.0, deadline - time.monotonic()),
            )
            records = list(self._records)
            self._records.clear()
            work = list(self._work)
            self._work.clear()
            done = self._closing and not (records or work)
            self._changed.notify_all()
        try:
            if records:
                with explained(self._path, self._key), transaction(self._connection):
                    write(self._connection, records)
        except Exception as error:
            with self._changed:
                self._failure = error
            for _, future in work:
                future.set_exception(_told(error))
            raise
        for task, future in work:
            try:
                future.set_result(task(self._connection))
            except Exception as error:
                future.set_exception(error)
        return not done


def _told(failure: Exception) -> StoreError:
    """Return the error that callers of the store get when records could not be written."""
    told = StoreError(str(failure))
    told.__cause__ = failure
    return told
