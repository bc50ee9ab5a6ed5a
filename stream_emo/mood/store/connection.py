"""Connections to the database: plain SQLite, or SQLCipher where it is encrypted; what each is set up with."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from stream_emo.errors import StoreError

BUSY_S = 10.0
"""How long one connection waits for another that writes."""


def connect(path: Path, key: str | None, *, write: bool) -> sqlite3.Connection:
    """Return a connection to the database at `path`, which need not exist if it may be written.

    `key`: 64 hexadecimal digits; None: not encrypted. Statements are committed one by one, unless a
    transaction is begun. The connection may be used by one thread at a time.

    Raises:
        StoreError: SQLCipher is not installed, the file cannot be opened, or the key does not fit.
    """
    driver = _driver(key)
    address = f"{path.absolute().as_uri()}?mode={'rwc' if write else 'rw'}"
    with explained(path, key):
        connection: sqlite3.Connection = driver.connect(
            address, uri=True, timeout=BUSY_S, isolation_level=None, check_same_thread=False
        )
        try:
            _set_up(connection, key, write)
        except BaseException:
            connection.close()
            raise
    return connection


@contextmanager
def explained(path: Path, key: str | None) -> Iterator[None]:
    """Raise what SQLite raises in the block as a `StoreError` that says what can be done."""
    errors: tuple[type[Exception], ...] = (sqlite3.Error,)
    if key is not None:
        errors += (_driver(key).Error,)
    try:
        yield
    except errors as error:
        raise StoreError(f"{path}: {_reason(str(error), key)}") from error


def _driver(key: str | None) -> ModuleType:
    if key is None:
        return sqlite3
    if not re.fullmatch("[0-9a-fA-F]{64}", key):
        raise StoreError("the key of a database must be 64 hexadecimal digits")
    try:
        from sqlcipher3 import dbapi2
    except ImportError as error:
        raise StoreError(
            "an encrypted database needs the package sqlcipher3: pip install 'stream-emo[encryption]'"
        ) from error
    module: ModuleType = dbapi2
    return module


def _set_up(connection: sqlite3.Connection, key: str | None, write: bool) -> None:
    if key is not None:
        connection.execute("PRAGMA cipher_log_level = NONE")  # It would write to stderr.
        connection.execute(f"PRAGMA key = \"x'{key}'\"")  # As it is: no derivation, which takes 0.1 s.
    # Nothing of the database goes to a temporary file.
    connection.execute("PRAGMA temp_store = MEMORY")
    # What is removed is overwritten with zeros.
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("PRAGMA user_version")  # The first look at the file.
    if write:
        connection.execute("PRAGMA journal_mode = WAL")
        # Each commit reaches the disk: also a power failure loses no more than what waits in the queue.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA journal_size_limit = 4194304")
    else:
        connection.execute("PRAGMA query_only = ON")


def _reason(error: str, key: str | None) -> str:
    if "not a database" in error:
        if key is None:
            return "encrypted, or not a database; set mood.encrypt = true if it was made so"
        return "not encrypted with this key, or not a database; see mood.encrypt"
    if "unable to open" in error:
        return "cannot be opened; see whether its folder exists and may be written"
    if "malformed" in error:
        return f"damaged ({error}); {DAMAGED}"
    if "locked" in error:
        return "another program has kept it locked for too long; end that program"
    if "full" in error:
        return "the disk is full; make room"
    if "I/O" in error:
        return f"cannot be read or written ({error}); see whether the disk is full or damaged"
    return error


DAMAGED = "move it away to begin a new one; a copy from before the last migration may lie beside it"
"""What can be done about a damaged database."""
