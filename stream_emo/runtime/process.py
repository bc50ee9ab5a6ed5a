"""Process-wide matters: optional set-up for programs, and the detection of a fork."""

from __future__ import annotations

import ctypes
import os
import sys

from stream_emo.errors import ForkError

_M_ARENA_MAX = -8
"""The option of glibc's mallopt(3) that limits the number of heaps."""


def set_up_process() -> None:
    """Set up this process for several sessions on few cores; for programs, never called by the library.

    Call it before anything else is imported. It limits NumPy's linear algebra to one thread (its threads spin
    while they wait, which halves the speed on one core), lets all threads share one heap (glibc keeps what a
    pass has freed in each), and bounds oneDNN's cache of plans, one for each length of audio (60 MB after
    some hours). Environment variables that are set already are left as they are.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "16")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if sys.platform == "linux":
        # Another C library has no such function, or ignores it.
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(_M_ARENA_MAX, 1)


def available_cores() -> int:
    """Return the number of processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class ForkGuard:
    """Remembers the process in which native libraries were loaded: their threads do not survive a fork."""

    def __init__(self) -> None:
        self._pid = os.getpid()

    @property
    def forked(self) -> bool:
        """Whether this process was forked since."""
        return os.getpid() != self._pid

    def check(self) -> None:
        """Raise `ForkError` in a process that was forked since."""
        if self.forked:
            raise ForkError(
                "this engine was loaded before the process was forked, and its models would hang; load the "
                'engine in the child, or start it with multiprocessing\'s "spawn" or "forkserver" method'
            )
