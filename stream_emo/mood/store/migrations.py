"""Brings a database up to the schema of this version; a copy is made first."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from stream_emo.errors import StoreError
from stream_emo.mood.store.connection import DAMAGED
from stream_emo.mood.store.schema import APPLICATION_ID, MIGRATIONS
from stream_emo.runtime.private_files import make_private


def migrate(
    connection: sqlite3.Connection, path: Path, migrations: Sequence[tuple[str, str]] = MIGRATIONS
) -> None:
    """Apply the migrations that are missing, all or none; first copy what is there, see `backups`.

    Raises:
        StoreError: the file is another program's, or was made by a newer version.
    """
    if _applied(connection, path, len(migrations)) == len(migrations):
        return
    if _applied(connection, path, len(migrations)) > 0:
        _back_up(connection, path)
    with transaction(connection):
        # Another process may have done it in the meantime.
        done = _applied(connection, path, len(migrations))
        for name, statements in migrations[done:]:
            for statement in statements.split(";\n"):
                connection.execute(statement)
            now = datetime.now(UTC).isoformat(timespec="seconds")
            connection.execute("INSERT INTO migration VALUES (?, ?)", (name, now))
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(migrations)}")


def check(connection: sqlite3.Connection, path: Path) -> None:
    """Raise a `StoreError` if the content of the database is damaged."""
    found = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    if found != "ok":
        raise StoreError(f"{path}: damaged ({found.splitlines()[0]}); {DAMAGED}")


def backups(path: Path) -> list[Path]:
    """Return the copies beside a database, unfinished ones included."""
    return sorted(path.parent.glob(f"{path.name}.before-*"))


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit all that the block executes, or nothing if it raises; other writers wait."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.rollback()
        raise
    connection.execute("COMMIT")


def _applied(connection: sqlite3.Connection, path: Path, known: int) -> int:
    """Return how many migrations the database has seen."""
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    owner = int(connection.execute("PRAGMA application_id").fetchone()[0])
    tables = int(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
    if owner != APPLICATION_ID and (owner or version or tables):
        raise StoreError(f"{path}: another program's database; name another folder with mood.folder")
    if version > known:
        raise StoreError(f"{path}: made by a newer version of stream-emo; upgrade stream-emo")
    return version


def _back_up(connection: sqlite3.Connection, path: Path) -> None:
    """Copy the database to `NAME.before-VERSION`, encrypted as it is; earlier copies are removed."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    for old in backups(path):
        old.unlink()
    copy = path.with_name(f"{path.name}.before-{version + 1}")
    partial = path.with_name(f"{copy.name}.partial")
    make_private(partial)
    connection.execute("VACUUM INTO ?", (str(partial),))
    partial.replace(copy)
