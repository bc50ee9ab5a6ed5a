"""The cache of what is expensive to make: its folder, digests of files, and checked entries.

The cache may be deleted at any time: a missing or damaged entry is made again.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import platformdirs

_log = logging.getLogger(__name__)

_KEPT = 2  # Other entries of the same name: two installed versions do not remove each other's.
_PARTIAL = ".partial"
_ABANDONED_S = 3600  # An unfinished entry this old belongs to a process that was killed.
_DIGEST_SIZE = hashlib.sha256().digest_size


def default_cache() -> Path:
    """Return the folder for this user's cached files, which may not exist yet.

    `$XDG_CACHE_HOME/stream_emo` or what is usual on the platform; where that cannot be written, a temporary
    folder that is removed when the process ends, and one warning.
    """
    try:
        wanted = platformdirs.user_cache_path("stream_emo", appauthor=False)
    except RuntimeError:  # No home folder is known. Earlier versions of platformdirs return "~/..." as it is.
        wanted = Path("~/.cache/stream_emo")
    return writable_or_temporary(wanted)


@cache
def writable_or_temporary(wanted: Path) -> Path:
    """Return `wanted` if it is an absolute path to a folder that can be written, else a temporary folder.

    A path that begins with `~` is not absolute: a folder of that name is never created.
    """
    if wanted.is_absolute() and _writable(wanted):
        return wanted
    folder = Path(_temporary().name)
    _log.warning(
        "the cache folder %s cannot be written: what is compiled is kept in %s until this process ends; "
        "set XDG_CACHE_HOME to a folder that can be written",
        wanted,
        folder,
    )
    return folder


def _writable(folder: Path) -> bool:
    """Return whether files can be created in `folder`, or the folder itself where it does not exist yet."""
    there = next(path for path in (folder, *folder.parents) if os.path.exists(path))
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


@cache
def _temporary() -> tempfile.TemporaryDirectory[str]:
    """Return the temporary folder of this process, which is removed when the interpreter ends."""
    return tempfile.TemporaryDirectory(prefix="stream_emo-")


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal.

    Computed once per process, and again when the file's size, time or inode has changed. Raises `OSError`.
    """
    state = path.stat()
    return _file_digest(path, state.st_size, state.st_mtime_ns, state.st_ino)


@cache
def _file_digest(path: Path, size: int, modified_ns: int, inode: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cached_bytes(name: str, key: str, make: Callable[[], bytes]) -> bytes:
    """Return what `make` returns: from the cache if it was kept there under this name and key.

    An entry begins with the SHA-256 of the rest; one that is damaged is made again. When an entry is written,
    all others of the same name but the two that were used last are removed.
    """
    digest = hashlib.sha256(key.encode()).hexdigest()
    path = default_cache() / f"{name}-{digest[:16]}.bin"
    content = _read(path)
    if content is None:
        _log.debug("making %s", path)
        content = make()
        _write(path, content)
        _remove_old(name, path)
    return content


def write_atomically(path: Path, parts: Iterable[bytes]) -> None:
    """Write a file that appears complete or not at all, whatever else writes it now. Raises `OSError`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(suffix=_PARTIAL, prefix=f"{path.stem}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.writelines(parts)
        os.replace(partial, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(partial)
        raise


def _read(path: Path) -> bytes | None:
    """Return the content of an entry; None: not there, or damaged."""
    try:
        with path.open("rb") as file:
            digest = file.read(_DIGEST_SIZE)
            content = file.read()
    except OSError:
        return None
    if hashlib.sha256(content).digest() != digest:
        _log.warning("%s is damaged: it is made again", path)
        return None
    with contextlib.suppress(OSError):
        os.utime(path)  # The time of last use.
    return content


def _write(path: Path, content: bytes) -> None:
    try:
        write_atomically(path, [hashlib.sha256(content).digest(), content])
    except OSError as error:
        _log.warning("%s cannot be kept (%s): it will be made again next time", path, error.strerror)


def _remove_old(name: str, written: Path) -> None:
    """Remove the least recently used entries of this name, and partial ones of killed processes."""
    pattern = re.compile(rf"{re.escape(name)}-[0-9a-f]{{16}}\.")
    others: list[tuple[float, Path]] = []
    with contextlib.suppress(OSError):  # Another process may remove the same at this moment.
        for path in written.parent.iterdir():
            if path == written or not pattern.match(path.name):
                continue
            used = path.stat().st_mtime
            if path.suffix != _PARTIAL:
                others.append((used, path))
            elif time.time() - used > _ABANDONED_S:
                path.unlink()
        for _, path in sorted(others, reverse=True)[_KEPT:]:
            path.unlink()
