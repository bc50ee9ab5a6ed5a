"""Files that only their owner may read, and the lock of which one process can hold one."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import BinaryIO


def make_private(path: Path) -> None:
    """Create an empty file that only its owner may read; take others' rights to one that is there.

    Raises `OSError`. On Windows the rights of its folder hold.
    """
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        # Not opened: closing it would release the locks that SQLite holds on it in this process.
        if _others_may(path.stat()):
            path.chmod(0o600)


def create_private(path: Path) -> BinaryIO:
    """Create or empty a file that only its owner may read from then on, and that nothing buffers.

    Raises:
        OSError: that fails, or the path is a link.
    """
    no_link = getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | no_link, 0o600)
    file = os.fdopen(descriptor, "wb", buffering=0)
    try:
        if sys.platform != "win32" and _others_may(os.fstat(descriptor)):
            os.fchmod(descriptor, 0o600)
    except OSError:
        file.close()
        raise
    return file


def _others_may(status: os.stat_result) -> bool:
    """Return whether others have rights to a file; those to a device, as /dev/null, are as they should be."""
    return os.name == "posix" and stat.S_ISREG(status.st_mode) and bool(status.st_mode & 0o077)


def exclusive(path: Path) -> BinaryIO:
    """Open a file that nobody else can open the same way until it is closed or the process has died.

    Raises:
        BlockingIOError: somebody has it open.
        OSError: it cannot be created or locked.
    """
    file = create_private(path)
    try:
        _lock(file)
    except OSError:
        file.close()
        raise
    return file


def _lock(file: BinaryIO) -> None:
    """Lock an open file. Raises as `exclusive`."""
    if sys.platform == "win32":
        import msvcrt

        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise BlockingIOError(error.errno, "it is in use") from error
    else:
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BlockingIOError(error.errno, "it is in use") from error
